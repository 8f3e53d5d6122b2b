//! Whether containers can be made on this host.

use isolde_model::{Missing, Readiness, Ready};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use crate::cgroup;

/// Version of the `libcontainer` crate; a test compares it with the lock file.
const VERSION: &str = "0.7.0";

pub(super) fn probe() -> Readiness {
    if !rustix::process::geteuid().is_root() {
        return Readiness::missing(
            "no permission to make namespaces and mounts",
            "they belong to root: run with sudo",
        );
    }
    let version = match cgroup::check_permission() {
        Ok(version) => version,
        Err(missing) => return Readiness::Missing(missing),
    };
    if let Err(missing) = check_cgroup_layout().and_then(|()| check_namespaces()) {
        return Readiness::Missing(missing);
    }
    Readiness::Ready(Ready {
        version: format!("libcontainer {VERSION}, cgroup {version}"),
        emulated: false,
        note: Some("no seccomp filter, unlike Docker".into()),
    })
}

/// `libcgroups` looks nowhere else and takes only these two file systems there.
fn check_cgroup_layout() -> Result<(), Missing> {
    const CGROUP2_SUPER_MAGIC: u64 = 0x6367_7270;
    const TMPFS_MAGIC: u64 = 0x0102_1994;
    let kind = rustix::fs::statfs("/sys/fs/cgroup").map(|stat| u64::try_from(stat.f_type));
    match kind {
        Ok(Ok(CGROUP2_SUPER_MAGIC | TMPFS_MAGIC)) => Ok(()),
        _ => Err(missing(
            "no cgroup file system at /sys/fs/cgroup",
            "mount it there, for example with `mount -t cgroup2 none /sys/fs/cgroup`",
        )),
    }
}

/// Makes one namespace of each kind, on a thread that ends at once and takes
/// them along.
fn check_namespaces() -> Result<(), Missing> {
    let tried = std::thread::spawn(|| {
        let all = UnshareFlags::NEWNS
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWCGROUP;
        // SAFETY: no descriptor table is unshared; what is unshared concerns
        // this thread alone, which does nothing more.
        unsafe { unshare_unsafe(all) }
    });
    match tried.join() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(missing(
            format!("namespaces cannot be made: {error}"),
            "run outside of a restricted container, on a kernel with CONFIG_NAMESPACES, and \
             see that no /proc/sys/user/max_*_namespaces is 0",
        )),
        Err(_) => Err(missing("namespaces cannot be tried", "see `isolde doctor`")),
    }
}

fn missing(what: impl Into<String>, hint: &str) -> Missing {
    Missing { what: what.into(), hint: hint.into(), packages: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        assert!(lock.contains(&format!("name = \"libcontainer\"\nversion = \"{VERSION}\"")));
    }
}
