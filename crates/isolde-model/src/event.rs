//! What happens during a run. The runner emits; progress, recorder and report listen.

use std::time::Duration;

use crate::{EnvironmentName, Mark, Plan, Trial, TrialRecord};

/// Something that happened during a run.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// The run begins with this resolved plan.
    RunStarted {
        /// The resolved plan.
        plan: &'a Plan,
        /// Trials that will be run unless something stops them.
        trials: usize,
    },
    /// A trial begins.
    TrialStarted {
        /// Which trial.
        trial: &'a Trial,
    },
    /// The running trial passed a mark.
    MarkPassed {
        /// Which trial.
        trial: &'a Trial,
        /// Which mark.
        mark: Mark,
    },
    /// A trial ended and is in the bundle.
    TrialEnded {
        /// All that is known of it.
        record: &'a TrialRecord,
        /// Time since the run began.
        elapsed: Duration,
    },
    /// An environment failed so often that the rest of its trials is dropped.
    EnvironmentGivenUp {
        /// Which one.
        environment: &'a EnvironmentName,
        /// Consecutive failures.
        failures: u32,
    },
    /// The time budget leaves no room for another block.
    BudgetSpent {
        /// Blocks that were completed.
        blocks: u32,
    },
    /// The user asked to stop; the running trial is abandoned, not recorded.
    Interrupted,
    /// The run is over and the bundle is closed.
    RunEnded {
        /// Trials in the bundle.
        trials: usize,
        /// Those among them that failed.
        failed: usize,
    },
}
