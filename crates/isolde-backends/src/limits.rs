//! The limits and the umask that every application finds, given to a process of
//! the host.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use isolde_model::{Limited, PROCESS_LIMITS, ProcessLimit};
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// What a login gives, and every container engine.
pub(crate) const UMASK: u32 = 0o022;

/// Gives `command` the limits and the umask of every sandbox.
pub(crate) fn give(command: &mut Command) {
    let limits = attainable();
    let set = move || {
        umask(Mode::from_raw_mode(UMASK));
        limits.iter().try_for_each(|limit| {
            let wanted = Rlimit { current: limit.soft, maximum: limit.hard };
            Ok(setrlimit(resource(limit.on), wanted)?)
        })
    };
    // SAFETY: between fork and exec the closure only makes system calls; it
    // neither allocates nor takes locks.
    unsafe { command.pre_exec(set) };
}

/// The limits of every sandbox, as far as this host's root may give them: inside
/// of a restricted container it may not raise what it was given itself. Its
/// engines are taken to stand where it stands.
pub(crate) fn attainable() -> [ProcessLimit; PROCESS_LIMITS.len()] {
    if may_raise(&fs::read_to_string("/proc/self/status").unwrap_or_default()) {
        return PROCESS_LIMITS;
    }
    PROCESS_LIMITS.map(|limit| {
        let ceiling = getrlimit(resource(limit.on)).maximum;
        let least = |wanted: Option<u64>| wanted.into_iter().chain(ceiling).min();
        ProcessLimit { soft: least(limit.soft), hard: least(limit.hard), ..limit }
    })
}

/// Whether `status` (proc(5)) has `CAP_SYS_RESOURCE` among the effective
/// capabilities.
fn may_raise(status: &str) -> bool {
    const CAP_SYS_RESOURCE: u32 = 24;
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    capabilities.is_some_and(|set| set >> CAP_SYS_RESOURCE & 1 == 1)
}

const fn resource(limited: Limited) -> Resource {
    match limited {
        Limited::CoreDump => Resource::Core,
        Limited::LockedMemory => Resource::Memlock,
        Limited::OpenFiles => Resource::Nofile,
        Limited::PendingSignals => Resource::Sigpending,
        Limited::Processes => Resource::Nproc,
        Limited::Stack => Resource::Stack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_to_raise_limits_is_read() {
        assert!(may_raise("Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"));
        assert!(!may_raise("CapPrm:\t000001ffffffffff\nCapEff:\t000001fffeffffff\n"));
        assert!(!may_raise(""));
    }

    #[test]
    fn a_child_gets_them() {
        let mut command = Command::new("sh");
        give(command.args(["-c", "umask; ulimit -Sn; ulimit -c"]));
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0022\n1024\n0\n");
    }
}
