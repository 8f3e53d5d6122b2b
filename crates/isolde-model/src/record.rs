//! What is kept of a run.

use serde::{Deserialize, Serialize};

use crate::{EnvironmentName, MarkStamp, Outcome, ProgramFacts, Reading};

/// One launch of one application in one environment, and its place in the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Trial {
    /// Place in the whole run, from 0.
    pub index: u32,
    /// Block, from 0. A block holds every environment once.
    pub block: u32,
    /// Place within its block, from 0.
    pub position: u32,
    /// How it is isolated.
    pub environment: EnvironmentName,
    /// What runs.
    pub application: String,
    /// Threads of the inference engine; 0 in records of before they could be
    /// swept, of which the plan tells.
    #[serde(default)]
    pub threads: u32,
}

/// All that is known of a trial except its inferences and output tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Which trial.
    pub trial: Trial,
    /// How it ended.
    pub outcome: Outcome,
    /// True where the CPU was emulated.
    pub emulated: bool,
    /// Marks in the order in which they were passed.
    pub marks: Vec<MarkStamp>,
    /// What it used, seen from the host after its end; `None` if nothing could be read.
    pub reading: Option<Reading>,
    /// What it saw from inside.
    pub inside: Option<InsideFacts>,
    /// How its outputs agreed with the others'; `None` if they were not compared.
    #[serde(default)]
    pub agreement: Option<Agreement>,
    /// What was left on the host after tear-down; empty is the rule.
    pub leaks: Vec<Leak>,
    /// Last lines of the sandbox's console or standard error, kept on failure.
    /// Control characters are replaced: this came out of the sandbox.
    pub console_tail: Option<String>,
    /// Names of the tasks that its inferences are broken down by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// What is known of a program that the user brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramFacts>,
}

impl TrialRecord {
    /// Nanoseconds since the request at which `mark` was passed.
    #[must_use]
    pub fn mark_ns(&self, mark: crate::Mark) -> Option<u64> {
        self.marks.iter().find(|stamp| stamp.mark == mark).map(|stamp| stamp.at_ns)
    }
}

/// Which part of a launch an inference belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Among the first inferences, kept apart from the steady ones.
    WarmUp,
    /// Counted in the tables.
    Steady,
}

/// One sample inside a launch. Durations are the sandbox's monotonic clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inference {
    /// Place within the launch, from 0.
    pub index: u32,
    /// Warm-up or steady.
    pub phase: Phase,
    /// Index of the input in the application's list; of a program, the number
    /// that it told, the place of the name in [`ProgramFacts::inputs`], or the
    /// inference's own place where it tells no input.
    pub input: u32,
    /// Decoding and normalising the input, in nanoseconds; of all tasks together.
    pub prepare_ns: u64,
    /// Running the network, in nanoseconds; of all tasks together; of a program,
    /// what it told.
    pub infer_ns: u64,
    /// Making a label of the output, in nanoseconds; of all tasks together.
    pub interpret_ns: u64,
    /// The label found; 0 of a program.
    pub label: u32,
    /// SHA-256 over the output tensor's little-endian bytes, first 16 hex digits;
    /// of a program, over the output's JSON as the agent writes it, and empty
    /// where it tells none.
    pub output_digest: String,
    /// The tasks that it consists of, in the order of [`TrialRecord::tasks`];
    /// empty where it is one task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskTime>,
}

/// How long one task of an inference took, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskTime {
    /// Making the network's input.
    pub prepare_ns: u64,
    /// Running the network; 0 of a task without one.
    pub infer_ns: u64,
    /// Making sense of its output.
    pub interpret_ns: u64,
}

impl TaskTime {
    /// The task as a whole, in nanoseconds.
    #[must_use]
    pub const fn total_ns(self) -> u64 {
        self.prepare_ns.saturating_add(self.infer_ns).saturating_add(self.interpret_ns)
    }
}

/// The output tensor of one input, sent once per launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputTensor {
    /// Index of the input in the application's list.
    pub input: u32,
    /// The values, in the network's own order.
    pub values: Vec<f32>,
}

/// What the agent read inside the sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsideFacts {
    /// CPUs that the agent may run on.
    pub cpus: u32,
    /// Memory limit in bytes: the cgroup's where there is one, else the kernel's total.
    pub memory_limit_bytes: u64,
    /// Whether the limit is the memory of a kernel of its own (a VM), of which
    /// the kernel keeps a part for itself.
    pub own_kernel_memory: bool,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Age of a kernel of its own when the agent wrote its first byte, in
    /// nanoseconds; `None` for the host's kernel and for a guest that was restored.
    #[serde(default)]
    pub kernel_age_ns: Option<u64>,
    /// The step of the clock that durations are measured with (CLOCK_MONOTONIC), in
    /// nanoseconds, as clock_getres(2) tells; 0 where it was not looked at.
    #[serde(default)]
    pub clock_step_ns: u64,
    /// Machine architecture, as `uname -m`.
    pub architecture: String,
    /// CPU model.
    pub cpu_model: Option<String>,
    /// SHA-256 (first 16 hex digits) over the sorted CPU feature flags that
    /// concern arithmetic.
    pub features_digest: Option<String>,
    /// The agent's process id inside.
    pub pid: u32,
}

/// How the outputs of a trial agreed with an earlier trial's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// The environment whose outputs were the reference.
    pub reference: EnvironmentName,
    /// True where every output value had the same bits.
    pub identical: bool,
    /// Largest absolute difference of an output value.
    pub largest_difference: f32,
    /// The difference that was allowed: 0 where both saw the same CPU features.
    pub tolerance: f32,
}

/// Something of a sandbox that was left on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// What kind of thing, such as `cgroup` or `process`.
    pub what: String,
    /// Which one and why it stayed.
    pub detail: String,
}

impl Leak {
    /// A leak of this kind.
    pub fn new(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), detail: detail.into() }
    }
}

/// `bundle.json`: what a bundle is and whether its run came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleHeader {
    /// See [`crate::SCHEMA_VERSION`].
    pub schema: u32,
    /// Version of the program that wrote it.
    pub isolde: String,
    /// Start of the run, RFC 3339, UTC.
    pub started: String,
    /// How far the run came.
    pub state: BundleState,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BundleState {
    /// Still running, or its program died.
    Open,
    /// Every planned trial was run or given up with a reason.
    Complete,
    /// Stopped by its time budget between two blocks.
    BudgetSpent,
    /// Stopped by the user.
    Interrupted,
}
