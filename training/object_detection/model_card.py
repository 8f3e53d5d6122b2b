"""Writes the model card, with the figures as measured."""

from drawing.frames import HEIGHT, WIDTH
from object_detection.decode import OVERLAP
from object_detection.precision import LEAST_CONFIDENCE, mean_precision
from object_detection.settings import (CROPPED, HELD_OUT_SCENES, SIZE, TRAINING_SCENES, WHOLE,
                                       WIDTH_MULTIPLE)

CARD = """\
# Model card: object detection

A YOLOv5-style detector that finds road users, traffic lights and traffic signs in
a frame from behind a windscreen. It is really trained, on scenes that a program
draws; it is meant as a realistic workload for measuring what isolation costs.

| | |
|---|---|
| File | `model.onnx` (ONNX opset 17, weights inside) |
| Input | `input`, float32 [1, 3, {size}, {size}] |
| Outputs | `p3` [1, 54, {p3}, {p3}], `p4` [1, 54, {p4}, {p4}], `p5` [1, 54, {p5}, {p5}], no sigmoid |
| Layers | YOLOv5 version 6: 6x6 stem, C3 blocks, SPPF, PAN neck, SiLU; depth 0.33, width {width:g} |
| Operators | Conv, Sigmoid, Mul, Add, MaxPool, Concat, Resize |
| Parameters | {parameters:,} |
| Held-out mAP@0.5 | {mean:.1f} % in {held_out} drawn scenes |

## Preprocessing

1. Decode to 8-bit RGB.
2. Scale to a width or height of {size} pixels, whichever is larger (Pillow's
   BILINEAR), and put it in the middle of a grey (114) square.
3. `value = pixel / 255`, laid out as NCHW.

## Decoding

Channel = anchor x 18 + (x, y, width, height, objectness, 13 classes), with s the
logistic function: centre = (2 s(t) - 0.5 + cell) x stride, size = (2 s(t))^2 x anchor,
confidence = s(objectness) x s(class). The anchors are YOLOv5's for 640 pixels,
halved. Boxes of one class that overlap by more than {overlap:g} (IoU) are one object.

## Data

All scenes are drawn by the program in `training/drawing`; there is no photograph
and no third-party image. The 13 classes are those of BDD100K, with its traffic
lights told apart by state; pictures of that data set were not used. A scene has a
straight or curved road of one to five lanes, road users from behind, from the
front and from the side, in front of one another, traffic lights, signs of 43
kinds, houses and trees, by day or night, in fog or not, with a camera's exposure,
blur and noise. A box counts if at least 35 % of the object is seen and it is
at least 2.5 pixels wide and 7 high at the size of the network's input.

## Training

{training:,} scenes drawn at {frame}, {cropped_epochs} epochs on the picture with a narrow rim, then
{whole_epochs} with the whole letterbox; half of the pictures are mirrored;
batches of {batch}, the loss of YOLOv5 (CIoU, objectness, classes), Adam with decoupled
weight decay 1e-4, warm-up and cosine decay, JAX on the CPU, fixed seeds. The one
command that repeats it is in `training/object_detection/README.md`.

## Accuracy

Measured with the file above in ONNX Runtime on {held_out} held-out scenes ({boxes:,} boxes;
drawn with a seed of their own, used for nothing else): mAP@0.5 = {mean:.1f} % (mean
over the classes of the area below the precision-recall curve, confidences from
{least:g}).

| Class | Boxes | AP@0.5 |
|---|---:|---:|
{classes}

## Limits

- It never saw a real photograph; how well it does on one was not measured.
- The held-out scenes come from the same program as the training scenes, so the
  figures above hold for such drawn scenes only.
- At {size} pixels, what is far away is too small to be found or named reliably.
- Not for driving, nor for any use where a wrong answer matters.

## Licence

Apache-2.0. Drawings, scenes, training program and weights are our own work.
"""


def model_card(parameters, figures, boxes):
    """The text of the card; `figures` as `precision.measure` gives them."""
    rows = [f"| {name} | {truths} | {100 * precision:.1f} % |"
            for name, (precision, truths) in figures.items()]
    return CARD.format(
        size=SIZE, p3=SIZE // 8, p4=SIZE // 16, p5=SIZE // 32, width=WIDTH_MULTIPLE,
        parameters=parameters, mean=100 * mean_precision(figures), held_out=HELD_OUT_SCENES,
        overlap=OVERLAP, training=TRAINING_SCENES, frame=f"{WIDTH}x{HEIGHT}",
        cropped_epochs=CROPPED.epochs, whole_epochs=WHOLE.epochs,
        batch=CROPPED.batch, boxes=boxes, least=LEAST_CONFIDENCE, classes="\n".join(rows))
