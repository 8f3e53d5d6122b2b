//! What is known of a program that the user brought, after its end.

use serde::{Deserialize, Serialize};

/// How a program ran and what it told. Everything in it came out of a sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramFacts {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// True where the agent ended it: it had done its inferences, or was ready.
    pub ended: bool,
    /// True where it was killed because its time was over.
    pub timed_out: bool,
    /// Processes that the sandbox's own kernel killed for want of memory; 0
    /// where the sandbox has none of its own and the host counts.
    pub oom_kills: u64,
    /// Where the durations come from.
    pub timing: Timing,
    /// Whether its readiness sign was seen.
    pub ready: bool,
    /// Inference lines that it printed and that count.
    pub inferences: u32,
    /// Those among them that told an output.
    pub outputs: u32,
    /// Whether every inference counts as steady because it printed no more
    /// lines than the warm-up has.
    #[serde(default)]
    pub short: bool,
    /// Inferences timed by the agent's clock that came together with others and
    /// share their time evenly.
    #[serde(default)]
    pub together: u32,
    /// Names of its inputs in the order of their first appearance, where it
    /// names them: an inference's `input` is a place in this list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<String>,
    /// How it broke the application contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<String>,
    /// Bytes of its standard output.
    pub stdout_bytes: u64,
    /// Bytes of its standard error.
    pub stderr_bytes: u64,
    /// Last lines of its standard output that are no inference lines.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout_tail: String,
    /// Last lines of its standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr_tail: String,
}

/// Where a program's durations come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// It told no inference: one sample, from its start to its end.
    #[default]
    Whole,
    /// It told every duration by its own clock.
    Program,
    /// The agent's clock, from one line's arrival to the next's.
    Agent,
    /// Some were told, the others are the agent's.
    Mixed,
    /// Nothing was to be timed: it was ended as soon as it was ready.
    ColdStart,
}
