use super::*;
use crate::frame_truth::{disturbed, frames};
use crate::{Threads, answer};

fn compact() -> Box<dyn Application> {
    let (size, networks) = (Size::Compact, std::path::Path::new(""));
    load(&Setting { size, networks, threads: &Threads::new(1) }).unwrap()
}

const FULL_HD: PictureSize = PictureSize { width: 1920, height: 1080 };

#[test]
fn what_is_cut_out_has_a_margin_and_stays_within_the_picture() {
    let of = |left, top, right, bottom| around(Corners { left, top, right, bottom }, FULL_HD);
    let inside = Region { left: 96, top: 196, width: 28, height: 48 };
    assert_eq!(of(100.0, 200.0, 120.0, 240.0), inside);
    let corner = Region { left: 0, top: 0, width: 110, height: 70 };
    assert_eq!(of(0.0, 0.0, 100.0, 60.0), corner);
    // A box without an area at the far corner is one pixel.
    let point = Region { left: 1919, top: 1079, width: 1, height: 1 };
    assert_eq!(of(1920.0, 1080.0, 1920.0, 1080.0), point);
    let frame = Pixels { width: 5, height: 1, channels: 1, bytes: vec![0; 5] };
    assert_eq!(fixed_part(&frame), Region { left: 2, top: 0, width: 1, height: 1 });
}

#[test]
fn the_number_holds_the_answers_of_all_tasks() {
    let mut scenario = compact();
    let label = answer(&mut *scenario, 0).unwrap();
    let (light, sign) = (label % 4, label / 4 % 64);
    let (lanes, boxes) = (label / LANES_PLACE % 16, label / BOXES_PLACE);
    assert!(light < 3 && sign < 43 && boxes <= MOST_BOXES);
    let alone = |name: &str| {
        let description = crate::find(name).unwrap();
        (description.expected_labels()[0], description.input_names()[0])
    };
    assert_eq!(alone("object-detection"), (boxes, BUNDLED.labels().next().unwrap().0));
    assert_eq!(alone("lane-keeping").0, lanes);
    for words in ["; light: ", "; sign: ", "lane"] {
        assert!(scenario.answer().contains(words), "{}", scenario.answer());
    }
}

#[test]
fn tasks_in_the_wrong_order_are_told() {
    let mut scenario = compact();
    for task in DETECTION..=LANES {
        assert!(matches!(scenario.prepare(0, task), Err(AppError::OutOfOrder { .. })));
        assert!(matches!(scenario.infer(task), Err(AppError::OutOfOrder { .. })));
        assert!(matches!(scenario.interpret(task), Err(AppError::OutOfOrder { .. })));
    }
    assert!(matches!(scenario.prepare(10_000, FRAME), Err(AppError::NoSuchInput { .. })));
}

#[test]
fn the_light_and_the_sign_of_every_frame_are_named_rightly() {
    let mut scenario = compact();
    for (input, frame) in (0..).zip(frames()) {
        let label = answer(&mut *scenario, input).unwrap();
        let (light, sign) = (label % LIGHT_CLASSES, label % LANES_PLACE / LIGHT_CLASSES);
        assert_eq!((light, sign), (frame.light, frame.sign), "{}", frame.name);
    }
}

#[test]
fn what_is_cut_out_does_not_hang_on_a_rounding() {
    let (size, networks) = (Size::Compact, std::path::Path::new(""));
    let threads = Threads::new(1);
    let setting = Setting { size, networks, threads: &threads };
    let mut perception = object_detection::perception(&setting).unwrap();
    for frame in frames() {
        let picture = frame.picture.size();
        perception.take(object_detection::NETWORK.prepare(&frame.picture, size));
        perception.infer().unwrap();
        let boxes = perception.interpret().unwrap();
        let regions =
            |detector: &Detector| [LIGHTS, SIGNS].map(|classes| best(detector, &classes, picture));
        let cut_out = regions(perception.interpreter());
        assert!(cut_out.iter().all(Option::is_some), "{}: {cut_out:?}", frame.name);
        let mut other = object_detection::perception(&setting).unwrap();
        let disturbed = disturbed(perception.output());
        let label = other.interpreter_mut().interpret(picture, &[], &disturbed);
        assert_eq!(label, boxes, "{}", frame.name);
        assert_eq!(regions(other.interpreter()), cut_out, "{}", frame.name);
    }
}
