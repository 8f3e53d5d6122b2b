//! What a sandbox used, seen from the host.

use serde::{Deserialize, Serialize};

/// Resources used from the launch's request to the reading, over everything
/// in the sandbox's cgroup (application, agent, VMM), plus, apart, the daemons
/// that worked on its behalf outside that cgroup.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// CPU time of the cgroup in nanoseconds, user and system.
    pub cpu_ns: u64,
    /// User part, where the kernel tells.
    pub cpu_user_ns: Option<u64>,
    /// System part, where the kernel tells.
    pub cpu_system_ns: Option<u64>,
    /// Largest memory charged to the cgroup in bytes: anonymous memory and page
    /// cache. `None` where the kernel has no memory controller or keeps no peak.
    pub memory_peak_bytes: Option<u64>,
    /// Processes that the kernel killed in the cgroup for want of memory.
    pub oom_kills: u64,
    /// CPU of daemons outside the cgroup during the launch.
    pub daemons: Vec<DaemonCpu>,
}

impl Reading {
    /// CPU time of cgroup and daemons together, in nanoseconds.
    #[must_use]
    pub fn total_cpu_ns(&self) -> u64 {
        let daemons = self.daemons.iter().map(|daemon| daemon.cpu_ns);
        daemons.fold(self.cpu_ns, u64::saturating_add)
    }
}

/// CPU time that a daemon spent between request and reading. A daemon that
/// serves others at the same time is charged in full: an upper bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonCpu {
    /// The daemon's name, such as `dockerd`.
    pub name: String,
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
}
