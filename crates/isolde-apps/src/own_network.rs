//! The networks that this program brings in compact size and reads from a file in
//! reference size.

use isolde_model::{Colour, Element, Layout, PictureInput, PictureSize, Resize};

use crate::catalogue::{Setting, Size, network_file};
use crate::engine::Network;
use crate::perception::{Interpreter, Perception};
use crate::picture::{Pixels, Prepared, prepare, prepare_pixels};
use crate::vision::Prepare;
use crate::{AppError, Threads};

/// An application's network and the way of a picture into it.
#[derive(Debug)]
pub(crate) struct OwnNetwork {
    /// The application.
    pub(crate) name: &'static str,
    /// In compact size, as ONNX.
    pub(crate) compact: &'static [u8],
    /// Width and height of its input in pixels, compact and reference.
    pub(crate) sides: [(u32, u32); 2],
    /// What a pixel is.
    pub(crate) colour: Colour,
    /// How a picture of another size becomes its input.
    pub(crate) resize: Resize,
    /// What a pixel becomes.
    pub(crate) range: Range,
    /// Shapes of its outputs, in the graph's order.
    pub(crate) outputs: fn(Size) -> Vec<Vec<usize>>,
}

/// What the values 0 to 255 of a pixel become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// 0 to 1.
    Unit,
    /// -1 to 1.
    Signed,
}

impl OwnNetwork {
    /// What its input is resized to.
    pub(crate) fn size(&self, size: Size) -> PictureSize {
        let (width, height) = self.sides[size as usize];
        PictureSize { width, height }
    }

    /// Loads it in the setting's size.
    pub(crate) fn perception<I: Interpreter>(
        &self,
        setting: &Setting<'_>,
        interpreter: I,
    ) -> Result<Perception<I>, AppError> {
        let network = match setting.size {
            Size::Compact => Network::embedded(self.name, self.compact, setting.threads)?,
            Size::Reference => {
                Network::file(&setting.networks.join(network_file(self.name)), setting.threads)?
            }
        };
        let PictureSize { width, height } = self.size(setting.size);
        network.expect_input(&[1, self.colour.channels(), height as usize, width as usize])?;
        Ok(Perception::new(network, interpreter)?.with_shapes((self.outputs)(setting.size)))
    }

    /// Number of its parameters in compact size.
    pub(crate) fn compact_parameters(&self) -> Result<u64, AppError> {
        Ok(Network::embedded(self.name, self.compact, &Threads::new(1))?.parameters())
    }

    /// Makes its input of a decoded picture.
    pub(crate) fn prepare(&self, picture: &Pixels, size: Size) -> Prepared {
        prepare_pixels(picture, &self.picture_input(size))
    }

    /// How an encoded picture becomes its input.
    pub(crate) fn preparation(&self, size: Size) -> Prepare {
        let input = self.picture_input(size);
        Box::new(move |bytes| prepare(bytes, &input).map_err(Into::into))
    }

    fn picture_input(&self, size: Size) -> PictureInput {
        let (mean, deviation) = match self.range {
            Range::Unit => (0.0, 1.0),
            Range::Signed => (0.5, 0.5),
        };
        PictureInput {
            name: "input".into(),
            element: Element::Float32,
            layout: Layout::Nchw,
            size: self.size(size),
            colour: self.colour,
            resize: self.resize,
            scale: 1.0 / 255.0,
            mean: [mean; 3],
            deviation: [deviation; 3],
        }
    }
}
