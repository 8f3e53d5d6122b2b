//! Why a figure cannot be told.

/// Why a figure cannot be told from these samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// Fewer samples than the figure needs.
    #[error("{have} of at least {need} {what}")]
    TooFew {
        /// What is counted, in the plural.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many it takes.
        need: usize,
    },
    /// A sample, or the figure made of them, is not a finite number.
    #[error("a value is not a finite number")]
    NotFinite,
    /// A ratio of something that is zero or negative.
    #[error("a ratio needs positive values")]
    NotPositive,
    /// A probability outside of 0 to 1.
    #[error("a probability lies between 0 and 1")]
    NotAProbability,
}

/// The figure, unless it is not finite.
pub(crate) fn finite(figure: f64) -> Result<f64, Untold> {
    if figure.is_finite() { Ok(figure) } else { Err(Untold::NotFinite) }
}

/// Fails on the first sample that is not finite, or if there are fewer than `need`.
pub(crate) fn check(samples: &[f64], need: usize) -> Result<(), Untold> {
    if samples.len() < need {
        return Err(Untold::TooFew { what: "samples", have: samples.len(), need });
    }
    samples.iter().try_for_each(|&sample| finite(sample).map(drop))
}
