//! The order of trials: randomised complete blocks.

use isolde_model::{Plan, Trial};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Every trial of the plan in its order: each block holds every environment
/// once for each application and number of threads, shuffled by the plan's seed, so that a drift of
/// the device (heat, a background job) meets all environments alike.
#[must_use]
pub fn schedule(plan: &Plan) -> Vec<Trial> {
    let mut order = ChaCha8Rng::seed_from_u64(plan.seed);
    let threads = plan.resources.threads.as_slice();
    let mut trials = Vec::new();
    for block in 0..plan.launches {
        let mut cells: Vec<_> = plan
            .applications
            .iter()
            .flat_map(|application| {
                plan.environments.iter().map(move |environment| (application, environment))
            })
            .flat_map(|(application, environment)| {
                threads.iter().map(move |&threads| (application, environment, threads))
            })
            .collect();
        // The order in which they were written down must not matter.
        cells.sort();
        cells.shuffle(&mut order);
        for (position, (application, environment, threads)) in (0..).zip(cells) {
            trials.push(Trial {
                index: u32::try_from(trials.len()).unwrap_or(u32::MAX),
                block,
                position,
                environment: environment.clone(),
                application: application.clone(),
                threads,
            });
        }
    }
    trials
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::run::tests::plan;

    #[test]
    fn every_block_is_complete_and_the_order_differs() {
        let plan = plan(&["a", "b", "c"], 20);
        let trials = schedule(&plan);
        let blocks: Vec<Vec<&str>> = trials
            .chunks(3)
            .map(|block| block.iter().map(|trial| trial.environment.as_str()).collect())
            .collect();
        assert_eq!(blocks.len(), 20);
        for (number, block) in blocks.iter().enumerate() {
            assert_eq!(block.iter().collect::<BTreeSet<_>>().len(), 3, "block {number}");
        }
        assert!(blocks.iter().collect::<BTreeSet<_>>().len() > 3);
        assert!((0..60).eq(trials.iter().map(|trial| trial.index)));
    }

    #[test]
    fn a_sweep_runs_everything_with_each_number_of_threads() {
        let mut plan = plan(&["a", "b"], 5);
        plan.resources.threads = vec![1, 2, 4].into();
        let trials = schedule(&plan);
        assert_eq!(trials.len(), 30);
        for block in trials.chunks(6) {
            let cells = block.iter().map(|trial| (trial.environment.as_str(), trial.threads));
            assert_eq!(cells.collect::<BTreeSet<_>>().len(), 6);
        }
    }

    #[test]
    fn the_seed_alone_decides() {
        let one = plan(&["a", "b", "c"], 8);
        let mut two = one.clone();
        two.environments.reverse();
        assert_eq!(schedule(&one), schedule(&two));
        two.seed += 1;
        assert_ne!(schedule(&one), schedule(&two));
    }
}
