//! One box for each object.

use super::decode::{Corners, Detection};

/// Boxes of a class that share more than this part of their union are of one object:
/// `iou_thres` of YOLOv5's `detect.py`.
const MOST_OVERLAP: f32 = 0.45;
/// Most objects in a picture: `max_det` of the same.
const MOST_OBJECTS: usize = 300;

/// The boxes without those that a more confident box of the same class overlaps too
/// much (greedy non-maximum suppression), most confident first; equals stay in their
/// order.
pub(super) fn suppress(mut candidates: Vec<Detection>) -> Vec<Detection> {
    candidates.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let mut kept: Vec<Detection> = Vec::new();
    for candidate in candidates {
        let is_known = kept.iter().any(|known| {
            known.class == candidate.class
                && overlap(known.corners, candidate.corners) > MOST_OVERLAP
        });
        if !is_known {
            kept.push(candidate);
        }
        if kept.len() == MOST_OBJECTS {
            break;
        }
    }
    kept
}

/// Intersection over union; 0 for boxes without an area.
pub(super) fn overlap(a: Corners, b: Corners) -> f32 {
    let width = (a.right.min(b.right) - a.left.max(b.left)).max(0.0);
    let height = (a.bottom.min(b.bottom) - a.top.max(b.top)).max(0.0);
    let area = |of: Corners| (of.right - of.left) * (of.bottom - of.top);
    let union = area(a) + area(b) - width * height;
    if union > 0.0 { width * height / union } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(class: u32, confidence: f32, left: f32) -> Detection {
        let corners = Corners { left, top: 0.0, right: left + 10.0, bottom: 10.0 };
        Detection { class, confidence, corners }
    }

    #[test]
    fn overlap_is_the_shared_part_of_the_union() {
        let of = |left| overlap(square(0, 1.0, 0.0).corners, square(0, 1.0, left).corners);
        assert_eq!([of(0.0), of(5.0), of(10.0), of(20.0)], [1.0, 1.0 / 3.0, 0.0, 0.0]);
        let point = Corners { left: 1.0, top: 1.0, right: 1.0, bottom: 1.0 };
        assert_eq!(overlap(point, point), 0.0);
    }

    #[test]
    fn the_most_confident_box_of_a_class_stays() {
        let (weak, strong) = (square(1, 0.5, 0.0), square(1, 0.9, 1.0));
        let (other_class, apart) = (square(2, 0.6, 0.0), square(1, 0.3, 30.0));
        let kept = suppress(vec![weak, strong, other_class, apart]);
        assert_eq!(kept, [strong, other_class, apart]);
    }

    #[test]
    fn equals_stay_in_their_order_and_there_are_not_too_many() {
        let (first, second) = (square(1, 0.5, 0.0), square(1, 0.5, 1.0));
        assert_eq!(suppress(vec![first, second]), [first]);
        let many: Vec<_> = (0..1000).map(|place| square(0, 0.5, place as f32 * 20.0)).collect();
        assert_eq!(suppress(many.clone()), many[..MOST_OBJECTS]);
    }
}
