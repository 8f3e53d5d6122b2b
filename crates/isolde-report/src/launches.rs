//! A completed launch, reduced to what the rows need.

use isolde_bundle::{Bundle, BundleError};
use isolde_model::{Inference, Phase, TrialRecord};

/// A completed launch. Its durations are of its steady inferences, in nanoseconds.
pub(crate) struct Launch<'a> {
    pub(crate) record: &'a TrialRecord,
    /// Running the network.
    pub(crate) steady: Vec<f64>,
    /// Making its input.
    pub(crate) prepare: Vec<f64>,
    /// Making sense of its output.
    pub(crate) interpret: Vec<f64>,
    /// All three together.
    pub(crate) whole: Vec<f64>,
    /// Each task as a whole, in the order of the record's names.
    tasks: Vec<Vec<f64>>,
}

impl<'a> Launch<'a> {
    pub(crate) fn read(bundle: &Bundle, record: &'a TrialRecord) -> Result<Self, BundleError> {
        let mut steady = bundle.inferences(record.trial.index)?;
        steady.retain(|inference| inference.phase == Phase::Steady);
        let all = |duration: fn(&Inference) -> u64| {
            steady.iter().map(|inference| duration(inference) as f64).collect()
        };
        let tasks = (0..record.tasks.len()).map(|task| {
            let times = steady.iter().filter_map(|inference| inference.tasks.get(task));
            times.map(|time| time.total_ns() as f64).collect()
        });
        Ok(Self {
            record,
            steady: all(|inference| inference.infer_ns),
            prepare: all(|inference| inference.prepare_ns),
            interpret: all(|inference| inference.interpret_ns),
            whole: all(whole_ns),
            tasks: tasks.collect(),
        })
    }

    /// Median of its steady inferences, if it has any.
    pub(crate) fn median(&self) -> Option<f64> {
        isolde_stats::median(&self.steady).ok()
    }

    /// Median from input to answer, if it has any inference.
    pub(crate) fn whole_median(&self) -> Option<f64> {
        isolde_stats::median(&self.whole).ok()
    }

    /// The durations of the task of that name; none where it has no such task.
    pub(crate) fn task(&self, name: &str) -> &[f64] {
        let place = self.record.tasks.iter().position(|task| task == name);
        place.and_then(|place| self.tasks.get(place)).map_or(&[], Vec::as_slice)
    }
}

const fn whole_ns(inference: &Inference) -> u64 {
    let network = inference.prepare_ns.saturating_add(inference.infer_ns);
    network.saturating_add(inference.interpret_ns)
}
