//! The accuracy that the model cards claim, on pictures that were drawn with a seed of
//! their own and not chosen: a sheet of equal cells in reading order, and the class of
//! each cell.

use std::path::Path;

use isolde_model::Colour;

use crate::catalogue::{Setting, Size};
use crate::classifier::Classifier;
use crate::perception::Perception;
use crate::picture::{Pixels, Prepared, Region, decode};
use crate::{AppError, Threads, image_classification, road_sign, traffic_light};

/// Part of the cells that the network names rightly, which must be what the model card
/// claims, give or take what so few pictures tell.
fn accuracy(
    name: &str,
    side: usize,
    perception: fn(&Setting<'_>) -> Result<Perception<Classifier>, AppError>,
    prepare: fn(&Pixels) -> Prepared,
) -> f64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/held_out").join(name);
    let sheet = std::fs::read(folder.join("sheet.png")).unwrap();
    let sheet = decode(&sheet, Colour::Rgb).unwrap();
    let labels = std::fs::read_to_string(folder.join("labels.csv")).unwrap();
    let threads = Threads::new(2);
    let setting = Setting { size: Size::Compact, networks: Path::new(""), threads: &threads };
    let mut perception = perception(&setting).unwrap();
    let (mut right, mut all) = (0, 0);
    for line in labels.lines().skip(1) {
        let (cell, label) = line.split_once(',').unwrap();
        let (cell, label): (usize, u32) = (cell.parse().unwrap(), label.parse().unwrap());
        let columns = sheet.width / side;
        let (left, top) = (cell % columns * side, cell / columns * side);
        let region = Region { left, top, width: side, height: side };
        perception.take(prepare(&sheet.cropped(region)));
        perception.infer().unwrap();
        right += u32::from(perception.interpret().unwrap() == label);
        all += 1;
    }
    assert!(all >= 150, "{name}: only {all} pictures");
    let accuracy = f64::from(right) / f64::from(all);
    let claimed = claimed(name);
    // Three standard errors of a share that so many pictures tell.
    let error = 3.0 * (claimed * (1.0 - claimed) / f64::from(all)).sqrt();
    assert!(accuracy >= claimed - error, "{name}: {accuracy}, and {claimed} is claimed");
    accuracy
}

/// The accuracy that the application's model card states.
fn claimed(name: &str) -> f64 {
    let card = crate::find(name).unwrap().card.unwrap();
    let line = card.lines().find(|line| line.starts_with("| Held-out accuracy |")).unwrap();
    let percent = line.split(['|', '%']).nth(2).unwrap();
    percent.trim().parse::<f64>().unwrap() / 100.0
}

#[test]
fn road_signs_are_named_as_well_as_the_model_card_says() {
    let prepare = road_sign::prepare_sign;
    let accuracy = accuracy("road-sign", 32, road_sign::perception, prepare);
    assert!(accuracy >= 0.97, "{accuracy}");
}

#[test]
fn traffic_lights_are_told_as_well_as_the_model_card_says() {
    let prepare = |cell: &Pixels| traffic_light::NETWORK.prepare(cell, Size::Compact);
    let accuracy = accuracy("traffic-light", 96, traffic_light::perception, prepare);
    assert!(accuracy >= 0.97, "{accuracy}");
}

#[test]
fn pictures_are_named_as_well_as_the_model_card_says() {
    let prepare = |cell: &Pixels| image_classification::NETWORK.prepare(cell, Size::Compact);
    let perception = image_classification::perception;
    accuracy("image-classification", 96, perception, prepare);
}
