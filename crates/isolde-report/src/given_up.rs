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
