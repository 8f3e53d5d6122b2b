//! The values of a reference network's tensors: drawn from a seed, the same
//! bytes on every machine.

use std::io::{self, Write};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// What every reference network's weights are drawn from.
pub const SEED: u64 = 20_260_101;

/// Variance times number of inputs that keeps the size of activations through a
/// rectifier (He et al. 2015, <https://arxiv.org/abs/1502.01852>).
pub(super) const RECTIFIED: f32 = 2.0;
/// The same where no rectifier follows.
pub(super) const LINEAR: f32 = 1.0;

/// Values made at a time.
const CHUNK: usize = 4096;

/// The values of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Values {
    /// These.
    Given(Vec<f32>),
    /// So many, uniform between `-bound` and `bound`.
    Drawn { count: usize, bound: f32 },
}

impl Values {
    /// Weights of a layer whose outputs each sum `inputs` products, of variance
    /// `gain / inputs`. A uniform distribution between -b and b has variance b²/3.
    pub(super) fn weights(count: usize, inputs: usize, gain: f32) -> Self {
        Self::Drawn { count, bound: (3.0 * gain / inputs as f32).sqrt() }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Self::Given(values) => values.len(),
            Self::Drawn { count, .. } => *count,
        }
    }

    /// Writes them as little-endian float32; `name` is what a drawn tensor's
    /// values depend on, beside the seed.
    pub(super) fn write(&self, name: &str, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Given(values) => {
                values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
            }
            Self::Drawn { count, bound } => draw(name, *count, *bound, out),
        }
    }
}

/// Only conversions that are exact and one product are computed, so that no
/// machine rounds otherwise than another. Values are odd multiples of
/// `bound / 2^24`: never 0, never denormal.
fn draw(name: &str, count: usize, bound: f32, out: &mut impl Write) -> io::Result<()> {
    let seed = Sha256::new().chain_update(SEED.to_le_bytes()).chain_update(name).finalize();
    let mut random = ChaCha8Rng::from_seed(seed.into());
    let mut bytes = [0; CHUNK * 4];
    let mut left = count;
    while left > 0 {
        let chunk = &mut bytes[..left.min(CHUNK) * 4];
        random.fill_bytes(chunk);
        for value in chunk.as_chunks_mut::<4>().0 {
            // 23 random bits, then a one: at most 24 bits, which float32 holds.
            let odd = (u32::from_le_bytes(*value) >> 9) << 1 | 1;
            let drawn = odd.cast_signed() - (1 << 23);
            *value = (drawn as f32 * (bound / 8_388_608.0)).to_le_bytes();
        }
        out.write_all(chunk)?;
        left -= chunk.len() / 4;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(name: &str, count: usize, bound: f32) -> Vec<f32> {
        let mut bytes = Vec::new();
        Values::Drawn { count, bound }.write(name, &mut bytes).unwrap();
        bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect()
    }

    #[test]
    fn draws_are_uniform_and_never_vanish() {
        let values = drawn("a", 100_000, 0.5);
        assert!(values.iter().all(|value| value.abs() <= 0.5 && value.is_normal()));
        let mean = |power: i32| {
            values.iter().map(|value| f64::from(*value).powi(power)).sum::<f64>() / 100_000.0
        };
        // Standard errors: 0.0009 of the mean, 0.00024 of the second moment.
        assert!(mean(1).abs() < 0.004, "{}", mean(1));
        assert!((mean(2) - 0.25 / 3.0).abs() < 0.001, "{}", mean(2));
    }

    #[test]
    fn a_tensor_depends_on_its_name_alone_and_a_longer_one_continues_it() {
        assert_ne!(drawn("a", 8, 1.0), drawn("b", 8, 1.0));
        assert_eq!(drawn("a", CHUNK + 3, 1.0)[..8], drawn("a", 8, 1.0));
        assert_eq!(drawn("a", CHUNK + 3, 1.0).len(), CHUNK + 3);
    }

    #[test]
    fn weights_have_the_variance_of_their_gain() {
        assert_eq!(Values::weights(10, 6, RECTIFIED), Values::Drawn { count: 10, bound: 1.0 });
    }
}
