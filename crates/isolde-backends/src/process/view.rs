//! What a process sees as `/` that may write to its root file system.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use isolde_model::SHARED_MEMORY_BYTES;
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, mount, mount_bind_recursive};
use rustix::process::{Gid, chroot, fchdir};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space, set_thread_groups};
use rustix::time::{ClockId, clock_gettime};

use crate::BackendError;
use crate::overlay::{Overlay, by_descriptor, folder_in, set_mounts_apart};

/// A mount namespace with the root in it. It goes when this value, and every
/// process that has entered, is gone.
pub(super) struct View {
    namespace: OwnedFd,
    root: OwnedFd,
    /// CPU that making it took, in nanoseconds: spent in this program, outside of
    /// the sandbox's cgroup.
    pub(super) cpu_ns: u64,
}

impl View {
    /// Mounts `overlay` and, on it, the host's /proc, /sys and /dev, on a thread
    /// that leaves this program's mounts alone.
    pub(super) fn make(overlay: &Overlay) -> Result<Self, BackendError> {
        let made = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("mounts".into());
            let thread = thread
                .spawn_scoped(scope, || make_here(overlay))
                .map_err(|source| BackendError::os("start a thread", source))?;
            thread.join().map_err(|_| BackendError::tool(ACTION, "its thread panicked"))?
        });
        if made.is_err() {
            overlay.remove();
        }
        made
    }

    /// Lets `command` enter before it is executed.
    pub(super) fn enter(self, command: &mut Command) {
        let Self { namespace, root, .. } = self;
        let enter = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))?;
            fchdir(&root)?;
            chroot(c".")?;
            // Whoever started this program may be in more groups than root.
            set_thread_groups(&[Gid::ROOT])?;
            Ok(())
        };
        // SAFETY: between fork and exec the closure only makes four system calls
        // with descriptors opened before; it neither allocates nor takes locks.
        unsafe { command.pre_exec(enter) };
    }
}

const ACTION: &str = "make the root file system writable";

fn make_here(overlay: &Overlay) -> Result<View, BackendError> {
    set_mounts_apart()?;
    let root = overlay.mount()?;
    for name in ["proc", "sys", "dev"] {
        share(root.as_fd(), name)
            .map_err(|source| BackendError::os(format!("show /{name} of the host"), source))?;
    }
    // The host's own must not keep what an application leaves in it.
    if fs::symlink_metadata("/dev/shm").is_ok_and(|found| found.is_dir()) {
        mount_shared_memory(root.as_fd())
            .map_err(|source| BackendError::os("mount /dev/shm", source))?;
    }
    let link = "/proc/thread-self/ns/mnt";
    let namespace = open(link, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|source| BackendError::file("open", link, source))?;
    Ok(View { namespace, root, cpu_ns: thread_cpu_ns() })
}

fn share(root: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let place = folder_in(root, name)?;
    Ok(mount_bind_recursive(format!("/{name}"), by_descriptor(&place))?)
}

fn mount_shared_memory(root: BorrowedFd<'_>) -> io::Result<()> {
    let place = folder_in(root, "dev/shm")?;
    let options = CString::new(format!("mode=1777,size={SHARED_MEMORY_BYTES}"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    Ok(mount("shm", by_descriptor(&place), "tmpfs", flags, Some(options.as_c_str()))?)
}

/// CPU time of the calling thread so far, in nanoseconds.
fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
