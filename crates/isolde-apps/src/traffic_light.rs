//! Traffic light classification: Inception-v3, labels none, green and red.

use include_dir::{Dir, include_dir};
use isolde_model::{Colour, Resize};

use crate::bundled::Bundled;
use crate::catalogue::Setting;
use crate::classifier::Classifier;
use crate::own_network::{OwnNetwork, Range};
use crate::perception::Perception;
use crate::vision::Vision;
use crate::{AppError, Application, Description};

static IMAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/traffic-light/images");
const CLASSES: &str = include_str!("../assets/traffic-light/classes.csv");
const BUNDLED: Bundled =
    Bundled { images: &IMAGES, labels: include_str!("../assets/traffic-light/labels.csv") };

const NAME: &str = "traffic-light";

pub(crate) static NETWORK: OwnNetwork = OwnNetwork {
    name: NAME,
    compact: include_bytes!("../assets/traffic-light/model.onnx"),
    sides: [(96, 96), (299, 299)],
    colour: Colour::Rgb,
    resize: Resize::Stretch,
    range: Range::Signed,
    outputs: |_| vec![vec![1, 3]],
};

pub(crate) const DESCRIPTION: Description = Description {
    name: NAME,
    summary: "tells whether a traffic light is green, red or neither",
    network: "Inception-v3",
    sides: NETWORK.sides,
    own: Some(&NETWORK),
    card: Some(include_str!("../assets/traffic-light/MODEL_CARD.md")),
    answer: "the class",
    inputs: || BUNDLED.count(),
    bundled: BUNDLED,
    expected_outputs: include_str!("../assets/traffic-light/expected.json"),
    networks: &[NAME],
    pace: [200, 15],
    tasks: &[],
    load,
    // Logits reach about 30; sums of up to a thousand products over some fifty layers
    // differ by about 1e-5 of that in another order.
    output_tolerance: 1e-2,
};

fn load(setting: &Setting<'_>) -> Result<Box<dyn Application>, AppError> {
    let prepare = NETWORK.preparation(setting.size);
    Ok(Box::new(Vision::new(perception(setting)?, BUNDLED.pictures(), prepare)))
}

/// The network with the names of its classes.
pub(crate) fn perception(setting: &Setting<'_>) -> Result<Perception<Classifier>, AppError> {
    NETWORK.perception(setting, Classifier::of(setting.size, CLASSES))
}
