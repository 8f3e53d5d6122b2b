//! Road sign classification: a LeNet-style network on 32×32 grey pictures, 43 classes.

use include_dir::{Dir, include_dir};
use isolde_model::{Colour, Resize};
use rten_tensor::NdTensor;

use crate::bundled::Bundled;
use crate::catalogue::Setting;
use crate::classifier::Classifier;
use crate::own_network::{OwnNetwork, Range};
use crate::perception::Perception;
use crate::picture::{Pixels, Prepared, decode};
use crate::vision::Vision;
use crate::{AppError, Application, Description};

static IMAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/road-sign/images");
static CLASSES: &str = include_str!("../assets/road-sign/classes.csv");
const BUNDLED: Bundled =
    Bundled { images: &IMAGES, labels: include_str!("../assets/road-sign/labels.csv") };

const NAME: &str = "road-sign";
/// Height and width of the network's input in pixels.
pub(crate) const SIDE: usize = 32;

pub(crate) static NETWORK: OwnNetwork = OwnNetwork {
    name: NAME,
    compact: include_bytes!("../assets/road-sign/model.onnx"),
    sides: [(SIDE as u32, SIDE as u32); 2],
    colour: Colour::Grey,
    resize: Resize::Stretch,
    range: Range::Signed,
    outputs: |_| vec![vec![1, 43]],
};

pub(crate) const DESCRIPTION: Description = Description {
    name: NAME,
    summary: "names the road sign in a picture, 43 classes",
    network: "LeNet-style",
    sides: NETWORK.sides,
    own: Some(&NETWORK),
    card: Some(include_str!("../assets/road-sign/MODEL_CARD.md")),
    answer: "the class",
    inputs: || BUNDLED.count(),
    bundled: BUNDLED,
    expected_outputs: include_str!("../assets/road-sign/expected.json"),
    networks: &[NAME],
    pace: [300, 300],
    tasks: &[],
    load,
    // Logits reach about 30; f32 sums over at most 400 products in any order
    // differ by some 1e-5 of that.
    output_tolerance: 1e-2,
};

fn load(setting: &Setting<'_>) -> Result<Box<dyn Application>, AppError> {
    let prepare = Box::new(|bytes: &[u8]| {
        let picture = decode(bytes, Colour::Rgb)?;
        let (width, height) = (picture.width, picture.height);
        if (width, height) != (SIDE, SIDE) {
            return Err(format!("it has {width}×{height} pixels, not {SIDE}×{SIDE}").into());
        }
        Ok(prepare_sign(&picture))
    });
    Ok(Box::new(Vision::new(perception(setting)?, BUNDLED.pictures(), prepare)))
}

/// The network with the names of its classes.
pub(crate) fn perception(setting: &Setting<'_>) -> Result<Perception<Classifier>, AppError> {
    NETWORK.perception(setting, Classifier::of(setting.size, CLASSES))
}

/// Makes the network's input of a picture in red, green and blue: 32×32 pixels, grey by
/// the luma weights of ITU-R BT.601, then from 0…1 to -1…1, as in training.
pub(crate) fn prepare_sign(picture: &Pixels) -> Prepared {
    let values: Vec<f32> = picture
        .resized(SIDE, SIDE)
        .bytes
        .chunks_exact(3)
        .map(|rgb| {
            let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f32::from);
            ((0.299 * r + 0.587 * g + 0.114 * b) / 255.0 - 0.5) / 0.5
        })
        .collect();
    let tensor = NdTensor::from_data([1, 1, SIDE, SIDE], values).into();
    Prepared { tensor, picture: picture.size() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Threads;
    use crate::catalogue::Size;

    fn compact() -> Box<dyn Application> {
        let (size, networks) = (Size::Compact, std::path::Path::new(""));
        load(&Setting { size, networks, threads: &Threads::new(1) }).unwrap()
    }

    #[test]
    fn wrong_order_and_wrong_input_are_told() {
        let mut application = compact();
        assert!(matches!(application.infer(0), Err(AppError::OutOfOrder { .. })));
        assert!(matches!(application.interpret(0), Err(AppError::OutOfOrder { .. })));
        let none = application.prepare(86, 0);
        assert!(matches!(none, Err(AppError::NoSuchInput { inputs: 86, .. })));
    }

    #[test]
    fn the_answer_is_a_name() {
        let mut application = compact();
        application.prepare(0, 0).unwrap();
        application.infer(0).unwrap();
        assert_eq!(application.interpret(0).unwrap(), BUNDLED.labels().next().unwrap().1);
        assert_eq!(application.answer(), "Priority road");
    }
}
