//! Firecracker under its jailer: in a root of its own with nothing in it but what it
//! needs, as a user of its own, and seen by nobody else's mounts.
//!
//! The root lies in the scratch folder, and what is lent to it is mounted there, read
//! only, in a mount namespace that goes with the process. The jailer then becomes
//! Firecracker, so that it is supervised, counted and ended as one without a jail.
//! `--new-pid-ns` would put a process between the two, and is not used. As the jailer
//! changes its user, the kernel no longer ends it with this program, should that be
//! killed: `isolde clean` does, by its cgroup.

use std::ffi::{CStr, CString, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, MountPropagationFlags, mount_bind, mount_change, mount_remount};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::BackendError;

pub(super) const JAILER: &str = "jailer";

/// No distribution hands these user and group ids out; see the table of
/// UIDS-GIDS.md in systemd's documentation. Each launch has one of its own.
const FIRST_USER: u32 = 1_900_000_000;
const USERS: u32 = 100_000_000;

/// The root of one Firecracker.
#[derive(Debug)]
pub(super) struct Jail {
    jailer: PathBuf,
    program: PathBuf,
    base: PathBuf,
    id: String,
    root: PathBuf,
    /// What is to be mounted where.
    loans: Vec<(CString, CString)>,
}

impl Jail {
    /// Makes the root below `base`, where the jailer will look for it.
    pub(super) fn make(
        jailer: PathBuf,
        program: &Path,
        base: &Path,
        id: &str,
    ) -> Result<Self, BackendError> {
        let program = fs::canonicalize(program)
            .map_err(|source| BackendError::file("find", program, source))?;
        // As the jailer puts it together.
        let name = program.file_name().map(OsString::from).unwrap_or_default();
        let root = base.join(name).join(id).join("root");
        fs::create_dir_all(&root).map_err(|source| BackendError::file("make", &root, source))?;
        let (base, id) = (base.to_owned(), id.to_owned());
        Ok(Self { jailer, program, base, id, root, loans: Vec::new() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The user and group that Firecracker runs as: spread over all of them by FNV-1a
    /// of the launch's name, which is unique on this host.
    fn user(&self) -> u32 {
        let fold = |hash: u32, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
        FIRST_USER + self.id.bytes().fold(2_166_136_261, fold) % USERS
    }

    /// Has `file` appear as `place` in the root.
    pub(super) fn lend(&mut self, file: &Path, place: &Path) -> Result<(), BackendError> {
        let readable = fs::metadata(file).map(|found| found.mode() & 0o004 != 0);
        match readable {
            Ok(true) => {}
            Ok(false) => {
                return Err(BackendError::Missing {
                    what: format!("a jailed Firecracker may not read {}", file.display()),
                    hint: "make it readable for everybody with chmod o+r".into(),
                });
            }
            Err(source) => return Err(BackendError::file("examine", file, source)),
        }
        // Something to mount on.
        File::create_new(place).map_err(|source| BackendError::file("make", place, source))?;
        self.loans.push((text(file)?, text(place)?));
        Ok(())
    }

    /// Makes Firecracker the owner of a file or socket in its root.
    pub(super) fn give(&self, place: &Path) -> Result<(), BackendError> {
        chown(place, Some(self.user()), Some(self.user()))
            .map_err(|source| BackendError::file("change the owner of", place, source))
    }

    /// The command that becomes Firecracker with `arguments`.
    pub(super) fn command<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Command, BackendError> {
        let user = self.user().to_string();
        let mut command = Command::new(&self.jailer);
        command
            .args(["--id", &self.id, "--uid", &user, "--gid", &user])
            .arg("--exec-file")
            .arg(&self.program)
            .arg("--chroot-base-dir")
            .arg(&self.base)
            .arg("--")
            .args(arguments);
        let (root, loans) = (text(&self.root)?, self.loans.clone());
        let mount = move || mount_all(&root, &loans);
        // SAFETY: between fork and exec the closure only makes system calls with paths
        // made before; it neither allocates nor takes locks.
        unsafe { command.pre_exec(mount) };
        Ok(command)
    }
}

/// Mounts what is lent, where nobody else sees it. The root itself becomes a mount
/// without the limits of the file system it lies on: /tmp often holds neither programs
/// nor devices.
fn mount_all(root: &CStr, loans: &[(CString, CString)]) -> io::Result<()> {
    // SAFETY: the only thread of this process unshares its mounts; no descriptor table
    // is touched.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(c"/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount_bind(root, root)?;
    mount_remount(root, MountFlags::BIND, c"")?;
    for (file, place) in loans {
        mount_bind(file.as_c_str(), place.as_c_str())?;
        mount_remount(place.as_c_str(), MountFlags::BIND | MountFlags::RDONLY, c"")?;
    }
    Ok(())
}

/// As system calls take it.
fn text(path: &Path) -> Result<CString, BackendError> {
    let path =
        std::path::absolute(path).map_err(|source| BackendError::file("find", path, source))?;
    CString::new(path.as_os_str().as_bytes())
        .map_err(|source| BackendError::file("name", path, io::Error::other(source)))
}
