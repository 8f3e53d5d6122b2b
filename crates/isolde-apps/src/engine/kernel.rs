//! The innermost loops of convolutions, for whatever vectors the CPU has.
//!
//! Both work on flat planes: value `q` of an output plane is the sum over the taps
//! of weight times the value `q + offset` of an input plane
//! (see [`Planes`](super::planes::Planes)). Each value is summed in one order, so
//! neither threads nor the place in a tile change it.

use rten_simd::ops::{BitOps, NumOps};
use rten_simd::{Isa, SimdOp, SimdUnaryOp};
use rten_vecmath::Silu;

/// Vectors side by side in a tile.
const VECTORS: usize = 3;
/// Output channels of a tile where a CPU has 32 vector registers, and the most.
const MOST_ROWS: usize = 8;
/// The same with 16 registers: 4 rows of 3 vectors, 3 inputs, 1 weight.
const FEW_ROWS: usize = 4;
/// Values in the widest vector.
const MOST_LANES: usize = 16;
/// The most values in a row of a tile: what may be read behind a plane's last value.
pub(super) const SLACK: usize = VECTORS * MOST_LANES;

/// What is done with each sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Activation {
    /// Nothing.
    None,
    /// Not below the first, not above the second.
    Clamp(f32, f32),
    /// x / (1 + exp(-x)).
    Silu,
}

/// Where the values of an output plane lie among the flat values that are summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Flat values from one row to the next, at least `width`.
    pub(super) pitch: usize,
}

impl Rows {
    /// Flat values from the first of the plane to its last.
    pub(super) const fn span(self) -> usize {
        (self.height - 1) * self.pitch + self.width
    }

    /// Copies `values`, of which the first is number `at`, to where they belong.
    fn scatter(self, values: &[f32], at: usize, plane: &mut [f32]) {
        let (mut values, mut row, mut column) = (values, at / self.pitch, at % self.pitch);
        while row < self.height && !values.is_empty() {
            let taken = values.len().min(self.pitch - column);
            let kept = taken.min(self.width.saturating_sub(column));
            let place = row * self.width + column;
            if kept > 0 {
                plane[place..place + kept].copy_from_slice(&values[..kept]);
            }
            (values, row, column) = (&values[taken..], row + 1, 0);
        }
    }
}

/// Some output channels of a convolution.
pub(super) struct Block<'a> {
    /// All input planes; each starts `plane` values after the one before.
    pub(super) source: &'a [f32],
    pub(super) plane: usize,
    pub(super) input_channels: usize,
    /// Where each tap reads, relative to its plane.
    pub(super) offsets: &'a [usize],
    /// By input channel, tap and output channel of the block.
    pub(super) weights: &'a [f32],
    /// By output channel of the block.
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation,
    pub(super) rows: Rows,
    /// The output planes, at most as many as a block has.
    pub(super) output: &'a mut [f32],
}

/// Output channels in a block on this CPU.
pub(super) fn block_rows() -> usize {
    struct Ask;
    impl SimdOp for Ask {
        type Output = usize;

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) -> usize {
            rows_of(isa)
        }
    }
    Ask.dispatch()
}

/// AVX2 alone has vectors of 8 and 16 registers; AVX-512 and NEON have 32.
#[inline(always)]
fn rows_of<I: Isa>(isa: I) -> usize {
    if isa.f32().len() == 8 { FEW_ROWS } else { MOST_ROWS }
}

/// Where tiles start that cover `span` values, and how many vectors each is wide. They
/// are as equal as can be: a narrow one uses a CPU badly. The last starts earlier
/// rather than end behind the plane.
#[inline(always)]
fn tiles(span: usize, lanes: usize) -> impl Iterator<Item = (usize, usize)> {
    let all = span.div_ceil(lanes);
    let mut done = 0;
    (0..all.div_ceil(VECTORS)).rev().map(move |left| {
        let vectors = (all - done).div_ceil(left + 1);
        let start = (done * lanes).min(span.saturating_sub(vectors * lanes));
        done += vectors;
        (start, vectors)
    })
}

impl SimdOp for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        for (start, vectors) in tiles(self.rows.span(), isa.f32().len()) {
            match (rows_of(isa), vectors) {
                (FEW_ROWS, 1) => self.tile::<I, FEW_ROWS, 1>(isa, start),
                (FEW_ROWS, 2) => self.tile::<I, FEW_ROWS, 2>(isa, start),
                (FEW_ROWS, _) => self.tile::<I, FEW_ROWS, 3>(isa, start),
                (_, 1) => self.tile::<I, MOST_ROWS, 1>(isa, start),
                (_, 2) => self.tile::<I, MOST_ROWS, 2>(isa, start),
                (_, _) => self.tile::<I, MOST_ROWS, 3>(isa, start),
            }
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn tile<I: Isa, const ROWS: usize, const WIDE: usize>(&mut self, isa: I, at: usize) {
        let ops = isa.f32();
        let lanes = ops.len();
        let mut sums = [[ops.zero(); WIDE]; ROWS];
        for (row, bias) in sums.iter_mut().zip(self.bias) {
            *row = [ops.splat(*bias); WIDE];
        }
        let mut weights = self.weights.chunks_exact(ROWS);
        for channel in 0..self.input_channels {
            let first = channel * self.plane + at;
            for (offset, weights) in self.offsets.iter().zip(&mut weights) {
                let values = &self.source[first + offset..][..WIDE * lanes];
                let mut inputs = [ops.zero(); WIDE];
                for (number, input) in inputs.iter_mut().enumerate() {
                    // SAFETY: `values` holds `WIDE` vectors.
                    *input = unsafe { ops.load_ptr(values.as_ptr().add(number * lanes)) };
                }
                for (row, weight) in sums.iter_mut().zip(weights) {
                    let weight = ops.splat(*weight);
                    for (sum, input) in row.iter_mut().zip(inputs) {
                        *sum = ops.mul_add(input, weight, *sum);
                    }
                }
            }
        }
        // Through memory, in loops that are unrolled: an array that some loop indexes
        // would be kept in memory all along.
        let mut values = [[0.0; SLACK]; ROWS];
        for (sums, values) in sums.into_iter().zip(&mut values) {
            keep(isa, sums, values);
        }
        let plane = self.rows.height * self.rows.width;
        for (values, output) in values.iter_mut().zip(self.output.chunks_exact_mut(plane)) {
            let values = &mut values[..WIDE * lanes];
            finish(isa, values, self.activation, self.rows, at, output);
        }
    }
}

/// One output channel of a convolution that sums over one input channel.
pub(super) struct Depthwise<'a> {
    pub(super) source: &'a [f32],
    pub(super) offsets: &'a [usize],
    /// By tap.
    pub(super) weights: &'a [f32],
    pub(super) bias: f32,
    pub(super) activation: Activation,
    pub(super) rows: Rows,
    pub(super) output: &'a mut [f32],
}

impl SimdOp for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        for (start, vectors) in tiles(self.rows.span(), isa.f32().len()) {
            match vectors {
                1 => self.tile::<I, 1>(isa, start),
                2 => self.tile::<I, 2>(isa, start),
                _ => self.tile::<I, VECTORS>(isa, start),
            }
        }
    }
}

impl Depthwise<'_> {
    #[inline(always)]
    fn tile<I: Isa, const WIDE: usize>(&mut self, isa: I, at: usize) {
        let ops = isa.f32();
        let lanes = ops.len();
        let mut sums = [ops.splat(self.bias); WIDE];
        for (offset, weight) in self.offsets.iter().zip(self.weights) {
            let weight = ops.splat(*weight);
            let values = &self.source[at + offset..][..WIDE * lanes];
            for (number, sum) in sums.iter_mut().enumerate() {
                // SAFETY: `values` holds `WIDE` vectors.
                let input = unsafe { ops.load_ptr(values.as_ptr().add(number * lanes)) };
                *sum = ops.mul_add(input, weight, *sum);
            }
        }
        let mut values = [0.0; SLACK];
        keep(isa, sums, &mut values);
        let values = &mut values[..WIDE * lanes];
        finish(isa, values, self.activation, self.rows, at, self.output);
    }
}

#[inline(always)]
fn keep<I: Isa, const WIDE: usize>(isa: I, sums: [I::F32; WIDE], values: &mut [f32; SLACK]) {
    let ops = isa.f32();
    let lanes = ops.len();
    for (number, sum) in sums.into_iter().enumerate() {
        ops.store(sum, &mut values[number * lanes..][..lanes]);
    }
}

/// Finishes the sums `values`, of which the first is flat value `at`, and puts them in
/// `plane`.
#[inline(always)]
fn finish<I: Isa>(
    isa: I,
    values: &mut [f32],
    activation: Activation,
    rows: Rows,
    at: usize,
    plane: &mut [f32],
) {
    let ops = isa.f32();
    let lanes = ops.len();
    match activation {
        Activation::None => {}
        Activation::Clamp(low, high) => {
            let (low, high) = (ops.splat(low), ops.splat(high));
            for vector in values.chunks_exact_mut(lanes) {
                ops.store(ops.min(ops.max(ops.load(vector), low), high), vector);
            }
        }
        Activation::Silu => {
            for vector in values.chunks_exact_mut(lanes) {
                ops.store(Silu {}.eval(isa, ops.load(vector)), vector);
            }
        }
    }
    if rows.pitch == rows.width
        && let Some(place) = plane.get_mut(at..at + values.len())
    {
        for (vector, place) in values.chunks_exact(lanes).zip(place.chunks_exact_mut(lanes)) {
            ops.store(ops.load(vector), place);
        }
        return;
    }
    rows.scatter(values, at, plane);
}
