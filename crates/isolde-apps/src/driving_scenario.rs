//! The driving scenario: what a car does with every frame of its camera. The frame is
//! decoded once; then objects are found in it, the most confident traffic light and
//! sign are cut out and classified, and the lanes are found.
//!
//! Where no light or no sign is found, a fixed part of the frame is classified, so
//! that every frame costs the same.

use isolde_model::{Colour, PictureSize};

use crate::application::NetworkInput;
use crate::bundled::{Bundled, SCENES};
use crate::catalogue::{Setting, Size};
use crate::classifier::Classifier;
use crate::lane_keeping::LaneFinder;
use crate::object_detection::{Corners, Detector, LIGHTS, SIGNS};
use crate::perception::{Interpreter, Perception};
use crate::picture::{Pixels, Region, decode};
use crate::vision::picture;
use crate::{
    AppError, Application, Description, lane_keeping, object_detection, road_sign, traffic_light,
};

const BUNDLED: Bundled =
    Bundled { images: &SCENES, labels: include_str!("../assets/driving-scenario/labels.csv") };

const TASKS: &[&str] = &["frame", "detection", "light", "sign", "lanes"];
const FRAME: usize = 0;
const DETECTION: usize = 1;
const LIGHT: usize = 2;
const SIGN: usize = 3;
const LANES: usize = 4;

pub(crate) const DESCRIPTION: Description = Description {
    name: "driving-scenario",
    summary: "objects, traffic light, road sign and lanes of a camera's frame, in turn",
    network: "the four of object-detection, traffic-light, road-sign and lane-keeping",
    answer: "the light's class + 4 × the sign's class + 256 × lanes + 4096 × boxes (at most 255)",
    sides: [(1280, 720); 2],
    own: None,
    card: None,
    inputs: || BUNDLED.count(),
    bundled: BUNDLED,
    expected_outputs: include_str!("../assets/driving-scenario/expected.json"),
    networks: &["object-detection", "traffic-light", "road-sign", "lane-keeping"],
    pace: [30, 3],
    tasks: TASKS,
    load,
    // The largest of its parts'.
    output_tolerance: 2e-2,
};

/// Classes of lights, and one to spare.
const LIGHT_CLASSES: u32 = 4;
/// Place of the lanes in the answer's number: above 3 + 4 × 42.
const LANES_PLACE: u32 = 256;
/// Place of the number of boxes: above 16 sets of lanes.
const BOXES_PLACE: u32 = 4096;
const MOST_BOXES: u32 = 255;
/// What is cut out around a box on every side, as a part of its longer side: signs and
/// lights have some of their surroundings in the training of their networks, too.
const MARGIN: f32 = 0.1;

fn load(setting: &Setting<'_>) -> Result<Box<dyn Application>, AppError> {
    Ok(Box::new(DrivingScenario {
        size: setting.size,
        pictures: BUNDLED.pictures(),
        frame: None,
        detection: object_detection::perception(setting)?,
        light: traffic_light::perception(setting)?,
        sign: road_sign::perception(setting)?,
        lanes: lane_keeping::perception(setting)?,
        answers: [0; TASKS.len()],
        flat: Vec::new(),
    }))
}

struct DrivingScenario {
    size: Size,
    /// Name and encoded bytes of each.
    pictures: Vec<(String, &'static [u8])>,
    /// In red, green and blue.
    frame: Option<Pixels>,
    detection: Perception<Detector>,
    light: Perception<Classifier>,
    sign: Perception<Classifier>,
    lanes: Perception<LaneFinder>,
    /// What each task adds to the answer's number.
    answers: [u32; TASKS.len()],
    /// The outputs of all four.
    flat: Vec<f32>,
}

impl DrivingScenario {
    fn decode_frame(&self, input: u32) -> Result<Pixels, AppError> {
        let (name, bytes) = picture(&self.pictures, input)?;
        decode(bytes, Colour::Rgb)
            .map_err(|error| AppError::Picture { name: name.clone(), source: error.into() })
    }

    /// The part of the frame with the most confident object of these classes.
    fn cut_out(&self, frame: &Pixels, classes: &std::ops::RangeInclusive<u32>) -> Pixels {
        let best = best(self.detection.interpreter(), classes, frame.size());
        frame.cropped(best.unwrap_or_else(|| fixed_part(frame)))
    }
}

impl Application for DrivingScenario {
    fn tasks(&self) -> &'static [&'static str] {
        TASKS
    }

    fn prepare(&mut self, input: u32, task: usize) -> Result<(), AppError> {
        if task == FRAME {
            self.frame = Some(self.decode_frame(input)?);
            return Ok(());
        }
        let frame = self.frame.as_ref().ok_or(AppError::OutOfOrder { phase: TASKS[task] })?;
        match task {
            DETECTION => self.detection.take(object_detection::NETWORK.prepare(frame, self.size)),
            LIGHT => {
                let cut_out = self.cut_out(frame, &LIGHTS);
                self.light.take(traffic_light::NETWORK.prepare(&cut_out, self.size));
            }
            SIGN => {
                let cut_out = self.cut_out(frame, &SIGNS);
                self.sign.take(road_sign::prepare_sign(&cut_out));
            }
            _ => self.lanes.take(lane_keeping::NETWORK.prepare(frame, self.size)),
        }
        Ok(())
    }

    fn infer(&mut self, task: usize) -> Result<(), AppError> {
        match task {
            FRAME => Ok(()),
            DETECTION => self.detection.infer(),
            LIGHT => self.light.infer(),
            SIGN => self.sign.infer(),
            _ => self.lanes.infer(),
        }
    }

    fn interpret(&mut self, task: usize) -> Result<u32, AppError> {
        self.answers[task] = match task {
            FRAME => 0,
            DETECTION => BOXES_PLACE * self.detection.interpret()?.min(MOST_BOXES),
            LIGHT => self.light.interpret()?,
            SIGN => LIGHT_CLASSES * self.sign.interpret()?,
            _ => LANES_PLACE * self.lanes.interpret()?,
        };
        if task == LANES {
            self.flat.clear();
            let outputs = [self.detection.output(), self.light.output(), self.sign.output()];
            for output in outputs.into_iter().chain([self.lanes.output()]) {
                self.flat.extend_from_slice(output);
            }
        }
        Ok(self.answers.iter().sum())
    }

    fn output(&self) -> &[f32] {
        &self.flat
    }

    fn answer(&self) -> String {
        format!(
            "{}; light: {}; sign: {}; {}",
            self.detection.interpreter().answer(),
            self.light.interpreter().answer(),
            self.sign.interpreter().answer(),
            self.lanes.interpreter().answer()
        )
    }

    fn network_input(&self, task: usize) -> Option<NetworkInput> {
        match task {
            FRAME => None,
            DETECTION => self.detection.network_input(),
            LIGHT => self.light.network_input(),
            SIGN => self.sign.network_input(),
            _ => self.lanes.network_input(),
        }
    }
}

/// The part of the picture with the most confident object of these classes.
fn best(
    detector: &Detector,
    classes: &std::ops::RangeInclusive<u32>,
    picture: PictureSize,
) -> Option<Region> {
    let best = detector.found().iter().find(|detection| classes.contains(&detection.class));
    best.map(|detection| around(detection.corners, picture))
}

/// A box with a margin, in whole pixels within the picture.
fn around(corners: Corners, picture: PictureSize) -> Region {
    let Corners { left, top, right, bottom } = corners;
    let margin = MARGIN * (right - left).max(bottom - top);
    let line = |from: f32, to: f32, length: u32| {
        let length = length as usize;
        // Saturating, as conversions from floating point are.
        let first = ((from - margin).round() as usize).min(length - 1);
        let end = ((to + margin).round() as usize).clamp(first + 1, length);
        (first, end - first)
    };
    let (left, width) = line(left, right, picture.width);
    let (top, height) = line(top, bottom, picture.height);
    Region { left, top, width, height }
}

/// The square in the middle of the frame, slightly above its centre, where lights and
/// signs are; its side is a quarter of the frame's height.
fn fixed_part(frame: &Pixels) -> Region {
    let side = (frame.height / 4).min(frame.width).max(1);
    Region { left: (frame.width - side) / 2, top: frame.height / 4, width: side, height: side }
}

#[cfg(test)]
mod tests;
