//! From the network's logits to lanes.

use super::curve::Curve;

/// Number of lanes that are told apart, from left to right: the outer and the inner one
/// to the left of the car, the inner and the outer one to its right.
pub(crate) const LANES: usize = 4;
/// Lanes and background.
const CHANNELS: usize = LANES + 1;
/// Rows that are looked at, at even distances over the height of the picture.
const ROWS: usize = 48;
/// Pixels of a lane that a row must have to count.
const LEAST_PIXELS: usize = 1;
/// Rows that a lane must be seen in.
const LEAST_ROWS: usize = 5;

/// What each pixel shows: 0 for the background, else the lane's number. `logits` are
/// five planes of `area` values; the first of equal values counts.
pub(super) fn mask(logits: &[f32], area: usize) -> Vec<u8> {
    let mut best = logits[..area].to_vec();
    let mut mask = vec![0; area];
    for (lane, plane) in (1..).zip(logits[area..CHANNELS * area].chunks_exact(area)) {
        for ((best, shown), &value) in best.iter_mut().zip(&mut mask).zip(plane) {
            if value > *best {
                (*best, *shown) = (value, lane);
            }
        }
    }
    mask
}

/// The lanes of a mask that is `width` pixels wide, each with a curve through the
/// middle of its pixels, in a picture of `picture` = (width, height) pixels; `None`
/// for a lane that is not seen in enough rows.
pub(super) fn lanes(mask: &[u8], width: usize, picture: (f64, f64)) -> [Option<Curve>; LANES] {
    let height = mask.len() / width;
    let (per_column, per_row) = (picture.0 / width as f64, picture.1 / height as f64);
    let mut points: [Vec<(f64, f64)>; LANES] = Default::default();
    for row in (0..ROWS).map(|place| (2 * place + 1) * height / (2 * ROWS)) {
        let shown = &mask[row * width..(row + 1) * width];
        let middles = middles(shown);
        for (points, middle) in points.iter_mut().zip(middles) {
            // A pixel's middle lies half a pixel from its edge.
            points.extend(middle.map(|x| ((x + 0.5) * per_column, (row as f64 + 0.5) * per_row)));
        }
    }
    points.map(
        |points| {
            if points.len() < LEAST_ROWS { None } else { Curve::through(&points, picture.1) }
        },
    )
}

/// Mean column of each lane's pixels in a row.
fn middles(row: &[u8]) -> [Option<f64>; LANES] {
    let mut sums = [(0usize, 0usize); LANES];
    for (column, &lane) in row.iter().enumerate() {
        if let Some((count, sum)) = usize::from(lane).checked_sub(1).and_then(|l| sums.get_mut(l)) {
            *count += 1;
            *sum += column;
        }
    }
    sums.map(|(count, sum)| (count >= LEAST_PIXELS).then(|| sum as f64 / count as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_logit_tells_what_a_pixel_shows() {
        // Background, lane 2, lane 4, and a tie that the background wins.
        let logits = [
            [1.0, 0.0, 0.0, 1.0],
            [0.0, 0.0, 0.0, 0.0],
            [0.0, 2.0, 0.0, 1.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 3.0, 0.0],
        ];
        assert_eq!(mask(&logits.concat(), 4), [0, 2, 4, 0]);
    }

    #[test]
    fn a_lane_is_a_curve_through_the_middle_of_its_pixels() {
        let (width, height) = (100, 96);
        let mut drawn = vec![0; width * height];
        for row in 30..height {
            for column in row / 2 - 1..=row / 2 + 1 {
                drawn[row * width + column] = 2;
            }
        }
        // Seen in too few rows to be a lane.
        drawn[50 * width + 90] = 3;
        let found = lanes(&drawn, width, (1000.0, 960.0));
        assert_eq!(found.map(|lane| lane.is_some()), [false, true, false, false]);
        let curve = found[1].unwrap();
        for row in [400.0, 700.0, 950.0] {
            assert!((curve.at(row) - row / 2.0).abs() < 5.0, "{row}: {}", curve.at(row));
        }
    }
}
