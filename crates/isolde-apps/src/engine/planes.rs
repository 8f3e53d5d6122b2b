//! Input planes laid out so that every convolution reads runs of values.

use super::kernel::{Rows, SLACK};

/// What a convolution does to height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Height and width, likewise below.
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) dilation: [usize; 2],
    /// Zeros before the first row and column.
    pub(super) before: [usize; 2],
    /// Zeros behind the last.
    pub(super) behind: [usize; 2],
}

/// Padded planes, taken apart by `stride`: part `(i, j)` holds rows `i`, `i + stride`, …
/// and likewise columns, so that neighbours in an output read neighbours in a part.
/// A row of all parts is as long; what an output would read across a row's end is
/// summed and thrown away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planes {
    window: Window,
    input: [usize; 2],
    /// Parts that some tap reads, as row and column of their first value.
    parts: Vec<[usize; 2]>,
    /// Height and width of a part.
    part: [usize; 2],
    /// Where each tap reads relative to its plane.
    pub(super) offsets: Vec<usize>,
    /// How the outputs lie.
    pub(super) rows: Rows,
    /// Values of a plane, all parts together.
    pub(super) plane: usize,
}

impl Planes {
    /// Of an input of so many rows and columns; `None` if the window is larger.
    pub(super) fn new(window: Window, input: [usize; 2]) -> Option<Self> {
        let side = |axis: usize| {
            let reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1;
            let padded = input[axis] + window.before[axis] + window.behind[axis];
            Some(padded.checked_sub(reach)? / window.stride[axis] + 1)
        };
        let (height, width) = (side(0)?, side(1)?);
        let taps: Vec<[usize; 2]> = (0..window.kernel[0])
            .flat_map(|y| (0..window.kernel[1]).map(move |x| [y, x]))
            .map(|[y, x]| [y * window.dilation[0], x * window.dilation[1]])
            .collect();
        let [down, across] = window.stride;
        let mut parts: Vec<_> = taps.iter().map(|[y, x]| [y % down, x % across]).collect();
        parts.sort_unstable();
        parts.dedup();
        let most =
            |axis: usize| (window.kernel[axis] - 1) * window.dilation[axis] / window.stride[axis];
        let part = [height + most(0), width + most(1)];
        let offsets = taps
            .iter()
            .map(|[y, x]| {
                let number = parts.partition_point(|part| *part < [y % down, x % across]);
                (number * part[0] + y / down) * part[1] + x / across
            })
            .collect();
        let rows = Rows { height, width, pitch: part[1] };
        let plane = parts.len() * part[0] * part[1];
        Some(Self { window, input, parts, part, offsets, rows, plane })
    }

    /// Whether the input already lies as its planes would.
    pub(super) fn is_input(&self) -> bool {
        self.parts.len() == 1 && self.part == self.input && self.window.stride == [1, 1]
    }

    /// Values that `channels` planes take, with what may be read behind the last.
    pub(super) const fn length(&self, channels: usize) -> usize {
        channels * self.plane + SLACK
    }

    /// Lays out one plane.
    pub(super) fn lay(&self, input: &[f32], plane: &mut [f32]) {
        let [height, width] = self.part;
        for (part, [y, x]) in plane.chunks_exact_mut(height * width).zip(&self.parts) {
            let columns = self.columns(*x);
            for (number, row) in part.chunks_exact_mut(width).enumerate() {
                let source =
                    (number * self.window.stride[0] + y).checked_sub(self.window.before[0]);
                match source.filter(|row| *row < self.input[0]) {
                    Some(source) => {
                        let input = &input[source * self.input[1]..][..self.input[1]];
                        columns.lay(input, self.window.stride[1], row);
                    }
                    None => row.fill(0.0),
                }
            }
        }
    }

    /// How a row of the parts that start in padded column `first` is made.
    fn columns(&self, first: usize) -> Columns {
        let (stride, before) = (self.window.stride[1], self.window.before[1]);
        let zeros = before.saturating_sub(first).div_ceil(stride).min(self.part[1]);
        let from = (first + zeros * stride).saturating_sub(before).min(self.input[1]);
        let count = (self.input[1] - from).div_ceil(stride).min(self.part[1] - zeros);
        Columns { zeros, from, count }
    }
}

/// A row of a part: zeros, values of the input, zeros.
#[derive(Debug, Clone, Copy)]
struct Columns {
    zeros: usize,
    /// The first column of the input that is taken.
    from: usize,
    count: usize,
}

impl Columns {
    fn lay(self, input: &[f32], stride: usize, row: &mut [f32]) {
        let (zeros, rest) = row.split_at_mut(self.zeros);
        let (taken, behind) = rest.split_at_mut(self.count);
        zeros.fill(0.0);
        behind.fill(0.0);
        let input = &input[self.from..];
        match stride {
            1 => taken.copy_from_slice(&input[..self.count]),
            2 => {
                // The commonest, in a form that becomes vectors.
                let (pairs, odd) = input.as_chunks::<2>();
                for (to, [from, _]) in taken.iter_mut().zip(pairs) {
                    *to = *from;
                }
                if let (Some(to), [from]) = (taken.get_mut(pairs.len()), odd) {
                    *to = *from;
                }
            }
            _ => {
                for (to, from) in taken.iter_mut().zip(input.iter().step_by(stride)) {
                    *to = *from;
                }
            }
        }
    }
}
