//! The figures of a row.

use serde::{Deserialize, Serialize};

use crate::phases::{PhaseFigures, TaskFigures};
use crate::program::ProgramFigures;

/// One application in one environment. Figures are of completed launches only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What ran.
    pub application: String,
    /// Threads of the inference engine.
    #[serde(default)]
    pub threads: u32,
    /// How it was isolated.
    pub environment: String,
    /// The technology and its version.
    pub version: Option<String>,
    /// What the user should know of this environment although it works.
    pub note: Option<String>,
    /// True where the CPU was emulated.
    pub emulated: bool,
    /// The kernel that its launches ran on, where they told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<SeenKernel>,
    /// Launches that the plan asks for.
    pub planned: u32,
    /// Launches that completed.
    pub completed: usize,
    /// Launches that failed.
    pub failed: usize,
    /// True where the rest of its launches was dropped after repeated failures.
    pub given_up: bool,
    /// Steady inferences of all completed launches.
    pub steady_inferences: usize,
    /// How long the network took (`infer_ns`, the sandbox's monotonic clock):
    /// warm-up, preparing inputs and interpreting outputs are not in it. Of a
    /// program of the user's, what it told, or see [`ProgramFigures::timings`].
    pub inference: DurationFigures,
    /// How many times faster this is, by `inference.median_ns`, than with the
    /// fewest threads of the plan; `None` where threads are not swept, or one of
    /// the two cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_up: Option<f64>,
    /// From input to answer; `None` of a program of the user's, which tells one
    /// duration only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<PhaseFigures>,
    /// The tasks that an inference consists of, in their order; empty where it is
    /// one, or where no launch completed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskFigures>,
    /// What a launch costs.
    pub launch: LaunchFigures,
    /// `inference` against the plan's baseline.
    pub comparison: Comparison,
    /// How its outputs agreed with the others', where that was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// The environment whose outputs all of its launches gave, bit for bit; it may be
    /// itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub equals: Option<String>,
    /// How its launches went, where it is a program of the user's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramFigures>,
}

/// The kernel that launches ran on, as they told from inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenKernel {
    /// Its release; several where launches differed, separated by commas.
    pub release: String,
    /// Whether it was a guest's own, not the host's.
    pub own: bool,
}

/// A figure, or why it cannot be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// The figure in the unit of its field's name.
    Value(f64),
    /// Why there is none.
    Untold(String),
}

impl Figure {
    /// The figure, if there is one.
    #[must_use]
    pub const fn value(&self) -> Option<f64> {
        match self {
            Self::Value(value) => Some(*value),
            Self::Untold(_) => None,
        }
    }
}

impl Default for Figure {
    fn default() -> Self {
        Self::Untold("not in this summary".into())
    }
}

impl From<Result<f64, isolde_stats::Untold>> for Figure {
    fn from(result: Result<f64, isolde_stats::Untold>) -> Self {
        match result {
            Ok(value) => Self::Value(value),
            Err(why) => Self::Untold(why.to_string()),
        }
    }
}

/// Durations of the steady inferences of completed launches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DurationFigures {
    /// Median over launches of each launch's median: every launch counts the
    /// same. Ratios are made of this one.
    pub median_ns: Figure,
    /// Median over all steady inferences of all launches together.
    pub pooled_median_ns: Figure,
    /// 95th percentile over all steady inferences of all launches together.
    pub p95_ns: Figure,
    /// 99th percentile over the same.
    pub p99_ns: Figure,
    /// Standard deviation (n − 1) over the same.
    pub sd_ns: Figure,
}

/// What a launch costs: medians over launches, each figure by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchFigures {
    /// From the request to the first inference's end, by the host's clock; of a
    /// program that gives a sign of readiness, to that.
    pub cold_start_ns: Figure,
    /// The part of it until the agent's first byte arrived; as in `start`.
    pub agent_up_ns: Figure,
    /// The steps of a launch's start and end.
    #[serde(default)]
    pub start: StartFigures,
    /// CPU time of everything in the sandbox's cgroup and of the daemons that
    /// worked for it, from the request to the end.
    pub cpu_ns: Figure,
    /// The daemons' part of it.
    pub daemon_cpu_ns: Figure,
    /// Names of these daemons.
    pub daemons: Vec<String>,
    /// Largest memory charged to the sandbox's cgroup, page cache included.
    pub memory_peak_bytes: Figure,
}

/// When a launch passed its marks, by the host's clock: medians over launches, each
/// by itself, so they need not add up.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StartFigures {
    /// From the request until what isolates ran: a process, a container's init, a
    /// VMM's virtual CPUs.
    pub sandbox_started_ns: Figure,
    /// From the request until the guest's kernel started its clock; untold where the
    /// kernel is the host's, or was restored.
    pub kernel_entered_ns: Figure,
    /// From the request to the agent's first byte.
    pub agent_up_ns: Figure,
    /// From the request until the application was about to be loaded.
    pub application_started_ns: Figure,
    /// From the request until the model was in memory.
    pub model_loaded_ns: Figure,
    /// From the request to the end of the first inference.
    pub first_inference_ns: Figure,
    /// From the end of the work until the sandbox's end was seen.
    pub exit_ns: Figure,
    /// From that until nothing of it was left on the host.
    pub tear_down_ns: Figure,
}

/// A row against the plan's baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Comparison {
    /// This is the baseline.
    Baseline,
    /// The ratio of the two medians: above 1, this one takes longer.
    Compared {
        /// Of launch medians, over the blocks in which both completed.
        ratio: f64,
        /// 95 % interval; `None` where it cannot be told.
        interval: Option<[f64; 2]>,
        /// Why there is no interval.
        interval_untold: Option<String>,
        /// Blocks in which both completed.
        blocks: usize,
    },
    /// Not compared.
    LeftOut {
        /// For programs.
        reason: LeftOut,
        /// For people.
        why: String,
    },
}

/// Why a row is not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Its CPU was emulated.
    Emulated,
    /// The baseline's CPU was emulated.
    BaselineEmulated,
    /// No block in which both completed, or a median of zero.
    NoRatio,
}
