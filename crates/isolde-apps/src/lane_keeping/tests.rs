use super::*;

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
