//! A completed launch, reduced to what the rows need.

use isolde_bundle::{Bundle, BundleError};
use isolde_model::{Inference, Phase, TaskTime, TrialRecord};

/// A completed launch: durations of its steady inferences, in nanoseconds, each list
/// in the order of the inferences.
pub(crate) struct Launch<'a> {
    pub(crate) record: &'a TrialRecord,
    /// Running the network.
    pub(crate) steady: Vec<f64>,
    /// Making its input.
    pub(crate) prepare: Vec<f64>,
    /// Making sense of its output.
    pub(crate) interpret: Vec<f64>,
    /// All of it.
    pub(crate) whole: Vec<f64>,
    /// Each task as a whole.
    pub(crate) tasks: Vec<Vec<f64>>,
}

impl<'a> Launch<'a> {
    pub(crate) fn read(bundle: &Bundle, record: &'a TrialRecord) -> Result<Self, BundleError> {
        let mut steady = bundle.inferences(record.trial.index)?;
        steady.retain(|inference| inference.phase == Phase::Steady);
        let list = |duration: &dyn Fn(&Inference) -> u64| -> Vec<f64> {
            steady.iter().map(|inference| duration(inference) as f64).collect()
        };
        let task = |place: usize| {
            list(&|inference| inference.tasks.get(place).copied().map_or(0, TaskTime::total_ns))
        };
        Ok(Self {
            record,
            steady: list(&|inference| inference.infer_ns),
            prepare: list(&|inference| inference.prepare_ns),
            interpret: list(&|inference| inference.interpret_ns),
            whole: list(&whole),
            tasks: (0..record.tasks.len()).map(task).collect(),
        })
    }

    /// Median of its steady inferences, if it has any.
    pub(crate) fn median(&self) -> Option<f64> {
        isolde_stats::median(&self.steady).ok()
    }

    /// Median of its steady inferences from input to answer, if it has any.
    pub(crate) fn whole_median(&self) -> Option<f64> {
        isolde_stats::median(&self.whole).ok()
    }
}

/// An inference from its input to its answer.
fn whole(inference: &Inference) -> u64 {
    let Inference { prepare_ns, infer_ns, interpret_ns, .. } = *inference;
    TaskTime { prepare_ns, infer_ns, interpret_ns }.total_ns()
}
