use super::*;
use crate::Threads;
use crate::catalogue::Size;
use crate::frame_truth::{disturbed, frames};

const SMALL: PictureSize = PictureSize { width: 40, height: 48 };

fn finder() -> LaneFinder {
    LaneFinder { width: 40, height: 48, picture: SMALL, lanes: [None; LANES] }
}

/// Logits that show upright lanes, each at its column.
fn logits(lanes: &[(usize, usize)]) -> Vec<f32> {
    let area = 40 * 48;
    let mut logits = vec![0.0; 5 * area];
    logits[..area].fill(1.0);
    for &(lane, column) in lanes {
        for row in 10..48 {
            logits[lane * area + row * 40 + column] = 5.0;
        }
    }
    logits
}

#[test]
fn the_number_is_a_bit_for_each_lane() {
    let mut finder = finder();
    let picture = PictureSize { width: 1280, height: 720 };
    let mut number = |lanes: &[(usize, usize)]| {
        (finder.interpret(picture, &[], &logits(lanes)), finder.answer())
    };
    assert_eq!(number(&[]), (0, "no lanes".into()));
    assert_eq!(number(&[(4, 30)]), (8, "lane 4".into()));
    // The middle of lanes 2 and 3 is at 16.5 of 40 columns, and 20 is the car's.
    let words = "lanes 1, 2, 3; the car is 112 px right of the middle";
    assert_eq!(number(&[(1, 2), (2, 8), (3, 24)]), (7, words.into()));
    let words = "lanes 2, 3; the car is in the middle";
    assert_eq!(number(&[(2, 9), (3, 30)]), (6, words.into()));
}

/// Half the width of a lane in the training's masks, in pixels of the compact input.
const HALF_WIDTH: f64 = 4.0;

/// Distance of a point from the line between two others.
fn distance((x, y): (f64, f64), (from, to): ((f64, f64), (f64, f64))) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = ((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy).max(1e-9);
    let along = along.clamp(0.0, 1.0);
    (x - from.0 - along * dx).hypot(y - from.1 - along * dy)
}

/// Shared and united pixels of a lane in the mask and a lane through the points, which
/// are in pixels of the mask.
fn shared(mask: &[u8], width: usize, lane: u8, points: &[(f64, f64)]) -> (usize, usize) {
    let near = |place: usize| {
        let pixel = ((place % width) as f64 + 0.5, (place / width) as f64 + 0.5);
        points.windows(2).any(|pair| distance(pixel, (pair[0], pair[1])) <= HALF_WIDTH)
    };
    (0..mask.len()).fold((0, 0), |(both, either), place| {
        let (answered, there) = (mask[place] == lane, near(place));
        (both + usize::from(answered && there), either + usize::from(answered || there))
    })
}

#[test]
fn lanes_of_the_frames_are_found() {
    let networks = std::path::Path::new("");
    let setting = Setting { size: Size::Compact, networks, threads: &Threads::new(2) };
    let mut perception = perception(&setting).unwrap();
    let (width, height) = (400, 144);
    let mut shares = Vec::new();
    for frame in frames() {
        perception.take(NETWORK.prepare(&frame.picture, Size::Compact));
        perception.infer().unwrap();
        let label = perception.interpret().unwrap();
        let mask = lanes::mask(perception.output(), width * height);
        let size = frame.picture.size();
        let across = width as f64 / f64::from(size.width);
        let down = height as f64 / f64::from(size.height);
        for (lane, points) in (1..).zip(&frame.lanes) {
            let points: Vec<_> = points.iter().map(|(x, y)| (x * across, y * down)).collect();
            let (both, either) = shared(&mask, width, lane, &points);
            shares.extend((either > 0).then(|| both as f64 / either as f64));
        }
        // A car keeps its lane by these two.
        assert_eq!(label & 0b0110, 0b0110, "{}", frame.name);
        // By another order of sums the answer stays what it is.
        let disturbed = disturbed(perception.output());
        let again = perception.interpreter_mut().interpret(size, &[], &disturbed);
        assert_eq!(again, label, "{}", frame.name);
    }
    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
    assert!(mean >= 0.5, "{mean}");
}
