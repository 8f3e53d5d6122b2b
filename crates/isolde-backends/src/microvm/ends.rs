//! The files and channels of one machine: ours, and the child's.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::io::{FdFlags, fcntl_setfd};

use super::order::{self, Order};
use super::role::ROLE;
use crate::{BackendError, SandboxSpec, vmm};

/// Every file that the machine is made from, open.
#[derive(Debug)]
pub(super) struct Files {
    kernel: OwnedFd,
    initramfs: OwnedFd,
    root: OwnedFd,
    /// The launch's own disk. It has no name any more, so it goes with the child.
    upper: Option<OwnedFd>,
}

/// Our ends of the channels.
#[derive(Debug)]
pub(super) struct OurEnds {
    pub(super) line: UnixStream,
    pub(super) console: OwnedFd,
}

/// What the child is handed.
#[derive(Debug)]
pub(super) struct Handed {
    files: Files,
    line: OwnedFd,
    console: OwnedFd,
}

impl Files {
    /// Opens them.
    pub(super) fn open(spec: &SandboxSpec) -> Result<Self, BackendError> {
        let kernel = vmm::kernel(spec)?;
        Ok(Self {
            kernel: open(&kernel.image)?,
            initramfs: open(&kernel.initramfs)?,
            root: open(&spec.root)?,
            upper: spec.writable_root.then(|| make_upper(spec)).transpose()?,
        })
    }
}

fn open(path: &Path) -> Result<OwnedFd, BackendError> {
    let file = File::open(path).map_err(|source| BackendError::file("open", path, source))?;
    Ok(file.into())
}

/// The launch's copy of the empty file system.
fn make_upper(spec: &SandboxSpec) -> Result<OwnedFd, BackendError> {
    let room = spec.room.as_ref().ok_or_else(|| BackendError::Missing {
        what: "no disk for what the application writes".into(),
        hint: "run `isolde clean`, then try again".into(),
    })?;
    let path = spec.scratch.join("upper.ext4");
    vmm::copy_sparse(room, &path)?;
    let opened = OpenOptions::new().read(true).write(true).open(&path);
    let removed = fs::remove_file(&path);
    let file = opened.map_err(|source| BackendError::file("open", &path, source))?;
    removed.map_err(|source| BackendError::file("remove", &path, source))?;
    Ok(file.into())
}

/// The channels, connected.
pub(super) fn channels(files: Files) -> Result<(OurEnds, Handed), BackendError> {
    let (line, their_line) =
        UnixStream::pair().map_err(|source| BackendError::os("make a socket pair", source))?;
    let (console, their_console) =
        io::pipe().map_err(|source| BackendError::os("make a pipe", source))?;
    let handed = Handed { files, line: their_line.into(), console: their_console.into() };
    Ok((OurEnds { line, console: console.into() }, handed))
}

impl Handed {
    /// What the child is to be told.
    pub(super) fn order(&self, spec: &SandboxSpec) -> Result<Order, BackendError> {
        let (cpus, memory_mebibytes) = order::size(spec)?;
        Ok(Order {
            cpus,
            memory_mebibytes,
            parameters: order::parameters(spec),
            kernel: self.files.kernel.as_raw_fd(),
            initramfs: self.files.initramfs.as_raw_fd(),
            root: self.files.root.as_raw_fd(),
            upper: self.files.upper.as_ref().map(AsRawFd::as_raw_fd),
            line: self.line.as_raw_fd(),
            console: self.console.as_raw_fd(),
        })
    }

    /// The command that starts the child. The descriptors live as long as it.
    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .arg0("isolde")
            .arg(ROLE)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Files { kernel, initramfs, root, upper } = self.files;
        let mut ends = vec![kernel, initramfs, root, self.line, self.console];
        ends.extend(upper);
        let keep_only_these = move || {
            close_all_on_exec();
            ends.iter().try_for_each(|end| fcntl_setfd(end.as_fd(), FdFlags::empty()))?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure only makes system calls on
        // descriptors; it neither allocates nor takes locks.
        unsafe { command.pre_exec(keep_only_these) };
        command
    }
}

/// `CLOSE_RANGE_CLOEXEC` of linux/close_range.h.
const CLOEXEC: libc::c_uint = 4;

/// Descriptors that whoever started this program left open are no business of a VMM's.
/// A kernel before 5.11 cannot do this in one call; ours are closed on exec anyway.
fn close_all_on_exec() {
    // SAFETY: the call takes three numbers and only sets flags of descriptors.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOEXEC) };
}
