//! What a layer with weights or a window is told by.

use super::weights::{RECTIFIED, Values};

/// A convolution; its bias includes a batch normalisation's shift, its weights
/// the scale, as is done for inference.
#[derive(Debug, Clone)]
pub(super) struct Convolution {
    pub(super) filters: usize,
    /// Height and width.
    pub(super) kernel: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: [usize; 2],
    pub(super) dilation: usize,
    pub(super) groups: usize,
    pub(super) gain: f32,
    /// `None` for the usual draw.
    pub(super) bias: Option<Values>,
}

impl Convolution {
    /// With a square kernel, stride 1 and no padding; a rectifier follows.
    pub(super) const fn new(filters: usize, side: usize) -> Self {
        Self::rectangular(filters, [side, side])
    }

    /// The same, by the kernel's height and width.
    pub(super) const fn rectangular(filters: usize, kernel: [usize; 2]) -> Self {
        let (stride, padding, dilation, groups) = (1, [0, 0], 1, 1);
        Self { filters, kernel, stride, padding, dilation, groups, gain: RECTIFIED, bias: None }
    }

    pub(super) fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    pub(super) fn padding(self, padding: usize) -> Self {
        Self { padding: [padding, padding], ..self }
    }

    /// Padding with which stride 1 keeps height and width. Odd kernels only.
    pub(super) fn same(self) -> Self {
        let [height, width] = self.kernel;
        let padding = [self.dilation * (height / 2), self.dilation * (width / 2)];
        Self { padding, ..self }
    }

    pub(super) fn dilation(self, dilation: usize) -> Self {
        Self { dilation, ..self }
    }

    /// Every channel has its own filter.
    pub(super) fn depthwise(self) -> Self {
        Self { groups: self.filters, ..self }
    }

    /// Variance of the weights times the number of inputs.
    pub(super) fn gain(self, gain: f32) -> Self {
        Self { gain, ..self }
    }

    /// One for each filter, in place of the usual draw.
    pub(super) fn bias(self, bias: Values) -> Self {
        Self { bias: Some(bias), ..self }
    }
}

/// A pooling layer with a square window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pool {
    pub(super) side: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}
