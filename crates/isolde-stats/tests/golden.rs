//! Figures checked against NumPy 2.4.6, made by `golden/numpy_values.py`.

use isolde_stats::{Pair, mean, quantile, ratio_of_medians, sample_sd};

/// n, mean, standard deviation, and quantiles at [`PROBABILITIES`].
type Row = (usize, f64, Option<f64>, [f64; 6]);

const PROBABILITIES: [f64; 6] = [0.0, 0.05, 0.5, 0.95, 0.99, 1.0];

#[rustfmt::skip]
const NUMPY: [Row; 7] = [
    (1, 30947.0, None, [30947.0, 30947.0, 30947.0, 30947.0, 30947.0, 30947.0]),
    (2, 30645.5625, Some(426.29700070783986), [30344.125, 30374.26875, 30645.5625, 30916.85625, 30940.97125, 30947.0]),
    (3, 30619.291666666668, Some(304.85248311000083), [30344.125, 30366.3875, 30566.75, 30908.975, 30939.395, 30947.0]),
    (10, 30567.2875, Some(400.8462274866483), [30017.125, 30083.3875, 30466.6875, 31163.75, 31193.45, 31200.875]),
    (59, 30684.35805084746, Some(347.7041499509577), [30017.125, 30069.775, 30790.25, 31179.275, 31214.12, 31224.125]),
    (300, 30622.235, Some(367.6864621269569), [30002.0, 30051.60625, 30626.8125, 31178.55625, 31233.915, 31245.5]),
    (1001, 30632.236263736264, Some(357.4193792817149), [30001.75, 30055.125, 30642.0, 31176.875, 31237.875, 31250.25]),
];

/// Numerical Recipes' 32-bit congruence, as in the script.
fn samples(n: usize) -> Vec<f64> {
    let mut state = 12345u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        30_000.0 + f64::from(state % 10_007) / 8.0
    };
    (0..n).map(|_| next()).collect()
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
}

#[test]
fn the_figures_are_those_of_numpy() {
    for (n, expected_mean, expected_sd, quantiles) in NUMPY {
        let samples = samples(n);
        assert_close(mean(&samples).unwrap(), expected_mean);
        match expected_sd {
            Some(expected) => assert_close(sample_sd(&samples).unwrap(), expected),
            None => assert!(sample_sd(&samples).is_err()),
        }
        for (q, expected) in PROBABILITIES.into_iter().zip(quantiles) {
            assert_close(quantile(&samples, q).unwrap(), expected);
        }
    }
}

/// NumPy drew 200 000 times with its own generator: the ends of an interval of
/// 2000 drawings vary around those by less than a thousandth.
#[test]
fn the_interval_is_that_of_numpy_within_the_precision_of_drawing() {
    let samples = samples(60);
    let pairs: Vec<_> = samples[..30]
        .iter()
        .zip(&samples[30..])
        .map(|(&subject, &baseline)| Pair { subject, baseline })
        .collect();
    let ratio = ratio_of_medians(&pairs, 1).unwrap();
    assert_close(ratio.estimate, 1.000075208143619);
    let interval = ratio.interval.unwrap();
    assert!((interval.low - 0.9892683440447408).abs() < 1e-3, "{interval:?}");
    assert!((interval.high - 1.0100801092659308).abs() < 1e-3, "{interval:?}");
}
