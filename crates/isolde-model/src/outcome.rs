//! How a trial ended. A failure is never turned into a number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// Every inference was done, checked, and the sandbox is gone.
    Completed,
    /// It did not get that far; its figures enter no table.
    Failed(Failure),
}

impl Outcome {
    /// True for [`Outcome::Completed`].
    #[must_use]
    pub const fn is_completed(&self) -> bool {
        matches!(self, Self::Completed)
    }
}

/// What went wrong, where and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, stable for programs.
    pub kind: FailureKind,
    /// During which part of the launch.
    pub stage: Stage,
    /// The cause in words, innermost cause last.
    pub reason: String,
    /// What the user can do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} while {}: {}", self.kind, self.stage, self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// Kinds of failure, stable for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The back end could not make or run the sandbox.
    Backend,
    /// A deadline passed.
    TimedOut,
    /// The sandbox ended before its work was done.
    Crashed,
    /// The kernel killed something in the sandbox for want of memory.
    OutOfMemory,
    /// What came out of the sandbox broke the protocol.
    Protocol,
    /// The application reported an error.
    Application,
    /// The sandbox did not get the resources that were asked for.
    Parity,
    /// The sandbox's clock is wrong, so no duration of it is of use.
    Clock,
    /// Outputs were wrong or differed between environments.
    Disagreement,
    /// Something of the sandbox was left on the host.
    Leak,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Backend => "back end failed",
            Self::TimedOut => "timed out",
            Self::Crashed => "crashed",
            Self::OutOfMemory => "out of memory",
            Self::Protocol => "protocol broken",
            Self::Application => "application failed",
            Self::Parity => "unequal resources",
            Self::Clock => "clock wrong",
            Self::Disagreement => "outputs disagree",
            Self::Leak => "something was left behind",
        })
    }
}

/// Parts of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Making the sandbox.
    Create,
    /// Starting it.
    Start,
    /// Waiting for the agent and its greeting.
    Greeting,
    /// Running the job.
    Job,
    /// Waiting for the sandbox's end.
    Exit,
    /// Taking it down.
    TearDown,
    /// Checking outputs against the other environments'.
    Check,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Create => "creating the sandbox",
            Self::Start => "starting the sandbox",
            Self::Greeting => "waiting for the agent",
            Self::Job => "running the job",
            Self::Exit => "waiting for the sandbox to end",
            Self::TearDown => "taking the sandbox down",
            Self::Check => "checking outputs",
        })
    }
}
