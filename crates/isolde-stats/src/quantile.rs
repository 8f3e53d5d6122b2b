//! Quantiles, and whether there are enough samples to speak of one.

use crate::Untold;
use crate::untold::{check, finite};

/// How sure it must be that the largest sample lies above a tail quantile
/// before that quantile is shown.
const TAIL_CONFIDENCE: f64 = 0.95;

/// Sample quantile at probability `q` by linear interpolation of the order
/// statistics, in the samples' unit: type 7 of Hyndman and Fan, *Sample
/// Quantiles in Statistical Packages*, The American Statistician 50 (1996),
/// which is the default of NumPy, R and Julia.
///
/// # Errors
/// No samples, one that is not finite, or `q` outside of 0 to 1.
pub fn quantile(samples: &[f64], q: f64) -> Result<f64, Untold> {
    check(samples, 1)?;
    check_probability(q)?;
    let mut samples = samples.to_vec();
    finite(quantile_in_place(&mut samples, q))
}

/// The quantile at one half: the middle sample, or the mean of the middle two.
///
/// # Errors
/// No samples, or one that is not finite.
pub fn median(samples: &[f64]) -> Result<f64, Untold> {
    quantile(samples, 0.5)
}

/// A quantile in the upper tail, where there are enough samples for it: see
/// [`quantile_supported`].
///
/// # Errors
/// Too few samples for this tail, or as [`quantile`].
pub fn tail_quantile(samples: &[f64], q: f64) -> Result<f64, Untold> {
    check_probability(q)?;
    match samples_needed(q) {
        need if samples.len() < need => {
            Err(Untold::TooFew { what: "samples", have: samples.len(), need })
        }
        _ => quantile(samples, q),
    }
}

/// Whether `n` samples can tell of the quantile at `q`: the largest of them
/// lies above it with 95 % confidence, 1 − qⁿ ≥ 0.95. Source: S. S. Wilks,
/// *Determination of Sample Sizes for Setting Tolerance Limits*, Annals of
/// Mathematical Statistics 12 (1941). It takes 59 samples for the 95th
/// percentile and 299 for the 99th. The formula is for independent samples;
/// those of one launch are less than that, so this is the least to ask for.
#[must_use]
pub fn quantile_supported(n: usize, q: f64) -> bool {
    (0.0..1.0).contains(&q) && n >= samples_needed(q)
}

/// The least number of samples for which [`quantile_supported`] holds.
/// `usize::MAX` where no number is enough.
#[must_use]
pub fn samples_needed(q: f64) -> usize {
    if !(0.0..1.0).contains(&q) {
        return usize::MAX;
    }
    // ln 0 is −∞, and the quotient 0: one sample.
    let need = ((1.0 - TAIL_CONFIDENCE).ln() / q.ln()).ceil();
    (need as usize).max(1)
}

fn check_probability(q: f64) -> Result<(), Untold> {
    if (0.0..=1.0).contains(&q) { Ok(()) } else { Err(Untold::NotAProbability) }
}

/// The same over finite samples, at least one, in a buffer that is reordered.
pub(crate) fn quantile_in_place(samples: &mut [f64], q: f64) -> f64 {
    let place = q * (samples.len() - 1) as f64;
    let below = (place.floor() as usize).min(samples.len() - 1);
    let (_, &mut low, above) = samples.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().fold(f64::INFINITY, f64::min);
    let fraction = place - below as f64;
    if fraction == 0.0 || high == f64::INFINITY {
        return low;
    }
    // Rounding must not lead out of the interval.
    (low + (high - low) * fraction).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_tail_is_told_from_the_sample_count_of_wilks_on() {
        assert_eq!((samples_needed(0.95), samples_needed(0.99)), (59, 299));
        assert!(quantile_supported(59, 0.95) && !quantile_supported(58, 0.95));
        assert!(quantile_supported(299, 0.99) && !quantile_supported(298, 0.99));
        assert!(!quantile_supported(usize::MAX - 1, 1.0));
        assert!(!quantile_supported(10, f64::NAN));
        assert!(quantile_supported(1, 0.0) && !quantile_supported(0, 0.0));
        let few = tail_quantile(&[1.0; 58], 0.95);
        assert_eq!(few, Err(Untold::TooFew { what: "samples", have: 58, need: 59 }));
        assert_eq!(tail_quantile(&[1.0; 59], 0.95), Ok(1.0));
    }

    #[test]
    fn what_has_no_quantile_says_why() {
        assert!(matches!(median(&[]), Err(Untold::TooFew { have: 0, need: 1, .. })));
        assert_eq!(median(&[1.0, f64::INFINITY]), Err(Untold::NotFinite));
        for q in [-0.1, 1.1, f64::NAN] {
            assert_eq!(quantile(&[1.0], q), Err(Untold::NotAProbability));
        }
    }

    fn samples() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(0.0..1e12f64, 1..80)
    }

    proptest! {
        #[test]
        fn a_quantile_lies_within_the_samples(samples in samples(), q in 0.0..=1.0f64) {
            let least = samples.iter().copied().fold(f64::MAX, f64::min);
            let largest = samples.iter().copied().fold(f64::MIN, f64::max);
            prop_assert!((least..=largest).contains(&quantile(&samples, q).unwrap()));
            prop_assert_eq!(quantile(&samples, 0.0), Ok(least));
            prop_assert_eq!(quantile(&samples, 1.0), Ok(largest));
        }

        #[test]
        fn a_larger_probability_has_no_smaller_quantile(
            samples in samples(),
            p in 0.0..=1.0f64,
            q in 0.0..=1.0f64,
        ) {
            let (p, q) = (p.min(q), p.max(q));
            prop_assert!(quantile(&samples, p).unwrap() <= quantile(&samples, q).unwrap());
        }

        #[test]
        fn the_order_of_the_samples_has_no_say(
            (samples, shuffled) in samples().prop_flat_map(|samples| {
                (Just(samples.clone()), Just(samples).prop_shuffle())
            }),
            q in 0.0..=1.0f64,
        ) {
            prop_assert_eq!(quantile(&samples, q), quantile(&shuffled, q));
        }

        #[test]
        fn scaling_the_samples_scales_the_quantile(
            samples in samples(),
            q in 0.0..=1.0f64,
            exponent in -20i32..20,
        ) {
            let factor = 2f64.powi(exponent);
            let scaled: Vec<f64> = samples.iter().map(|sample| sample * factor).collect();
            prop_assert_eq!(quantile(&scaled, q).unwrap(), quantile(&samples, q).unwrap() * factor);
        }

        #[test]
        fn nothing_but_finite_figures_comes_out(
            samples in prop::collection::vec(any::<f64>(), 0..20),
            q: f64,
        ) {
            if let Ok(figure) = quantile(&samples, q) {
                prop_assert!(figure.is_finite());
            }
        }
    }
}
