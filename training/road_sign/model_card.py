"""Writes the model card, with the figures as measured."""

import numpy as np

from drawing.signs import CLASS_COUNT, CLASS_NAMES
from learning.runtime import class_accuracy
from road_sign.settings import (BUNDLE_MARGIN, BUNDLE_PER_CLASS, HELD_OUT_PER_CLASS, SCHEDULE,
                                SHEET_PER_CLASS, TRAINING_PER_CLASS)

WEAKEST_SHOWN = 6

CARD = """\
# Model card: road signs

A small convolutional network that names the road sign in a 32x32 picture.
It is really trained, on pictures that a program draws; it is meant as a
realistic, cheap workload for measuring what isolation costs.

| | |
|---|---|
| File | `model.onnx` (ONNX opset 13, weights inside) |
| Input | `input`, float32 [1, 1, 32, 32] |
| Output | `logits`, float32 [1, {classes}], no softmax |
| Layers | conv 5x5 (6) - ReLU - max-pool - conv 5x5 (16) - ReLU - max-pool - fc 120 - ReLU - fc 84 - ReLU - fc {classes} |
| Operators | Conv, Relu, MaxPool, Flatten, Gemm |
| Parameters | {parameters:,} |
| Held-out accuracy | {accuracy:.2f} % of {held_out:,} drawn pictures |

## Preprocessing

1. Decode the PNG to 8-bit RGB, 32x32.
2. `grey = (0.299 R + 0.587 G + 0.114 B) / 255`, in float32.
3. `value = (grey - 0.5) / 0.5`, laid out as NCHW.

## Data

All pictures are drawn by the program in `training/road_sign`; there is no
photograph and no third-party image or font. The {classes} classes carry the
numbers and names of the German Traffic Sign Recognition Benchmark (GTSRB),
listed in `classes.csv`; pictures of that benchmark were not used. Each picture
shows one sign, 55 to 100 % as wide as the picture, on a random background,
with random shift, rotation up to 15 degrees, perspective, fading, exposure,
contrast, brightness, colour cast, shadow, blur and sensor noise; three in ten
have leaves or a twig in front.

## Training

{training:,} pictures ({training_per_class:,} per class), {epochs} epochs, batches of 128, cross-entropy,
Adam with decoupled weight decay 1e-4, learning rate up to 2e-3 with warm-up
and cosine decay, JAX on the CPU, fixed seeds. The one command that repeats it is
in `training/README.md`.

## Accuracy

{right:,} of {held_out:,} held-out pictures ({held_out_per_class} per class, drawn with a seed of their own,
used for nothing else) are named rightly: {accuracy:.2f} %. The weakest classes:

| Class | Name | Accuracy | Most often taken for |
|---:|---|---:|---|
{weakest}

The first {sheet_per_class} held-out pictures of each class, {sheet} in all, **not chosen**, are
kept in `crates/isolde-apps/tests/held_out/road-sign/`. A test demands at least
97 % of them.

## Bundled images

`images/` holds {bundled} pictures, {per_class} of each class, in shuffled order; `labels.csv`
gives their classes and `expected.json` the logits that ONNX Runtime computes
from the PNG files. They were drawn with yet another seed and **chosen**: only
pictures that the model names rightly, with the top logit at least {margin:g} above
the second, so that floating-point differences between processors cannot change
an answer. They are a functional check. Getting all of them right says nothing
about accuracy.

## Limits

- It never saw a real photograph; how well it does on one was not measured.
- The held-out pictures come from the same program as the training pictures, so
  the accuracy above holds for such drawn pictures only.
- It always answers with one of the {classes} classes, also when there is no sign.
- It expects one roughly centred sign that fills most of the picture.
- Not for driving, nor for any use where a wrong answer matters.

## Licence

Apache-2.0. Drawings, pictures, training program and weights are our own work.
"""


def weakest_rows(predicted, labels):
    """Table rows of the classes with the lowest accuracy."""
    accuracy = class_accuracy(predicted, labels, CLASS_COUNT)
    rows = []
    for label in np.argsort(accuracy, kind="stable")[:WEAKEST_SHOWN]:
        wrong = predicted[(labels == label) & (predicted != labels)]
        taken_for = CLASS_NAMES[np.bincount(wrong).argmax()] if len(wrong) else "-"
        rows.append(f"| {label} | {CLASS_NAMES[label]} | {100 * accuracy[label]:.1f} %"
                    f" | {taken_for} |")
    return "\n".join(rows)


def model_card(parameters, predicted, labels):
    """The text of the card."""
    right = int((predicted == labels).sum())
    return CARD.format(
        classes=CLASS_COUNT, parameters=parameters, accuracy=100 * right / len(labels),
        right=right, held_out=len(labels), held_out_per_class=HELD_OUT_PER_CLASS,
        training=CLASS_COUNT * TRAINING_PER_CLASS, training_per_class=TRAINING_PER_CLASS,
        epochs=SCHEDULE.epochs, weakest=weakest_rows(predicted, labels),
        bundled=CLASS_COUNT * BUNDLE_PER_CLASS, per_class=BUNDLE_PER_CLASS,
        margin=BUNDLE_MARGIN, sheet=CLASS_COUNT * SHEET_PER_CLASS,
        sheet_per_class=SHEET_PER_CLASS)
