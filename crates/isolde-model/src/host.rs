//! What is known of the device that a run was made on.

use serde::{Deserialize, Serialize};

use crate::{EnvironmentName, Readiness};

/// Facts of a host, read when a run begins. `None`: this host does not tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Board or machine name, such as `Raspberry Pi 4 Model B Rev 1.4`.
    pub machine: Option<String>,
    /// `PRETTY_NAME` of /etc/os-release.
    pub os: Option<String>,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Machine architecture, as `uname -m`.
    pub architecture: String,
    /// The CPU.
    pub cpu: CpuFacts,
    /// Physical memory in bytes.
    pub memory_bytes: u64,
    /// Memory available for new work in bytes.
    pub memory_available_bytes: u64,
    /// Configured swap in bytes.
    pub swap_bytes: u64,
    /// Swap in use in bytes.
    pub swap_used_bytes: u64,
    /// Version of the cgroup file system in use: `v1`, `v2`, `none`.
    pub cgroup: String,
    /// Hottest thermal zone in thousandths of a degree Celsius.
    pub temperature_millicelsius: Option<i64>,
    /// What throttles or threatens to, in words; empty when nothing does.
    pub throttling: Vec<String>,
    /// Load average over one minute, in thousandths.
    pub load_1m_thousandths: u64,
    /// Whether KVM executes guest code.
    pub kvm: KvmFacts,
}

/// The host's CPU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuFacts {
    /// Model name.
    pub model: Option<String>,
    /// CPUs that this process may run on.
    pub cpus: u32,
    /// Frequency governor, where all CPUs share one; else a list.
    pub governor: Option<String>,
    /// SHA-256 (first 16 hex digits) over the sorted feature flags that concern
    /// arithmetic.
    pub features_digest: Option<String>,
    /// True where a hypervisor announces itself to this host.
    pub virtualized: bool,
    /// Why this host's own CPU is known to be software; such figures say nothing
    /// about the speed of any device. `None` where nothing shows it.
    #[serde(default)]
    pub emulated: Option<String>,
}

/// What the KVM probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum KvmFacts {
    /// Guest code runs on the CPU itself.
    Executes {
        /// Picoseconds per iteration of the probe's loop.
        picoseconds_per_iteration: u64,
    },
    /// It runs, but so slowly that it must be emulated.
    Emulated {
        /// Picoseconds per iteration of the probe's loop.
        picoseconds_per_iteration: u64,
    },
    /// The device is there but guest code does not run.
    Broken {
        /// What happened.
        reason: String,
    },
    /// No usable device.
    Absent {
        /// What is missing.
        reason: String,
        /// What to do.
        hint: String,
    },
}

impl Default for KvmFacts {
    fn default() -> Self {
        Self::Absent { reason: "not probed".into(), hint: String::new() }
    }
}

impl KvmFacts {
    /// True where ordinary guest kernels run at the CPU's own speed.
    #[must_use]
    pub const fn executes(&self) -> bool {
        matches!(self, Self::Executes { .. })
    }
}

/// An environment and whether it is usable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentReport {
    /// The environment.
    pub environment: EnvironmentName,
    /// One line on what it is.
    pub description: String,
    /// Whether it is usable.
    pub readiness: Readiness,
}
