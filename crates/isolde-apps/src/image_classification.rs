//! Image classification: MobileNetV2, what the one thing in a picture of a road is.

use include_dir::{Dir, include_dir};
use isolde_model::{Colour, Resize};

use crate::bundled::Bundled;
use crate::catalogue::{Setting, Size};
use crate::classifier::Classifier;
use crate::own_network::{OwnNetwork, Range};
use crate::perception::Perception;
use crate::vision::Vision;
use crate::{AppError, Application, Description};

static IMAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/image-classification/images");
const CLASSES: &str = include_str!("../assets/image-classification/classes.csv");
const BUNDLED: Bundled =
    Bundled { images: &IMAGES, labels: include_str!("../assets/image-classification/labels.csv") };

const NAME: &str = "image-classification";

pub(crate) static NETWORK: OwnNetwork = OwnNetwork {
    name: NAME,
    compact: include_bytes!("../assets/image-classification/model.onnx"),
    sides: [(96, 96), (224, 224)],
    colour: Colour::Rgb,
    resize: Resize::Stretch,
    range: Range::Signed,
    outputs: |size| match size {
        Size::Compact => vec![vec![1, 11]],
        // As many as ImageNet's, on which the study's network was trained.
        Size::Reference => vec![vec![1, 1000]],
    },
};

pub(crate) const DESCRIPTION: Description = Description {
    name: NAME,
    summary: "names the one thing in a picture of a road, 11 classes",
    network: "MobileNetV2",
    sides: NETWORK.sides,
    own: Some(&NETWORK),
    card: Some(include_str!("../assets/image-classification/MODEL_CARD.md")),
    answer: "the class",
    inputs: || BUNDLED.count(),
    bundled: BUNDLED,
    expected_outputs: include_str!("../assets/image-classification/expected.json"),
    networks: &[NAME],
    pace: [200, 60],
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
