//! Descriptors that a VMM is started with.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::io::{FdFlags, fcntl_setfd};

/// Leaves the VMM's ends open across its exec, there and nowhere else: in this
/// process they keep their close-on-exec flag, so that no child started by
/// another thread inherits them. They live as long as `command`.
pub(crate) fn hand_down(command: &mut Command, ends: Vec<OwnedFd>) {
    let keep_open = move || {
        ends.iter().try_for_each(|end| fcntl_setfd(end.as_fd(), FdFlags::empty()))?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure only calls fcntl(2) on
    // descriptors opened before; it neither allocates nor takes locks.
    unsafe { command.pre_exec(keep_open) };
}
