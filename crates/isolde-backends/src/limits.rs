//! The limits and the umask that every application finds, given to a process of
//! the host.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use isolde_model::{Limited, PROCESS_LIMITS, ProcessLimit};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// What a login gives, and every container engine.
pub(crate) const UMASK: u32 = 0o022;

/// Gives `command` the limits and the umask of every sandbox. Whoever may not
/// raise a hard limit gets as much as is allowed.
pub(crate) fn give(command: &mut Command) {
    let set = || {
        umask(Mode::from_raw_mode(UMASK));
        PROCESS_LIMITS.iter().try_for_each(set)
    };
    // SAFETY: between fork and exec the closure only makes system calls; it
    // neither allocates nor takes locks.
    unsafe { command.pre_exec(set) };
}

fn set(limit: &ProcessLimit) -> io::Result<()> {
    let resource = match limit.on {
        Limited::CoreDump => Resource::Core,
        Limited::LockedMemory => Resource::Memlock,
        Limited::OpenFiles => Resource::Nofile,
        Limited::PendingSignals => Resource::Sigpending,
        Limited::Processes => Resource::Nproc,
        Limited::Stack => Resource::Stack,
    };
    let wanted = Rlimit { current: limit.soft, maximum: limit.hard };
    match setrlimit(resource, wanted) {
        Err(Errno::PERM) => {
            let allowed = getrlimit(resource).maximum;
            let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
            let current = least(wanted.current, allowed);
            Ok(setrlimit(resource, Rlimit { current, maximum: least(wanted.maximum, allowed) })?)
        }
        result => Ok(result?),
    }
}
