//! A completed launch, reduced to what the rows need.

use isolde_bundle::{Bundle, BundleError};
use isolde_model::{Phase, TrialRecord};

/// A completed launch. Its durations are in nanoseconds.
pub(crate) struct Launch<'a> {
    pub(crate) record: &'a TrialRecord,
    /// `infer_ns` of its steady inferences.
    pub(crate) steady: Vec<f64>,
}

impl<'a> Launch<'a> {
    pub(crate) fn read(bundle: &Bundle, record: &'a TrialRecord) -> Result<Self, BundleError> {
        let inferences = bundle.inferences(record.trial.index)?;
        let steady = inferences.into_iter().filter(|inference| inference.phase == Phase::Steady);
        Ok(Self { record, steady: steady.map(|inference| inference.infer_ns as f64).collect() })
    }

    /// Median of its steady inferences, if it has any.
    pub(crate) fn median(&self) -> Option<f64> {
        isolde_stats::median(&self.steady).ok()
    }
}
