"""Average precision, the usual measure of a detector."""

import numpy as np

from drawing.scene import CLASSES
from object_detection.decode import detections, overlaps

LEAST_CONFIDENCE = 0.01  # lower answers hardly change the area below the curve
LEAST_OVERLAP = 0.5


def judged(found, table):
    """(class, score, right) per detection of one picture; each truth is found once."""
    left = {label: table[table[:, 0] == label, 1:] for label in range(len(CLASSES))}
    answers = []
    for label, score, corners in found:
        truths, right = left[label], False
        if len(truths):
            shares = overlaps(corners, truths)
            right = bool(shares.max() >= LEAST_OVERLAP)
            if right:
                left[label] = np.delete(truths, shares.argmax(), axis=0)
        answers.append((label, score, right))
    return answers


def average_precision(scores, right, truths):
    """Area below the precision-recall curve, precision made monotonous (Pascal VOC 2010)."""
    right = np.array(right, bool)[np.argsort(-np.array(scores), kind="stable")]
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(hits) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(precision[right].sum() / truths)


def measure(model, inputs, tables):
    """{class: (average precision, number of truths)} over pictures.

    `inputs` is float32 [n, 3, SIZE, SIZE], `tables` [n, boxes, 5] in the same pixels.
    """
    answers = []
    for picture, table in zip(inputs, tables):
        outputs = {name: values[0] for name, values in model.run(picture[None]).items()}
        answers += judged(detections(outputs, LEAST_CONFIDENCE), table)
    figures = {}
    for label, name in enumerate(CLASSES):
        truths = int((tables[..., 0] == label).sum())
        mine = [(score, right) for which, score, right in answers if which == label]
        scores, right = zip(*mine) if mine else ((), ())
        figures[name] = (average_precision(scores, right, truths) if mine else 0.0, truths)
    return figures


def mean_precision(figures):
    """Mean over all classes."""
    return float(np.mean([precision for precision, _ in figures.values()]))
