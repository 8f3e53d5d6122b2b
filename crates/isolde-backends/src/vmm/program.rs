//! A VMM as a program of the host.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::BackendError;
use crate::supervise::{Supervised, Tail};

/// A program says its version at once; the first start reads it from a slow disk.
const VERSION_PATIENCE: Duration = Duration::from_secs(20);

/// The program of that name on the PATH, or at that path.
pub(crate) fn find(program: impl AsRef<Path>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(&program)).find(|file| file.is_file())
}

/// What `program --version` says of its version, picked out of its output by `parse`.
pub(crate) fn version<T>(
    program: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, BackendError> {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = Supervised::spawn(&mut command)?;
    let output = child.child().stdout.take().map(Tail::follow).unwrap_or_default();
    child.wait("the answer to --version", Instant::now() + VERSION_PATIENCE)?;
    let text = String::from_utf8_lossy(&output.bytes()).into_owned();
    parse(&text).ok_or_else(|| BackendError::tool("learn its version", text))
}

/// The last line in `tail` that says something.
pub(crate) fn last_line(tail: &Tail) -> Option<String> {
    let bytes = tail.bytes();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned)
}
