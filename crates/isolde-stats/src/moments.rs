//! Mean and standard deviation.

use crate::Untold;
use crate::untold::{check, finite};

/// Arithmetic mean, in the samples' unit.
///
/// # Errors
/// No samples, or one that is not finite.
pub fn mean(samples: &[f64]) -> Result<f64, Untold> {
    check(samples, 1)?;
    finite(samples.iter().sum::<f64>() / samples.len() as f64)
}

/// Standard deviation of the population that the samples are drawn from, with
/// n − 1 in the denominator, in the samples' unit.
///
/// # Errors
/// Fewer than two samples, or one that is not finite.
pub fn sample_sd(samples: &[f64]) -> Result<f64, Untold> {
    check(samples, 2)?;
    let mean = mean(samples)?;
    // Two passes: the difference of two large sums would lose the digits that count.
    let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
    finite((squares / (samples.len() - 1) as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spread_needs_two_samples() {
        assert_eq!(sample_sd(&[1.0]), Err(Untold::TooFew { what: "samples", have: 1, need: 2 }));
        assert!(mean(&[]).is_err());
        assert_eq!(mean(&[1.0, f64::NAN]), Err(Untold::NotFinite));
        assert_eq!(mean(&[f64::MAX, f64::MAX]), Err(Untold::NotFinite));
    }

    #[test]
    fn a_large_offset_does_not_eat_the_spread() {
        let sd = sample_sd(&[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]).unwrap();
        assert!((sd - 30.0f64.sqrt()).abs() < 1e-9, "{sd}");
    }

    proptest! {
        #[test]
        fn scaling_the_samples_scales_the_figures(
            samples in prop::collection::vec(1.0..1e9f64, 2..50),
            exponent in -20i32..20,
        ) {
            // Powers of two scale floats exactly.
            let factor = 2f64.powi(exponent);
            let scaled: Vec<f64> = samples.iter().map(|sample| sample * factor).collect();
            prop_assert_eq!(mean(&scaled).unwrap(), mean(&samples).unwrap() * factor);
            prop_assert_eq!(sample_sd(&scaled).unwrap(), sample_sd(&samples).unwrap() * factor);
        }

        #[test]
        fn nothing_but_finite_figures_comes_out(samples in prop::collection::vec(any::<f64>(), 0..20)) {
            for figure in [mean(&samples), sample_sd(&samples)].into_iter().flatten() {
                prop_assert!(figure.is_finite());
            }
        }
    }
}
