//! Object detection in road scenes: YOLOv5, 13 classes of BDD100K.

mod decode;
mod nms;

use std::collections::BTreeMap;

use isolde_model::{Colour, PictureSize, Resize};
use rten::Value;

use crate::bundled::{Bundled, SCENES};
use crate::catalogue::Setting;
use crate::classifier::{class_name, meaningful};
use crate::own_network::{OwnNetwork, Range};
use crate::perception::{Interpreter, Perception};
use crate::picture::resized_to;
use crate::vision::Vision;
use crate::{AppError, Application, Description};

pub(crate) use decode::{Corners, Detection};

pub(crate) const CLASSES: &str = include_str!("../../assets/object-detection/classes.csv");
const BUNDLED: Bundled =
    Bundled { images: &SCENES, labels: include_str!("../../assets/object-detection/labels.csv") };
const NAME: &str = "object-detection";

/// Classes in `classes.csv` that are traffic lights: green, red, yellow, off.
pub(crate) const LIGHTS: std::ops::RangeInclusive<u32> = 7..=10;
/// The class that is traffic signs.
pub(crate) const SIGNS: std::ops::RangeInclusive<u32> = 11..=11;

pub(crate) static NETWORK: OwnNetwork = OwnNetwork {
    name: NAME,
    compact: include_bytes!("../../assets/object-detection/model.onnx"),
    sides: [(320, 320), (640, 640)],
    colour: Colour::Rgb,
    resize: Resize::Letterbox,
    range: Range::Unit,
    outputs: |size| decode::shapes(NETWORK.sides[size as usize].0 as usize),
};

pub(crate) const DESCRIPTION: Description = Description {
    name: NAME,
    summary: "finds cars, people, lights and signs in road scenes, 13 classes",
    network: "YOLOv5",
    sides: NETWORK.sides,
    own: Some(&NETWORK),
    card: Some(include_str!("../../assets/object-detection/MODEL_CARD.md")),
    answer: "the number of boxes",
    inputs: || BUNDLED.count(),
    bundled: BUNDLED,
    expected_outputs: include_str!("../../assets/object-detection/expected.json"),
    networks: &[NAME],
    pace: [60, 10],
    tasks: &[],
    load,
    // Logits are of some tens; sums of up to a thousand products over some sixty
    // layers differ by about 1e-5 of that in another order.
    output_tolerance: 2e-2,
};

fn load(setting: &Setting<'_>) -> Result<Box<dyn Application>, AppError> {
    let prepare = NETWORK.preparation(setting.size);
    Ok(Box::new(Vision::new(perception(setting)?, BUNDLED.pictures(), prepare)))
}

/// The network with what finds boxes in its outputs.
pub(crate) fn perception(setting: &Setting<'_>) -> Result<Perception<Detector>, AppError> {
    let size = NETWORK.size(setting.size);
    let classes = meaningful(setting.size, CLASSES);
    NETWORK.perception(setting, Detector { size, classes, found: Vec::new() })
}

/// Finds boxes in the network's outputs.
pub(crate) struct Detector {
    /// Of the network's input.
    size: PictureSize,
    /// `classes.csv`, or empty where the classes mean nothing.
    classes: &'static str,
    found: Vec<Detection>,
}

impl Detector {
    /// What was found last, most confident first, in pixels of the picture.
    pub(crate) fn found(&self) -> &[Detection] {
        &self.found
    }
}

impl Interpreter for Detector {
    fn interpret(&mut self, picture: PictureSize, _outputs: &[Value], flat: &[f32]) -> u32 {
        let candidates = decode::decode(flat, self.size.width as usize, decode::THRESHOLD);
        self.found = nms::suppress(candidates);
        for detection in &mut self.found {
            detection.corners = in_picture(detection.corners, picture, self.size);
        }
        u32::try_from(self.found.len()).unwrap_or(u32::MAX)
    }

    fn answer(&self) -> String {
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        for detection in &self.found {
            *counts.entry(detection.class).or_default() += 1;
        }
        let words = counts.into_iter().map(|(class, count)| {
            let name = class_name(self.classes, class);
            name.map_or_else(|| format!("{count} class {class}"), |name| format!("{count} {name}"))
        });
        let words: Vec<String> = words.collect();
        if words.is_empty() { "nothing".into() } else { words.join(", ") }
    }
}

/// From pixels of the letterboxed input to pixels of the picture, cut off at its edge.
fn in_picture(corners: Corners, picture: PictureSize, size: PictureSize) -> Corners {
    let (width, height) = resized_to(picture, size, Resize::Letterbox);
    let back = |place: f32, whole: u32, shown: usize, of_picture: u32| {
        let margin = (whole as usize - shown) / 2;
        let of_picture = of_picture as f32;
        ((place - margin as f32) * of_picture / shown as f32).clamp(0.0, of_picture)
    };
    let column = |place| back(place, size.width, width, picture.width);
    let row = |place| back(place, size.height, height, picture.height);
    Corners {
        left: column(corners.left),
        top: row(corners.top),
        right: column(corners.right),
        bottom: row(corners.bottom),
    }
}

#[cfg(test)]
mod tests;
