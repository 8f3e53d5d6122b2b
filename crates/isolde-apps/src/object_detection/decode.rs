//! From the detector's raw outputs to boxes, as YOLOv5 (v6) decodes them:
//! `Detect.forward` of <https://github.com/ultralytics/yolov5/blob/v6.0/models/yolo.py>.

/// Number of classes.
pub(super) const CLASSES: usize = 13;
/// Values of an anchor in each cell: x, y, width, height, objectness, classes.
const VALUES: usize = 5 + CLASSES;
/// Pixels of the network's input per cell of each output.
const STRIDES: [usize; 3] = [8, 16, 32];
/// Width and height of each output's anchors in pixels of an input with sides of
/// [`ANCHOR_SIDE`]: `anchors` of YOLOv5's `models/yolov5s.yaml`.
const ANCHORS: [[(f32, f32); 3]; 3] = [
    [(10.0, 13.0), (16.0, 30.0), (33.0, 23.0)],
    [(30.0, 61.0), (62.0, 45.0), (59.0, 119.0)],
    [(116.0, 90.0), (156.0, 198.0), (373.0, 326.0)],
];
const ANCHOR_SIDE: f32 = 640.0;
/// Least confidence of a box, and least objectness: `conf_thres` of YOLOv5's
/// `detect.py`.
pub(super) const THRESHOLD: f32 = 0.25;

/// A rectangle by its corners.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Corners {
    pub(crate) left: f32,
    pub(crate) top: f32,
    pub(crate) right: f32,
    pub(crate) bottom: f32,
}

/// One object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Detection {
    /// Its place in `classes.csv`.
    pub(crate) class: u32,
    /// Objectness times the class's probability.
    pub(crate) confidence: f32,
    /// Where it is, in pixels.
    pub(crate) corners: Corners,
}

/// Shapes of the outputs for an input with sides of `side` pixels.
pub(super) fn shapes(side: usize) -> Vec<Vec<usize>> {
    let channels = ANCHORS[0].len() * VALUES;
    STRIDES.iter().map(|stride| vec![1, channels, side / stride, side / stride]).collect()
}

/// The boxes with enough confidence, in pixels of the network's input, in the order
/// in which they lie in `flat`, the outputs one after the other. A box has the one
/// class that is most probable.
pub(super) fn decode(flat: &[f32], side: usize, threshold: f32) -> Vec<Detection> {
    let mut found = Vec::new();
    let mut rest = flat;
    for (stride, anchors) in STRIDES.into_iter().zip(ANCHORS) {
        let cells = side / stride;
        for (width, height) in anchors {
            let (values, others) = rest.split_at(VALUES * cells * cells);
            rest = others;
            let scale = side as f32 / ANCHOR_SIDE;
            let anchor = Anchor { values, cells, stride, size: (width * scale, height * scale) };
            found.extend((0..cells * cells).filter_map(|cell| anchor.at(cell, threshold)));
        }
    }
    found
}

/// One anchor's part of an output.
struct Anchor<'a> {
    /// Channels, rows, columns.
    values: &'a [f32],
    cells: usize,
    stride: usize,
    size: (f32, f32),
}

impl Anchor<'_> {
    /// The box of a cell.
    fn at(&self, cell: usize, threshold: f32) -> Option<Detection> {
        let area = self.cells * self.cells;
        let value = |channel: usize| sigmoid(self.values[channel * area + cell]);
        let objectness = value(4);
        if objectness <= threshold {
            return None;
        }
        let logit = |class: usize| self.values[(5 + class) * area + cell];
        // The first of equals.
        let best = (1..CLASSES).fold(
            0,
            |best, class| {
                if logit(class) > logit(best) { class } else { best }
            },
        );
        let confidence = objectness * value(5 + best);
        let centre = |channel: usize, place: usize| {
            (2.0 * value(channel) - 0.5 + place as f32) * self.stride as f32
        };
        let length = |channel: usize, anchor: f32| (2.0 * value(channel)).powi(2) * anchor;
        let (x, y) = (centre(0, cell % self.cells), centre(1, cell / self.cells));
        let (width, height) = (length(2, self.size.0), length(3, self.size.1));
        (confidence > threshold).then(|| Detection {
            class: u32::try_from(best).unwrap_or(u32::MAX),
            confidence,
            corners: Corners {
                left: x - width / 2.0,
                top: y - height / 2.0,
                right: x + width / 2.0,
                bottom: y + height / 2.0,
            },
        })
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;

    /// Outputs in which nothing is found.
    fn nothing() -> Vec<f32> {
        vec![-10.0; shapes(SIDE).iter().map(|shape| shape.iter().product::<usize>()).sum()]
    }

    #[test]
    fn a_box_is_where_its_cell_and_anchor_say() {
        let mut flat = nothing();
        assert!(decode(&flat, SIDE, THRESHOLD).is_empty());
        // Second output, third anchor, row 1, column 2 of 4 × 4 cells.
        let first = 54 * 8 * 8 + 2 * VALUES * 16;
        let mut set = |channel: usize, value: f32| flat[first + channel * 16 + 4 + 2] = value;
        for (channel, value) in [(0, 0.0), (1, 0.0), (2, 0.0), (3, 0.0), (4, 9.0), (5 + 12, 9.0)] {
            set(channel, value);
        }
        let found = decode(&flat, SIDE, THRESHOLD);
        let [only] = found[..] else { panic!("{found:?}") };
        assert_eq!(only.class, 12);
        assert!((only.confidence - 0.9998).abs() < 1e-4);
        // The centre of the cell, and the anchor (59, 119) × 64 / 640.
        let Corners { left, top, right, bottom } = only.corners;
        assert_eq!(((left + right) / 2.0, (top + bottom) / 2.0), (40.0, 24.0));
        assert!((right - left - 5.9).abs() < 1e-5 && (bottom - top - 11.9).abs() < 1e-5);
    }

    #[test]
    fn objectness_and_class_must_both_be_likely() {
        for (objectness, class, count) in
            [(0.0, 9.0, 1), (-1.2, 9.0, 0), (9.0, -1.2, 0), (0.0, -0.1, 0), (0.0, 0.1, 1)]
        {
            let mut flat = nothing();
            flat[4 * 64] = objectness;
            flat[5 * 64] = class;
            let found = decode(&flat, SIDE, THRESHOLD);
            assert_eq!(found.len(), count, "{objectness} {class}");
        }
    }
}
