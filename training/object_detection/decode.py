"""From the network's raw outputs to boxes, in numpy: what every user must do."""

import numpy as np

from drawing.scene import CLASSES
from object_detection.network import STRIDES
from object_detection.settings import SIZE

VALUES = 5 + len(CLASSES)  # per anchor: x, y, width, height, objectness, classes
# YOLOv5's anchors for 640 pixels, scaled to the size used here.
ANCHORS = {
    "p3": np.array([(10, 13), (16, 30), (33, 23)], np.float32) * (SIZE / 640),
    "p4": np.array([(30, 61), (62, 45), (59, 119)], np.float32) * (SIZE / 640),
    "p5": np.array([(116, 90), (156, 198), (373, 326)], np.float32) * (SIZE / 640),
}
OVERLAP = 0.45  # two boxes of a class that overlap more are one object
MOST = 300


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def decode_level(output, name):
    """One level [54, height, width] to corners [k, 4] in pixels and confidences [k, classes]."""
    anchors, stride = ANCHORS[name], STRIDES[name]
    _, height, width = output.shape
    values = sigmoid(output.reshape(len(anchors), VALUES, height, width).transpose(0, 2, 3, 1))
    y, x = np.mgrid[0:height, 0:width]
    centre = (2 * values[..., :2] - 0.5 + np.stack([x, y], axis=-1)) * stride
    size = np.square(2 * values[..., 2:4]) * anchors[:, None, None]
    corners = np.concatenate([centre - size / 2, centre + size / 2], axis=-1)
    confidence = values[..., 4:5] * values[..., 5:]
    return corners.reshape(-1, 4), confidence.reshape(-1, len(CLASSES))


def overlaps(box, others):
    """IoU of one box with many."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    both = np.clip(high - low, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return both / (areas + (box[2:] - box[:2]).prod() - both + 1e-9)


def distinct(corners, scores):
    """Indices of boxes, best first, that overlap no better one by more than `OVERLAP`."""
    order, kept = list(np.argsort(-scores, kind="stable")[:MOST]), []
    while order:
        best = order.pop(0)
        kept.append(best)
        rest = np.array(order, int)
        order = list(rest[overlaps(corners[best], corners[rest]) <= OVERLAP])
    return kept


def detections(outputs, least):
    """(class, score, corners) of all objects in one picture, best first.

    `outputs` maps p3, p4 and p5 to [54, height, width]; answers below the
    confidence `least` are dropped.
    """
    corners, confidence = map(np.concatenate,
                              zip(*(decode_level(outputs[name], name) for name in STRIDES)))
    found = []
    for label in range(len(CLASSES)):
        likely = confidence[:, label] >= least
        some, scores = corners[likely], confidence[likely, label]
        found += [(label, float(scores[i]), some[i]) for i in distinct(some, scores)]
    return sorted(found, key=lambda item: -item[1])
