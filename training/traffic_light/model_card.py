"""The text of the model card."""

CARD = """\
# Model card: traffic light

A convolutional network that tells whether a picture shows a green or a red
traffic light. It is really trained, on pictures that a program draws; it is meant
as a realistic workload for measuring what isolation costs.

| | |
|---|---|
| File | `model.onnx` (ONNX opset 17, weights inside) |
| Input | `input`, float32 [1, 3, {size}, {size}], RGB |
| Output | `logits`, float32 [1, {classes}]: none, green, red; no softmax |
| Layers | Inception-v3 without the auxiliary head, {width} of its channels |
| Operators | Conv, Relu, MaxPool, AveragePool, Concat, GlobalAveragePool, Flatten, Gemm |
| Parameters | {parameters:,} |
| Held-out accuracy | {accuracy:.2f} % of {held_out:,} drawn pictures |

## Preprocessing

1. Decode to 8-bit RGB.
2. Stretch to {size}x{size} with Pillow's bilinear filter (antialiased).
3. `value = (pixel / 255 - 0.5) / 0.5`, in float32, laid out as NCHW.

## Data

All pictures are drawn by the program in `training/traffic_light`; there is no
photograph and no third-party image or font. "green" and "red" show one light with
that lamp lit. "none" is half of the time a picture without a light (often with a
road sign, rear lamps or coloured windows instead), a quarter a light that is off
and a quarter one that is yellow. Lights have three lamps, sometimes with arrows,
or two with figures for pedestrians; they stand 45 to 98 % as high as the picture,
which is 22 to 170 pixels high and from a narrow box around the light to a wide
view. Random background, place, tilt, leaves in front, day or night with halos,
exposure, contrast, colour cast, blur and sensor noise.

## Training

{training:,} pictures ({training_per_class:,} per class), {epochs} epochs, batches of {batch}, each picture
mirrored half of the time, cross-entropy, Adam with decoupled weight decay 1e-4,
learning rate up to {rate} with warm-up and cosine decay, JAX on the CPU, fixed
seeds. Batch normalisation is folded into the convolutions. The one command that
repeats it is in `training/README.md`.

## Accuracy

{right:,} of {held_out:,} held-out pictures ({held_out_per_class} per class, drawn with a seed of their own,
used for nothing else) are named rightly by ONNX Runtime: {accuracy:.2f} %.

| Class | Name | Accuracy | Most often taken for |
|---:|---|---:|---|
{rows}

The first {sheet_per_class} held-out pictures of each class, {sheet} in all, **not chosen**, are
kept in `crates/isolde-apps/tests/held_out/traffic-light/` at the network's size. A
test demands at least {lowest:g} % of them.

## Shipped pictures

`images/` holds {bundled} pictures in shuffled order; `labels.csv` gives their classes.
They were drawn with yet another seed and **chosen**: only pictures that the model
names rightly, with the top logit at least {margin:g} above the second, so that
floating-point differences between processors cannot change an answer. They are
a functional check. Getting all of them right says nothing about accuracy.

## Limits

- It never saw a real photograph; how well it does on one was not measured.
- The held-out pictures come from the same program as the training pictures, so
  the accuracy above holds for such drawn pictures only.
- It always answers for the whole picture; it expects one light at most.
- Not for driving, nor for any use where a wrong answer matters.

## Licence

Apache-2.0. Drawings, pictures, training program and weights are our own work.
"""
