//! What is on the bundled frames, as the program that drew them says.

use std::collections::BTreeMap;

use isolde_model::Colour;
use serde_json::Value;

use crate::bundled::SCENES;
use crate::classifier::class_name;
use crate::object_detection::{CLASSES, Corners};
use crate::picture::{Pixels, decode};

/// One frame with its truth.
pub(crate) struct Frame {
    pub(crate) name: &'static str,
    pub(crate) picture: Pixels,
    /// Class and place of each object that is large enough to be found.
    pub(crate) boxes: Vec<(u32, Corners)>,
    /// Points of each lane, in pixels.
    pub(crate) lanes: [Vec<(f64, f64)>; 4],
    /// Classes of the light and the sign that are classified.
    pub(crate) light: u32,
    pub(crate) sign: u32,
}

/// Every bundled frame.
pub(crate) fn frames() -> Vec<Frame> {
    let text = include_str!("../assets/driving-scenario/frames.json");
    let truth: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    let mut files: Vec<_> = SCENES.files().collect();
    files.sort_by_key(|file| file.path());
    assert_eq!(truth.len(), files.len());
    let frame = |file: &include_dir::File<'static>| {
        let name = file.path().to_str().unwrap();
        let truth = &truth[name];
        let picture = decode(file.contents(), Colour::Rgb).unwrap();
        Frame {
            name,
            picture,
            boxes: truth["boxes"].as_array().unwrap().iter().map(object).collect(),
            lanes: [1, 2, 3, 4].map(|lane| points(&truth["lanes"][lane.to_string()])),
            light: light(truth["light"].as_str().unwrap()),
            sign: truth["sign"].as_u64().unwrap() as u32,
        }
    };
    files.into_iter().map(frame).collect()
}

/// A light that is yellow or off counts as none.
fn light(state: &str) -> u32 {
    match state {
        "green" => 1,
        "red" => 2,
        "yellow" | "off" => 0,
        _ => panic!("a light is {state}"),
    }
}

/// Name of the class, left, top, right, bottom.
fn object(value: &Value) -> (u32, Corners) {
    let number = |place: usize| value[place].as_f64().unwrap() as f32;
    let (left, top, right, bottom) = (number(1), number(2), number(3), number(4));
    let is = |class: &u32| class_name(CLASSES, *class) == value[0].as_str();
    ((0..13).find(is).unwrap(), Corners { left, top, right, bottom })
}

fn points(value: &Value) -> Vec<(f64, f64)> {
    let point = |value: &Value| (value[0].as_f64().unwrap(), value[1].as_f64().unwrap());
    value.as_array().into_iter().flatten().map(point).collect()
}

/// The values, each a little larger or smaller, by some twenty times what another engine's
/// order of sums makes them.
pub(crate) fn disturbed(values: &[f32]) -> Vec<f32> {
    let sign = |place: usize| if place.count_ones().is_multiple_of(2) { 1e-4 } else { -1e-4 };
    values.iter().enumerate().map(|(place, value)| value + sign(place)).collect()
}
