//! Waiting for a child as PID 1, which inherits everybody's orphans.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, wait};

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

/// Waits until `child` has ended and reaps whatever else ends until then, so
/// that orphans of the child do not pile up. Nothing else may wait for children
/// meanwhile: it takes the status of every one of them. Correct, if without
/// need, where this process is not PID 1.
///
/// # Errors
/// That `child` is not a child of this process.
pub fn reap_until(child: Pid) -> io::Result<Ended> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                if let Some(code) = status.exit_status() {
                    return Ok(Ended::Exited(code));
                }
                if let Some(signal) = status.terminating_signal() {
                    return Ok(Ended::Signalled(signal));
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
