//! Root file systems of Debian's packages, made by mmdebstrap.

use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;

use crate::{ImageError, Tool, Watch};

const MMDEBSTRAP: Tool = Tool { name: "mmdebstrap", package: "mmdebstrap" };

/// A device's line may be slow: there may be 180 MB to download.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A root file system of Debian's packages.
#[derive(Debug, Clone)]
pub struct DebianRoot<'a> {
    /// Debian's release, such as `bookworm`.
    pub suite: &'a str,
    /// Debian's name of the architecture, such as `amd64`.
    pub architecture: &'a str,
    /// What is done with the packages and which are there without being named, as
    /// mmdebstrap's `--variant` has it.
    pub variant: &'a str,
    /// The packages; what they depend on comes along, what they recommend does not.
    pub packages: &'a [String],
}

impl DebianRoot<'_> {
    /// Folders that a system without readers needs not have.
    pub const LEFT_OUT: [&'static str; 4] =
        ["/usr/share/doc/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/man/*"];

    /// That the tool which makes it is there.
    ///
    /// # Errors
    /// Which package brings it.
    pub fn check_tool() -> Result<(), ImageError> {
        MMDEBSTRAP.find().map(|_| ())
    }

    /// Makes it as the new folder `root`, beside which temporary files lie for a while.
    /// Needs the network and root's rights.
    ///
    /// # Errors
    /// What mmdebstrap said, that it took too long or was stopped.
    pub fn make(&self, root: &Path, watch: &mut Watch<'_>) -> Result<(), ImageError> {
        let folder = root.parent().unwrap_or(Path::new("/"));
        let temporary = folder.display().to_string();
        let environment = [
            // Isolde makes the initramfs of its guests itself.
            ("INITRD", "No"),
            ("DEBIAN_FRONTEND", "noninteractive"),
            // What it leaves when it is killed goes with the folder.
            ("TMPDIR", temporary.as_str()),
        ];
        MMDEBSTRAP.follow(self.arguments(root), &environment, folder, PATIENCE, watch)
    }

    fn arguments(&self, root: &Path) -> Vec<String> {
        let mut arguments = vec![
            format!("--variant={}", self.variant),
            "--mode=root".into(),
            format!("--architectures={}", self.architecture),
            "--aptopt=Apt::Install-Recommends \"false\"".into(),
        ];
        arguments
            .extend(Self::LEFT_OUT.iter().map(|path| format!("--dpkgopt=path-exclude={path}")));
        arguments.push(format!("--include={}", self.packages.join(",")));
        arguments.extend([self.suite.into(), root.display().to_string()]);
        arguments
    }
}

/// That there is room in `folder`, a temporary one.
///
/// # Errors
/// How much is there, and how to have more.
pub fn check_room(folder: &Path, needed: u64) -> Result<(), ImageError> {
    let found = statvfs(folder).map_err(|error| ImageError::file("look at", folder, error))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free >= needed {
        return Ok(());
    }
    let folder = folder.parent().unwrap_or(folder).to_owned();
    Err(ImageError::NoRoom { folder, free, needed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_told_with_how_to_have_more() {
        let folder = tempfile::tempdir().unwrap();
        check_room(folder.path(), 1).unwrap();
        let error = check_room(folder.path(), u64::MAX).unwrap_err().to_string();
        assert!(error.contains("set TMPDIR"), "{error}");
    }
}
