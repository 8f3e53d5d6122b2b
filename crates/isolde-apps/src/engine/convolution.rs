//! Two-dimensional convolutions with what follows them.
//!
//! rten's own multiply matrices well, but its depthwise convolution is compiled for
//! the lowest CPU alone, and each convolution larger than one value copies every
//! input value once per tap. These sum straight from the planes.

use rayon::prelude::*;
use rten_simd::SimdOp;

use super::kernel::{Activation, Block, Depthwise, block_rows};
use super::planes::{Planes, Window};

/// A convolution of one group, or of as many groups as it has channels.
#[derive(Debug)]
pub(super) struct Convolution {
    window: Window,
    depthwise: bool,
    inputs: usize,
    outputs: usize,
    /// Output channels whose weights lie together.
    block: usize,
    /// By block, input channel, tap and output channel of the block.
    weights: Vec<f32>,
    /// By output channel, whole blocks.
    bias: Vec<f32>,
    pub(super) activation: Activation,
}

impl Convolution {
    /// Of `weights` by output channel, input channel, row and column. If
    /// `depthwise`, output channel `n` is of input channel `n` alone.
    pub(super) fn new(
        window: Window,
        depthwise: bool,
        weights: impl Fn(usize) -> f32,
        [outputs, depth]: [usize; 2],
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let block = if depthwise { 1 } else { block_rows() };
        let taps = window.kernel[0] * window.kernel[1] * depth;
        let blocks = outputs.div_ceil(block);
        let mut packed = vec![0.0; blocks * block * taps];
        for (number, packed) in packed.chunks_exact_mut(block * taps).enumerate() {
            for row in 0..block.min(outputs - number * block) {
                let first = (number * block + row) * taps;
                for (tap, packed) in packed.chunks_exact_mut(block).enumerate() {
                    packed[row] = weights(first + tap);
                }
            }
        }
        let mut padded: Vec<f32> = (0..outputs).map(bias).collect();
        padded.resize(blocks * block, 0.0);
        Self {
            window,
            depthwise,
            inputs: if depthwise { outputs } else { depth },
            outputs,
            block,
            weights: packed,
            bias: padded,
            activation: Activation::None,
        }
    }

    /// Shape of the output for an input of `channels` × rows × columns, and how the
    /// input is to be laid out; `None` if the input does not fit.
    pub(super) fn plan(
        &self,
        [channels, height, width]: [usize; 3],
    ) -> Option<([usize; 3], Planes)> {
        let planes = Planes::new(self.window, [height, width])?;
        (channels == self.inputs)
            .then_some(([self.outputs, planes.rows.height, planes.rows.width], planes))
    }

    /// Convolves `input` into `output`, which has the planned shape. `scratch` grows as
    /// needed. Works on the threads of the pool that it is called from.
    pub(super) fn run(
        &self,
        planes: &Planes,
        input: &[f32],
        output: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        if self.depthwise {
            self.depthwise(planes, input, output);
            return;
        }
        let channels = self.inputs;
        let input_plane = input.len() / channels;
        let source = if planes.is_input() && planes.rows.span() >= super::kernel::SLACK {
            input
        } else {
            let length = planes.length(channels);
            if scratch.len() < length {
                scratch.resize(length, 0.0);
            }
            scratch
                .par_chunks_exact_mut(planes.plane)
                .zip(input.par_chunks_exact(input_plane))
                .for_each(|(plane, input)| planes.lay(input, plane));
            scratch
        };
        let plane = planes.rows.height * planes.rows.width;
        let taps = planes.offsets.len() * channels;
        output
            .par_chunks_mut(self.block * plane)
            .zip(self.weights.par_chunks_exact(self.block * taps))
            .zip(self.bias.par_chunks_exact(self.block))
            .for_each(|((output, weights), bias)| {
                Block {
                    source,
                    plane: planes.plane,
                    input_channels: channels,
                    offsets: &planes.offsets,
                    weights,
                    bias,
                    activation: self.activation,
                    rows: planes.rows,
                    output,
                }
                .dispatch();
            });
    }

    fn depthwise(&self, planes: &Planes, input: &[f32], output: &mut [f32]) {
        let plane = planes.rows.height * planes.rows.width;
        output
            .par_chunks_exact_mut(plane)
            .zip(input.par_chunks_exact(input.len() / self.outputs))
            .zip(self.weights.par_chunks_exact(planes.offsets.len()))
            .zip(&self.bias)
            .for_each_init(
                || vec![0.0; planes.length(1)],
                |source, (((output, input), weights), bias)| {
                    planes.lay(input, &mut source[..planes.plane]);
                    let (offsets, rows) = (&planes.offsets[..], planes.rows);
                    let (bias, activation) = (*bias, self.activation);
                    Depthwise { source, offsets, weights, bias, activation, rows, output }
                        .dispatch();
                },
            );
    }
}
