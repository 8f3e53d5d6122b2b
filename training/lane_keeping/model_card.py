"""Writes the model card, with the figures as measured."""

from drawing.frames import HEIGHT as FRAME_HEIGHT
from drawing.frames import WIDTH as FRAME_WIDTH
from lane_keeping.lines import LINE_WIDTH
from lane_keeping.settings import (DIVISOR, HEIGHT, HELD_OUT_SCENES, SCHEDULE, TRAINING_SCENES,
                                   WIDTH)

CARD = """\
# Model card: lane keeping

A network that marks the lines of the own lane and of its neighbours in a frame
from behind a windscreen, pixel by pixel. It is really trained, on scenes that a
program draws; it is meant as a realistic workload for measuring what isolation
costs.

| | |
|---|---|
| File | `model.onnx` (ONNX opset 17, weights inside) |
| Input | `input`, float32 [1, 3, {height}, {width}] |
| Output | `lanes`, float32 [1, 5, {height}, {width}], no softmax: background, lines 1 to 4 |
| Layers | VGG-16 with a {divisor}th of its channels, pools after stages 1 to 3, stage 5 dilated by 2; 3x3 dilated by 4, 1x1, 1x1; bilinear enlargement by 8 |
| Operators | Conv, Relu, MaxPool, Resize |
| Parameters | {parameters:,} |
| Held-out IoU | {iou:.1f} %, mean over the lines of {held_out} drawn scenes |

Lines 1 and 2 are the outer and the inner line to the left of the car, 3 and 4 the
inner and the outer line to the right, as in CULane.

## Preprocessing

1. Decode to 8-bit RGB.
2. Stretch to {width}x{height} (Pillow's BILINEAR).
3. `value = (pixel / 255 - 0.5) / 0.5`, laid out as NCHW.

## Data

All scenes are drawn by the program in `training/drawing`; there is no photograph
and no third-party image. A scene has a straight or curved road of one to five
lanes with solid, dashed or double, white or yellow, more or less faded lines,
traffic that hides some of them, crossings and patches on the road, houses and
trees, by day or night, in fog or not, with a camera's exposure, blur and noise.
A line is part of the truth up to 55 m ahead, also where traffic hides it or its
dashes leave it bare.

## Training

{training:,} scenes drawn at {frame}, {epochs} epochs, half of the pictures mirrored, batches of {batch},
cross-entropy per pixel (background weighted 0.4, lines drawn {line} pixels wide), Adam
with decoupled weight decay 1e-4, learning rate up to 2e-3 with warm-up and cosine
decay, JAX on the CPU, fixed seeds. The one command that repeats it is in
`training/lane_keeping/README.md`.

## Accuracy

Measured with the file above in ONNX Runtime on {held_out} held-out scenes (drawn with a
seed of their own, used for nothing else). Truth and answer (the largest of the
five values of a pixel) are compared as masks; the truth is drawn {line} pixels wide at
{width}x{height}, which is 33 at CULane's width of 1640 (CULane draws 30). A line that is
answered but not there, or there but not answered, counts as 0.

| Line | IoU |
|---|---:|
{lines}
| mean over all lines | {iou:.1f} % |

{found:.1f} % of the lines in the truth are met with an IoU above 0.5.

## Limits

- It never saw a real photograph; how well it does on one was not measured.
- The held-out scenes come from the same program as the training scenes, so the
  figures above hold for such drawn scenes only.
- It knows at most four lines, and no lane changes or junctions.
- Not for driving, nor for any use where a wrong answer matters.

## Licence

Apache-2.0. Drawings, scenes, training program and weights are our own work.
"""

NAMES = ("1 (left, outer)", "2 (left, inner)", "3 (right, inner)", "4 (right, outer)")


def model_card(parameters, figures):
    """The text of the card; `figures` is a `lines.Figures`."""
    rows = [f"| {name} | {100 * iou:.1f} % |" for name, iou in zip(NAMES, figures.per_line)]
    return CARD.format(
        height=HEIGHT, width=WIDTH, divisor=DIVISOR, parameters=parameters,
        iou=100 * figures.mean, held_out=HELD_OUT_SCENES, training=TRAINING_SCENES,
        frame=f"{FRAME_WIDTH}x{FRAME_HEIGHT}", epochs=SCHEDULE.epochs, batch=SCHEDULE.batch,
        line=LINE_WIDTH, lines="\n".join(rows), found=100 * figures.found)
