//! Whether an environment was given up, which a bundle shows only by the
//! launches that are not there.

use isolde_model::{BundleState, TrialRecord};

/// Whether launches of `own` (one application in one environment, by index) were
/// dropped: its last launch failed and a block that was run to its end after
/// that lacks it. The last block of a run that was stopped may be incomplete
/// for everyone, so there it proves nothing.
pub(crate) fn given_up(
    own: &[&TrialRecord],
    all: &[TrialRecord],
    state: BundleState,
    planned_blocks: u32,
) -> bool {
    let Some(last) = own.last().filter(|last| !last.outcome.is_completed()) else { return false };
    let block_after = last.trial.block.saturating_add(1);
    match state {
        BundleState::Complete => block_after < planned_blocks,
        _ => {
            let newest = all.iter().map(|record| record.trial.block).max().unwrap_or(0);
            let whole_blocks =
                if state == BundleState::BudgetSpent { newest.saturating_add(1) } else { newest };
            block_after < whole_blocks
        }
    }
}

#[cfg(test)]
mod tests {
    use isolde_model::{EnvironmentName, Failure, FailureKind, Outcome, Stage, Trial};

    use super::*;

    fn record(environment: &str, block: u32, completed: bool) -> TrialRecord {
        let failure = Failure {
            kind: FailureKind::Crashed,
            stage: Stage::Job,
            reason: "".into(),
            hint: None,
        };
        let environment = EnvironmentName::new(environment);
        TrialRecord {
            trial: Trial {
                index: 0,
                block,
                position: 0,
                environment,
                application: "a".into(),
                threads: 1,
            },
            outcome: if completed { Outcome::Completed } else { Outcome::Failed(failure) },
            emulated: false,
            marks: Vec::new(),
            reading: None,
            inside: None,
            agreement: None,
            leaks: Vec::new(),
            console_tail: None,
            tasks: Vec::new(),
            program: None,
        }
    }

    /// `vm` fails in blocks 0 and 1 and is not there afterwards; the others run
    /// up to and including block `newest`.
    fn is_given_up(newest: u32, state: BundleState, last_completed: bool) -> bool {
        let mut all: Vec<_> = (0..=newest).map(|block| record("process", block, true)).collect();
        all.extend([record("vm", 0, false), record("vm", 1, last_completed)]);
        let own: Vec<_> =
            all.iter().filter(|record| record.trial.environment.as_str() == "vm").collect();
        given_up(&own, &all, state, 10)
    }

    #[test]
    fn a_failed_environment_that_whole_blocks_lack_was_given_up() {
        assert!(is_given_up(9, BundleState::Complete, false));
        assert!(is_given_up(2, BundleState::BudgetSpent, false));
        assert!(is_given_up(3, BundleState::Interrupted, false));
        assert!(is_given_up(3, BundleState::Open, false));
    }

    #[test]
    fn a_run_that_was_stopped_proves_nothing_by_its_last_block() {
        assert!(!is_given_up(2, BundleState::Interrupted, false));
        assert!(!is_given_up(1, BundleState::BudgetSpent, false));
        assert!(!is_given_up(9, BundleState::Complete, true));
        assert!(!given_up(&[], &[], BundleState::Complete, 10));
    }
}
