//! Where the Engine puts a container's cgroup, and how it is read there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use isolde_model::{Leak, Reading};
use std::process::{Command, Stdio};

use super::facts::CgroupDriver;
use crate::BackendError;
use crate::cgroup::{self, Cgroup, Hierarchy, Version};
use crate::supervise::Supervised;

/// The cgroup that the container's own is made in.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// Ours: the cgroupfs driver takes any path.
    Below(Cgroup),
    /// A slice of systemd: its driver takes nothing else.
    Slice { hierarchy: Arc<dyn Hierarchy>, slice: String },
}

impl Place {
    /// For the sandbox `id`, whose cgroup is `cgroup`.
    pub(super) fn choose(
        driver: CgroupDriver,
        id: &str,
        cgroup: &Cgroup,
    ) -> Result<Self, BackendError> {
        Ok(match driver {
            CgroupDriver::Cgroupfs => Self::Below(cgroup.clone()),
            CgroupDriver::Systemd => {
                Self::Slice { hierarchy: cgroup::host_hierarchy()?, slice: slice_name(id) }
            }
        })
    }

    /// What the Engine takes as `CgroupParent`.
    pub(super) fn parent(&self) -> String {
        match self {
            Self::Below(cgroup) => cgroup.path(),
            Self::Slice { slice, .. } => slice.clone(),
        }
    }

    /// CPU, memory and out-of-memory kills so far.
    pub(super) fn read(&self) -> Result<Reading, BackendError> {
        match self {
            Self::Below(cgroup) => cgroup.read(),
            Self::Slice { hierarchy, slice } => hierarchy
                .read(slice)
                .map_err(|(path, source)| BackendError::file("use the cgroup", path, source)),
        }
    }

    /// Whether out-of-memory kills are counted by the container's cgroup alone,
    /// which the Engine removes: so it is with cgroup v1.
    pub(super) fn forgets_oom_kills(&self) -> bool {
        match self {
            Self::Below(cgroup) => cgroup.version() == Version::V1,
            Self::Slice { hierarchy, .. } => hierarchy.version() == Version::V1,
        }
    }

    /// Process ids in it.
    pub(super) fn processes(&self) -> Vec<u32> {
        match self {
            Self::Below(cgroup) => cgroup.processes(),
            Self::Slice { hierarchy, slice } => hierarchy.processes(slice),
        }
    }

    /// Ends every process in it, whatever the Engine thinks.
    pub(super) fn kill(&self) {
        for pid in self.processes() {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                // It may have ended since it was listed.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }

    /// Gives it back and reports what stayed. Our own cgroup is the caller's.
    pub(super) fn close(&self) -> Vec<Leak> {
        match self {
            Self::Below(_) => Vec::new(),
            Self::Slice { hierarchy, slice } => stop_slice(hierarchy, slice).into_iter().collect(),
        }
    }
}

/// A dash would make systemd nest the slice in others, which then stay; ids
/// have no underscore, so no two become the same.
pub(super) fn slice_name(id: &str) -> String {
    format!("isolde_{}.slice", id.replace('-', "_"))
}

/// The process id that the id of a run's sandbox begins with, given its slice.
pub(super) fn slice_owner(slice: &str) -> Option<u32> {
    let id = slice.strip_prefix("isolde_")?.strip_suffix(".slice")?;
    id.split_once('_')?.0.parse().ok()
}

/// systemd makes a slice for its first scope but keeps it after its last.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn stop_slice(hierarchy: &Arc<dyn Hierarchy>, slice: &str) -> Option<Leak> {
    let mut command = Command::new("systemctl");
    command.args(["--quiet", "stop", slice]).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let stopped = Supervised::spawn(&mut command)
        .and_then(|mut stop| stop.wait("the end of a slice", Instant::now() + STOP_PATIENCE));
    // A slice that was never made is refused; what counts is that none is left.
    if let Err(error) = stopped {
        tracing::warn!(%error, slice, "cannot stop a slice");
    }
    match hierarchy.remove(slice, STOP_PATIENCE) {
        Ok(()) => None,
        Err((path, source)) => Some(Leak::new("cgroup", format!("{}: {source}", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_do_not_nest() {
        assert_eq!(slice_name("run-7-a"), "isolde_run_7_a.slice");
    }

    #[test]
    fn only_slices_of_runs_have_an_owner() {
        assert_eq!(slice_owner(&slice_name("2714-a85x0t-0")), Some(2714));
        for other in ["isolde_run_7_a.slice", "isolde_7_a", "system.slice", "isolde_7.slice"] {
            assert_eq!(slice_owner(other), None, "{other}");
        }
    }
}
