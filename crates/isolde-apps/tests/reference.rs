//! The reference networks: what they consist of, that their bytes never change,
//! and that the engine runs them.

#![expect(clippy::unwrap_used, reason = "a file that is none fails its test")]

use std::collections::BTreeMap;

use isolde_apps::reference::{ReferenceNetwork, write};
use isolde_apps::user_model::{Outline, TensorInfo, outline};
use rten::Model;
use rten_tensor::Tensor;
use sha2::{Digest, Sha256};

use ReferenceNetwork::{ImageClassification, LaneKeeping, ObjectDetection, RoadSign, TrafficLight};

fn bytes(network: ReferenceNetwork) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(network, &mut bytes).unwrap();
    bytes
}

/// What is published of each, and the channels that batch normalisation scales
/// and shifts there: by folding it in, one parameter of two is left for each.
#[test]
fn parameters_are_as_published() {
    // YOLOv5s has 7,235,389 with 80 classes (ultralytics/yolov5, v6.2); its three
    // heads are 1×1 convolutions of 128, 256 and 512 channels.
    let head = |classes: u64| 3 * (5 + classes) * (128 + 256 + 512 + 3);
    let published = [
        (ObjectDetection, 7_235_389 - head(80) + head(13), 9_504),
        // 23,834,568 with 1000 classes and without auxiliary classifier (torchvision).
        (TrafficLight, 23_834_568 - 1000 * 2049 + 3 * 2049, 17_216),
        (RoadSign, 64_511, 0),
        // VGG-16's convolutions (torchvision) and those that follow.
        (LaneKeeping, 14_714_688 + 4_719_616 + 131_200 + 645, 0),
        (ImageClassification, 3_504_872, 17_056),
    ];
    for (network, parameters, normalised) in published {
        assert_eq!(network.parameters(), parameters - normalised, "{network:?}");
    }
}

#[test]
fn work_is_as_published() {
    // In millions. YOLOv5s: 16.5 GFLOP, of two operations each, with 80 classes;
    // MobileNetV2: 300 in the paper; Inception-v3: 5.71 thousand (torchvision).
    let published = [
        (ObjectDetection, 7_800, 8_200),
        (TrafficLight, 5_700, 5_720),
        (ImageClassification, 299, 302),
    ];
    for (network, least, most) in published {
        let work = network.multiply_adds() / 1_000_000;
        assert!((least..=most).contains(&work), "{network:?}: {work}");
    }
    // LeNet, by hand.
    let (first, second) = (28 * 28 * 6 * 25, 10 * 10 * 16 * 150);
    let dense = 400 * 120 + 120 * 84 + 84 * 43;
    assert_eq!(RoadSign.multiply_adds(), first + second + dense);
}

/// Numbers between -1 and 1 with edges, slopes and noise, as a picture has.
fn picture(shape: [usize; 4], seed: usize) -> Tensor<f32> {
    let [_, _, height, width] = shape;
    let value = |at: usize| {
        let (x, y) = (at % width, at / width % height);
        let edge = ((x * 8 / width + y * 6 / height + seed) % 3) as f32 / 3.0;
        let noise = ((at + 7 * seed) * 7919 % 101) as f32 / 1010.0;
        edge + y as f32 / height as f32 + noise - 0.9
    };
    Tensor::from_data(&shape, (0..shape.iter().product()).map(value).collect::<Vec<_>>())
}

/// Runs a network as the engine does in an application; every output, flat.
fn infer(model: &Model, input: Tensor<f32>) -> Vec<Vec<f32>> {
    let input = (model.input_ids()[0], input.into());
    let outputs = model.run(vec![input], model.output_ids(), None).unwrap();
    outputs.into_iter().map(|output| Tensor::<f32>::try_from(output).unwrap().into_data()).collect()
}

/// What a network's file must be.
struct Expected<'a> {
    digest: &'a str,
    input: [usize; 4],
    outputs: &'a [(&'a str, &'a [usize])],
    /// Colour, normalisation and resizing by its metadata.
    meaning: [&'a str; 3],
}

/// Checks a network's bytes, what they say of themselves, and that the outputs
/// are sane and follow the input.
fn check(network: ReferenceNetwork, expected: &Expected<'_>) {
    let file = bytes(network);
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(digest, expected.digest, "{network:?} has other bytes");
    check_outline(&outline(&file).unwrap(), expected);
    let model = Model::load(file).unwrap();
    let [first, second] = [0, 1].map(|seed| infer(&model, picture(expected.input, seed)));
    for ((first, second), (name, shape)) in first.iter().zip(&second).zip(expected.outputs) {
        assert_eq!(first.len(), shape.iter().product::<usize>(), "{name}");
        assert!(first.iter().all(|value| value.is_normal() && value.abs() < 30.0), "{name}");
        let mean = |values: &mut dyn Iterator<Item = f32>| values.sum::<f32>() / first.len() as f32;
        let size = mean(&mut first.iter().map(|value| value.abs()));
        let change = mean(&mut first.iter().zip(second).map(|(a, b)| (a - b).abs()));
        assert!(size > 0.01 && change > 0.01 * size, "{name}: {size}, {change}");
    }
}

fn check_outline(outline: &Outline, expected: &Expected<'_>) {
    let shape = |info: &TensorInfo| -> Vec<usize> {
        let lengths = info.axes.iter().flatten().map(|axis| axis.length.unwrap());
        lengths.map(|length| usize::try_from(length).unwrap()).collect()
    };
    assert_eq!(outline.opsets, BTreeMap::from([(String::new(), 17)]));
    assert_eq!(outline.inputs.len(), 1, "initialisers are no inputs");
    assert_eq!(outline.inputs[0].name, "input");
    assert_eq!(shape(&outline.inputs[0]), expected.input);
    assert!(outline.inputs.iter().chain(&outline.outputs).all(|info| info.element == Some(1)));
    let outputs: Vec<_> =
        outline.outputs.iter().map(|info| (info.name.as_str(), shape(info))).collect();
    let wanted: Vec<_> =
        expected.outputs.iter().map(|&(name, shape)| (name, shape.to_vec())).collect();
    assert_eq!(outputs, wanted);
    let keys = ["isolde.colour", "isolde.normalise", "isolde.resize"];
    assert_eq!(keys.map(|key| outline.metadata[key].as_str()), expected.meaning);
}

#[test]
fn object_detection_is_what_it_should_be_and_runs() {
    check(
        ObjectDetection,
        &Expected {
            digest: "262ffb73fc9d9225fae15b29e7158b849b2bd852ea677cd64c8a85cb8efd3c16",
            input: [1, 3, 640, 640],
            outputs: &[
                ("p3", &[1, 54, 80, 80]),
                ("p4", &[1, 54, 40, 40]),
                ("p5", &[1, 54, 20, 20]),
            ],
            meaning: ["rgb", "unit", "letterbox"],
        },
    );
}

#[test]
fn traffic_light_is_what_it_should_be_and_runs() {
    check(
        TrafficLight,
        &Expected {
            digest: "50c4799027eac4cd2b6ab3142632f6b9dceeb60b68594274036ae5ab6730fc51",
            input: [1, 3, 299, 299],
            outputs: &[("logits", &[1, 3])],
            meaning: ["rgb", "signed", "stretch"],
        },
    );
}

#[test]
fn road_sign_is_what_it_should_be_and_runs() {
    check(
        RoadSign,
        &Expected {
            digest: "9d4db1f60673dd1061a0b74a9089b460cbb642e7b826e3eb79c606935de17da1",
            input: [1, 1, 32, 32],
            outputs: &[("logits", &[1, 43])],
            meaning: ["grey", "signed", "stretch"],
        },
    );
}

#[test]
fn lane_keeping_is_what_it_should_be_and_runs() {
    check(
        LaneKeeping,
        &Expected {
            digest: "cfbf196cf8a83f2b0800f78be742c689975d45a0a8d73bc41e5409273bd9355c",
            input: [1, 3, 288, 800],
            outputs: &[("lanes", &[1, 5, 288, 800])],
            meaning: ["rgb", "signed", "stretch"],
        },
    );
}

#[test]
fn image_classification_is_what_it_should_be_and_runs() {
    check(
        ImageClassification,
        &Expected {
            digest: "f1198793955405b2cacb61a4dc66f45e5b21c44c0b603c84b3b2adb6052d5613",
            input: [1, 3, 224, 224],
            outputs: &[("logits", &[1, 1000])],
            meaning: ["rgb", "signed", "stretch"],
        },
    );
}

/// The fields of a protocol buffer message: number, value of a number, bytes.
fn fields(mut message: &[u8]) -> Vec<(u64, u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
        let (value, rest) = bytes.split_at(end + 1);
        *bytes = rest;
        value.iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7f))
    }
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let (number, bytes) = match key & 7 {
            0 => (varint(&mut message), &[][..]),
            2 => {
                let length = varint(&mut message);
                (0, message.split_off(..length as usize).unwrap())
            }
            5 => (0, message.split_off(..4).unwrap()),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, number, bytes));
    }
    fields
}

/// The operators of a file in their order, and the shapes of its tensors.
fn structure(file: &[u8]) -> (Vec<&str>, Vec<Vec<u64>>) {
    let (_, _, graph) = fields(file).into_iter().find(|field| field.0 == 7).unwrap();
    let parts = |number| fields(graph).into_iter().filter(move |field| field.0 == number);
    let operator = |(_, _, node)| fields(node).into_iter().find(|field| field.0 == 4).unwrap().2;
    let operators = parts(1).map(operator).map(|name| std::str::from_utf8(name).unwrap());
    let shape = |(_, _, tensor)| -> Vec<u64> {
        fields(tensor).into_iter().filter(|field| field.0 == 1).map(|field| field.1).collect()
    };
    (operators.collect(), parts(5).map(shape).collect())
}

#[test]
fn road_sign_is_the_bundled_network_with_other_weights() {
    let bundled = include_bytes!("../assets/road-sign/model.onnx");
    let (written, bundled) = (bytes(RoadSign), &bundled[..]);
    assert_eq!(structure(&written), structure(bundled));
    assert_ne!(written, bundled);
}
