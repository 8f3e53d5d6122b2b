//! How Cloud Hypervisor is started.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::vmm::{Api, Folder, hand_down};
use crate::{BackendError, SandboxSpec};

/// Name of the API's socket until it is connected.
const API: &str = "api";

/// Our end of its API, and the socket that it listens on. They are connected before it
/// starts: no wait for a path to appear, and no path by which somebody else gets in.
pub(super) fn api(spec: &SandboxSpec, folder: &Folder) -> Result<(Api, OwnedFd), BackendError> {
    let listener = folder.listen(API)?;
    let stream = folder
        .connect(API)
        .map_err(|source| BackendError::os("connect to the API's socket", source))?;
    let path = spec.scratch.join(API);
    fs::remove_file(&path).map_err(|source| BackendError::file("remove", path, source))?;
    Ok((Api::over(stream)?, listener.into()))
}

/// The command that serves its API on `socket`, with its own seccomp filters. The
/// guest's serial console is its standard output, its log its standard error.
pub(super) fn vmm(program: &Path, spec: &SandboxSpec, socket: OwnedFd) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--api-socket", &format!("fd={}", socket.as_raw_fd())])
        .current_dir(&spec.scratch)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    hand_down(&mut command, vec![socket]);
    command
}
