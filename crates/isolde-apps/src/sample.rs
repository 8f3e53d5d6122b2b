//! Which values of an output are kept.

/// Most values of one output that are kept.
const MOST_OF_ONE: usize = 64 << 10;
/// Most values of the outputs of all inputs that are kept: 16 MiB.
const MOST_OF_ALL: usize = 4 << 20;

/// Most values of one output that are kept of an application with so many inputs.
#[must_use]
pub fn kept_values(inputs: u32) -> usize {
    (MOST_OF_ALL / (inputs.max(1) as usize)).clamp(1, MOST_OF_ONE)
}

/// The values of an output that are kept: all, or as many as are allowed at
/// even distances, the first among them. Digests are over all values in any case.
#[must_use]
pub fn sample(output: &[f32], inputs: u32) -> Vec<f32> {
    spread(output, kept_values(inputs))
}

/// All values, or `most` of them at even distances, the first among them.
#[must_use]
pub fn spread(output: &[f32], most: usize) -> Vec<f32> {
    if output.len() <= most {
        return output.to_vec();
    }
    (0..most).map(|place| output[place * output.len() / most]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_all_or_evenly_spread() {
        assert_eq!(sample(&[1.0, 2.0], 1), [1.0, 2.0]);
        let output: Vec<f32> = (0..3 * MOST_OF_ONE).map(|place| place as f32).collect();
        let spread = sample(&output, 1);
        assert_eq!(spread.len(), MOST_OF_ONE);
        assert_eq!(spread[..3], [0.0, 3.0, 6.0]);
        assert_eq!(sample(&output, 4096).len(), 1024);
        assert_eq!(kept_values(0), MOST_OF_ONE);
        assert_eq!(kept_values(u32::MAX), 1);
    }
}
