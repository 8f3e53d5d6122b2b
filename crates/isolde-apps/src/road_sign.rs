//! Road sign classification: a LeNet-style network on 32×32 grey pictures, 43 classes.

use include_dir::{Dir, include_dir};
use rten_tensor::NdTensor;

use crate::engine::Network;
use crate::picture::{Picture, decode_png};
use crate::{AppError, Application, Description, Threads};

static PICTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/road-sign/images");
static LABELS: &str = include_str!("../assets/road-sign/labels.csv");
static MODEL: &[u8] = include_bytes!("../assets/road-sign/model.onnx");

const NAME: &str = "road-sign";
/// Height and width of the network's input in pixels.
const SIDE: u32 = 32;

pub(crate) const DESCRIPTION: Description = Description {
    name: NAME,
    summary: "road sign classification: LeNet-style CNN, 32×32 grey, 43 classes",
    expected_labels,
    load,
    // Logits reach about 30; f32 sums over at most 400 products in any order
    // differ by some 1e-5 of that.
    output_tolerance: 1e-2,
};

/// The lines of labels.csv: file name and class.
fn labels() -> impl Iterator<Item = (&'static str, u32)> {
    LABELS.lines().skip(1).filter_map(|line| {
        let (name, label) = line.split_once(',')?;
        Some((name, label.trim().parse().ok()?))
    })
}

fn expected_labels() -> Vec<u32> {
    labels().map(|(_, label)| label).collect()
}

fn load(threads: &Threads) -> Result<Box<dyn Application>, AppError> {
    let network = Network::load(NAME, MODEL, threads)?;
    let pictures = labels()
        .filter_map(|(name, _)| Some((name, PICTURES.get_file(name)?.contents())))
        .collect();
    Ok(Box::new(RoadSign { network, pictures, prepared: None, logits: Vec::new() }))
}

struct RoadSign {
    network: Network,
    /// Name and encoded bytes of each input.
    pictures: Vec<(&'static str, &'static [u8])>,
    prepared: Option<NdTensor<f32, 4>>,
    logits: Vec<f32>,
}

impl Application for RoadSign {
    fn prepare(&mut self, input: u32) -> Result<(), AppError> {
        let inputs = self.pictures.len();
        let (name, bytes) = self.pictures.get(input as usize).ok_or(AppError::NoSuchInput {
            input,
            inputs: u32::try_from(inputs).unwrap_or(u32::MAX),
        })?;
        self.prepared = Some(normalise(name, &decode_png(name, bytes)?)?);
        Ok(())
    }

    fn infer(&mut self) -> Result<(), AppError> {
        let prepared = self.prepared.as_ref().ok_or(AppError::OutOfOrder { phase: "inference" })?;
        self.logits = self.network.run(prepared)?;
        Ok(())
    }

    fn interpret(&mut self) -> Result<u32, AppError> {
        let unfit = self.logits.iter().enumerate().find(|(_, value)| !value.is_finite());
        if let Some((position, &value)) = unfit {
            return Err(AppError::NotFinite { position, value });
        }
        let largest = self.logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        let (label, _) = largest.ok_or(AppError::OutOfOrder { phase: "interpretation" })?;
        Ok(u32::try_from(label).unwrap_or(u32::MAX))
    }

    fn output(&self) -> &[f32] {
        &self.logits
    }
}

/// Grey by the luma weights of ITU-R BT.601, then from 0…1 to -1…1, as in training.
fn normalise(name: &str, picture: &Picture) -> Result<NdTensor<f32, 4>, AppError> {
    if (picture.width, picture.height) != (SIDE, SIDE) {
        let (width, height) = (picture.width, picture.height);
        let source = format!("it has {width}×{height} pixels, not {SIDE}×{SIDE}").into();
        return Err(AppError::Picture { name: name.to_owned(), source });
    }
    let values: Vec<f32> = picture
        .rgb
        .chunks_exact(3)
        .map(|rgb| {
            let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(f32::from);
            ((0.299 * r + 0.587 * g + 0.114 * b) / 255.0 - 0.5) / 0.5
        })
        .collect();
    Ok(NdTensor::from_data([1, 1, SIDE as usize, SIDE as usize], values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Logits computed by another engine (ONNX Runtime) from the same pictures.
    fn expected_logits() -> BTreeMap<String, Vec<f32>> {
        serde_json::from_str(include_str!("../assets/road-sign/expected.json")).unwrap()
    }

    #[test]
    fn every_picture_gets_its_label_and_the_reference_logits() {
        let threads = Threads::new(1);
        let mut application = load(&threads).unwrap();
        let reference = expected_logits();
        assert_eq!(expected_labels().len(), 86);
        for (input, (name, label)) in labels().enumerate() {
            application.prepare(u32::try_from(input).unwrap()).unwrap();
            application.infer().unwrap();
            assert_eq!(application.interpret().unwrap(), label, "{name}");
            for (ours, theirs) in application.output().iter().zip(&reference[name]) {
                assert!((ours - theirs).abs() < DESCRIPTION.output_tolerance, "{name}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        let outputs = [1, 2].map(|count| {
            let threads = Threads::new(count);
            let mut application = load(&threads).unwrap();
            application.prepare(3).unwrap();
            threads.run(|| application.infer()).unwrap();
            application.output().to_vec()
        });
        assert_eq!(outputs[0], outputs[1]);
    }

    #[test]
    fn wrong_order_and_wrong_input_are_told() {
        let mut application = load(&Threads::new(1)).unwrap();
        assert!(matches!(application.infer(), Err(AppError::OutOfOrder { .. })));
        assert!(matches!(application.interpret(), Err(AppError::OutOfOrder { .. })));
        assert!(matches!(application.prepare(86), Err(AppError::NoSuchInput { inputs: 86, .. })));
    }

    #[test]
    fn a_picture_that_is_none_is_told() {
        let error = decode_png("x.png", b"not a png").err().unwrap();
        assert!(error.to_string().contains("x.png"));
        let cut = &PICTURES.get_file("000.png").unwrap().contents()[..100];
        assert!(decode_png("cut.png", cut).is_err());
    }
}
