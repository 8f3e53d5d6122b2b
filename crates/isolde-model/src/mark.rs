//! Points in the life of a launch, stamped by the host's monotonic clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A point in the life of a launch, in the order in which they are passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The runner asked the back end for a sandbox. Always 0.
    Requested,
    /// The back end started what isolates: a process, a container's init, a VMM.
    SandboxStarted,
    /// A kernel of the sandbox's own started its clock: the arrival of the agent's
    /// first byte less the kernel's age then, as told from inside. What a kernel does
    /// before it has a clock counts as the VMM's. Environments on the host's kernel,
    /// and guests that are restored, do not pass it.
    KernelEntered,
    /// The agent's first byte arrived.
    AgentUp,
    /// The agent took the job and is about to load the application.
    ApplicationStarted,
    /// The model is in memory and ready for its first input.
    ModelLoaded,
    /// The first inference is done.
    FirstInference,
    /// The last inference is done and reported.
    WorkDone,
    /// The sandbox's end was seen by the host.
    ExitSeen,
    /// Nothing of the sandbox is left on the host.
    TornDown,
}

impl Mark {
    /// The name used in files, such as `agent_up`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::SandboxStarted => "sandbox_started",
            Self::KernelEntered => "kernel_entered",
            Self::AgentUp => "agent_up",
            Self::ApplicationStarted => "application_started",
            Self::ModelLoaded => "model_loaded",
            Self::FirstInference => "first_inference",
            Self::WorkDone => "work_done",
            Self::ExitSeen => "exit_seen",
            Self::TornDown => "torn_down",
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// When a mark was passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkStamp {
    /// Which point.
    pub mark: Mark,
    /// Nanoseconds of the host's monotonic clock since [`Mark::Requested`].
    pub at_ns: u64,
}
