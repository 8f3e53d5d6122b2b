//! Resizing of 8-bit pictures, the same to the last bit on every CPU.
//!
//! Bilinear with half-pixel centres; where a picture shrinks, the triangle
//! widens with it, so that no pixel is skipped. Rows first, then columns, each
//! rounded to 8 bits, with weights of 22 fractional bits: the arithmetic of
//! Pillow's `Image.resize(…, Image.BILINEAR)`, whose results it equals (within
//! one level where Pillow takes columns first). Only whole numbers are summed,
//! and weights come of plain IEEE 754 operations.

use isolde_model::PictureSize;

/// Fractional bits of a weight: 32, less 8 of a pixel, less sign and room for
/// a sum of weights above 1.
const WEIGHT_BITS: u32 = 22;

/// An 8-bit picture of one or three channels, interleaved, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pixels {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) channels: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Pixels {
    /// Width and height; decoded pictures are no larger than fits.
    pub(crate) fn size(&self) -> PictureSize {
        let of = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
        PictureSize { width: of(self.width), height: of(self.height) }
    }

    /// The part of the picture within `region`, which must lie within it and hold
    /// a pixel.
    pub(crate) fn cropped(&self, region: Region) -> Self {
        let Region { left, top, width, height } = region;
        let length = width * self.channels;
        let bytes = (top..top + height)
            .flat_map(|row| {
                let first = (row * self.width + left) * self.channels;
                &self.bytes[first..first + length]
            })
            .copied()
            .collect();
        Self { width, height, channels: self.channels, bytes }
    }

    /// The same picture in another size; no side may be 0.
    pub(crate) fn resized(&self, width: usize, height: usize) -> Self {
        let &Self { width: old_width, height: old_height, channels, .. } = self;
        let rows = if width == old_width {
            self.bytes.clone()
        } else {
            resize_rows(&self.bytes, old_width, width, channels)
        };
        let bytes = if height == old_height {
            rows
        } else {
            resize_columns(&rows, width * channels, old_height, height)
        };
        Self { width, height, channels, bytes }
    }
}

/// The pixels that one new pixel is made of.
struct Mix {
    first: usize,
    weights: Vec<i32>,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// The mixes that turn `old` pixels in a line into `new`.
fn mixes(old: usize, new: usize) -> Vec<Mix> {
    let scale = old as f64 / new as f64;
    let reach = scale.max(1.0);
    let mix = |place: usize| {
        let centre = (place as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(old);
        let weights: Vec<f64> = (first..end)
            .map(|pixel| (1.0 - ((pixel as f64 - centre + 0.5) / reach).abs()).max(0.0))
            .collect();
        let sum: f64 = weights.iter().sum();
        let one = f64::from(1 << WEIGHT_BITS);
        let weights = weights.iter().map(|weight| (weight / sum * one + 0.5) as i32).collect();
        Mix { first, weights }
    };
    (0..new).map(mix).collect()
}

const HALF: i32 = 1 << (WEIGHT_BITS - 1);

fn rounded(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

fn resize_rows(bytes: &[u8], old: usize, new: usize, channels: usize) -> Vec<u8> {
    let mixes = mixes(old, new);
    let mut resized = Vec::with_capacity(bytes.len() / old * new);
    for row in bytes.chunks_exact(old * channels) {
        for Mix { first, weights } in &mixes {
            let pixels = &row[first * channels..(first + weights.len()) * channels];
            for channel in 0..channels {
                let channel = pixels[channel..].iter().step_by(channels);
                let products =
                    channel.zip(weights).map(|(&pixel, weight)| i32::from(pixel) * weight);
                resized.push(rounded(HALF + products.sum::<i32>()));
            }
        }
    }
    resized
}

fn resize_columns(bytes: &[u8], stride: usize, old: usize, new: usize) -> Vec<u8> {
    let mut resized = Vec::with_capacity(stride * new);
    let mut sums = vec![0; stride];
    for Mix { first, weights } in mixes(old, new) {
        sums.fill(HALF);
        let rows = bytes[first * stride..].chunks_exact(stride);
        for (row, weight) in rows.zip(weights) {
            for (sum, &pixel) in sums.iter_mut().zip(row) {
                *sum += i32::from(pixel) * weight;
            }
        }
        resized.extend(sums.iter().copied().map(rounded));
    }
    resized
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(bytes: &[u8]) -> Pixels {
        Pixels { width: bytes.len(), height: 1, channels: 1, bytes: bytes.to_vec() }
    }

    #[test]
    fn lines_come_out_as_from_pillow() {
        // Image.fromarray(…).resize((n, 1), Image.BILINEAR) of Pillow 13.
        assert_eq!(line(&[0, 255]).resized(4, 1).bytes, [0, 64, 191, 255]);
        assert_eq!(line(&[10, 20, 30, 40, 250]).resized(2, 1).bytes, [20, 104]);
        let column = Pixels { width: 1, height: 2, channels: 1, bytes: vec![0, 255] };
        assert_eq!(column.resized(1, 4).bytes, [0, 64, 191, 255]);
    }

    #[test]
    fn a_part_of_a_picture_has_its_pixels() {
        let picture = Pixels { width: 3, height: 2, channels: 1, bytes: vec![1, 2, 3, 4, 5, 6] };
        let part = picture.cropped(Region { left: 1, top: 0, width: 2, height: 2 });
        assert_eq!((part.width, part.height, part.bytes), (2, 2, vec![2, 3, 5, 6]));
    }

    proptest! {
        #[test]
        fn any_size_becomes_any_other_within_the_range_of_its_pixels(
            (width, height, channels) in (1usize..40, 1usize..40, prop_oneof![Just(1usize), Just(3)]),
            (new_width, new_height) in (1usize..40, 1usize..40),
            seed: u64,
        ) {
            let random = |place: usize| {
                (seed.wrapping_mul(place as u64 * 2 + 1) >> 56) as u8
            };
            let bytes: Vec<u8> = (0..width * height * channels).map(random).collect();
            let old = Pixels { width, height, channels, bytes };
            let new = old.resized(new_width, new_height);
            prop_assert_eq!(new.bytes.len(), new_width * new_height * channels);
            for channel in 0..channels {
                let of = |pixels: &Pixels| pixels.bytes[channel..].iter().step_by(channels).copied().collect::<Vec<_>>();
                let (old, new) = (of(&old), of(&new));
                prop_assert!(new.iter().min() >= old.iter().min());
                prop_assert!(new.iter().max() <= old.iter().max());
            }
        }
    }
}
