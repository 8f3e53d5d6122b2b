//! Lane keeping: LaneNet, which colours the pixels of up to four lanes.

mod curve;
mod lanes;

use isolde_model::{Colour, PictureSize, Resize};
use rten::Value;

use crate::bundled::{Bundled, SCENES};
use crate::catalogue::Setting;
use crate::own_network::{OwnNetwork, Range};
use crate::perception::{Interpreter, Perception};
use crate::vision::Vision;
use crate::{AppError, Application, Description};

use curve::Curve;
use lanes::LANES;

const BUNDLED: Bundled =
    Bundled { images: &SCENES, labels: include_str!("../../assets/lane-keeping/labels.csv") };
const NAME: &str = "lane-keeping";

pub(crate) static NETWORK: OwnNetwork = OwnNetwork {
    name: NAME,
    compact: include_bytes!("../../assets/lane-keeping/model.onnx"),
    sides: [(400, 144), (800, 288)],
    colour: Colour::Rgb,
    resize: Resize::Stretch,
    range: Range::Signed,
    outputs: |size| {
        let (width, height) = NETWORK.sides[size as usize];
        vec![vec![1, LANES + 1, height as usize, width as usize]]
    },
};

pub(crate) const DESCRIPTION: Description = Description {
    name: NAME,
    summary: "finds up to four lane markings and where the car is between them",
    network: "LaneNet",
    sides: NETWORK.sides,
    own: Some(&NETWORK),
    card: Some(include_str!("../../assets/lane-keeping/MODEL_CARD.md")),
    answer: "the lanes that are there, as bits: 1, 2, 4, 8 from left to right",
    inputs: || BUNDLED.count(),
    bundled: BUNDLED,
    expected_outputs: include_str!("../../assets/lane-keeping/expected.json"),
    networks: &[NAME],
    pace: [60, 3],
    tasks: &[],
    load,
    // Logits are of some tens; sums of up to a thousand products over sixteen layers
    // differ by about 1e-5 of that in another order.
    output_tolerance: 2e-2,
};

fn load(setting: &Setting<'_>) -> Result<Box<dyn Application>, AppError> {
    let prepare = NETWORK.preparation(setting.size);
    Ok(Box::new(Vision::new(perception(setting)?, BUNDLED.pictures(), prepare)))
}

/// The network with what finds lanes in its output.
pub(crate) fn perception(setting: &Setting<'_>) -> Result<Perception<LaneFinder>, AppError> {
    let PictureSize { width, height } = NETWORK.size(setting.size);
    let finder = LaneFinder {
        width: width as usize,
        height: height as usize,
        picture: NETWORK.size(setting.size),
        lanes: [None; LANES],
    };
    NETWORK.perception(setting, finder)
}

/// Finds lanes in the network's output.
pub(crate) struct LaneFinder {
    /// Of the network's output.
    width: usize,
    height: usize,
    /// Size of the last picture.
    picture: PictureSize,
    /// In pixels of the picture.
    lanes: [Option<Curve>; LANES],
}

impl LaneFinder {
    /// Pixels that the car's middle is to the right of the middle between the inner
    /// lanes, at the lower edge of the picture. The camera is in the middle of the car.
    fn offset(&self) -> Option<f64> {
        let (left, right) = (self.lanes[1]?, self.lanes[2]?);
        let row = f64::from(self.picture.height);
        Some(f64::from(self.picture.width) / 2.0 - (left.at(row) + right.at(row)) / 2.0)
    }
}

impl Interpreter for LaneFinder {
    fn interpret(&mut self, picture: PictureSize, _outputs: &[Value], flat: &[f32]) -> u32 {
        let mask = lanes::mask(flat, self.width * self.height);
        let size = (f64::from(picture.width), f64::from(picture.height));
        self.lanes = lanes::lanes(&mask, self.width, size);
        self.picture = picture;
        let present = (0..).zip(&self.lanes).filter(|(_, lane)| lane.is_some());
        present.map(|(bit, _)| 1 << bit).sum()
    }

    fn answer(&self) -> String {
        let present = (1..).zip(&self.lanes).filter(|(_, lane)| lane.is_some());
        let numbers: Vec<String> = present.map(|(lane, _)| u32::to_string(&lane)).collect();
        let lanes = match numbers.len() {
            0 => return "no lanes".into(),
            1 => format!("lane {}", numbers[0]),
            _ => format!("lanes {}", numbers.join(", ")),
        };
        match self.offset() {
            None => lanes,
            Some(offset) if offset.abs() < 0.5 => format!("{lanes}; the car is in the middle"),
            Some(offset) => {
                let side = if offset < 0.0 { "left" } else { "right" };
                format!("{lanes}; the car is {:.0} px {side} of the middle", offset.abs())
            }
        }
    }
}

#[cfg(test)]
mod tests;
