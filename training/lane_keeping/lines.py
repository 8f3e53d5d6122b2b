"""From scenes to what the network sees and should answer, and how an answer is judged."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from lane_keeping.settings import HEIGHT, LANES, WIDTH

# Pixels across a drawn line at 400x144: SCNN trains with 16 at 800x288, and CULane
# judges with 30 at 1640x590, which is 7.3 here.
LINE_WIDTH = 8


def stretched(pixels):
    """A frame of any size, uint8 RGB, at the size of the network's input."""
    image = Image.fromarray(pixels).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(image)


def normalised(pictures):
    """uint8 [n, height, width, 3] to float32 values from -1 to 1."""
    return (pictures.astype(np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)


def mask(lanes, width, height):
    """Lines of a frame of `width` by `height` as uint8 [HEIGHT, WIDTH]: 0 or the line's number."""
    image = Image.new("L", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(image)
    for number, points in lanes.items():
        scaled = [(x * WIDTH / width, y * HEIGHT / height) for x, y in points]
        draw.line(scaled, fill=int(number), width=LINE_WIDTH, joint="curve")
    return np.asarray(image)


def sample(scene):
    """(picture, mask) of a scene."""
    height, width = scene.pixels.shape[:2]
    return stretched(scene.pixels), mask(scene.lanes, width, height)


def overlaps(answered, truth):
    """IoU of each line per picture, [n, LANES]; nan where a line is neither there nor answered.

    A line that is answered but not there, or there but not answered, gives 0.
    """
    numbers = np.arange(1, LANES + 1)[:, None, None]
    shares = np.full((len(truth), LANES), np.nan)
    for row, one, other in zip(shares, answered, truth):
        a, b = one == numbers, other == numbers
        either = (a | b).sum(axis=(1, 2))
        np.divide((a & b).sum(axis=(1, 2)), either, out=row, where=either > 0)
    return shares


@dataclass(frozen=True)
class Figures:
    """How well lines are met."""

    mean: float  # IoU over all lines that are there or answered
    per_line: np.ndarray  # the same for each line number
    found: float  # share of the lines in the truth with an IoU above 0.5


def measure(model, pictures, masks):
    """`Figures` of a model that `runtime.OnnxModel` runs."""
    answered = [model.run(normalised(p[None]).transpose(0, 3, 1, 2))["lanes"][0].argmax(axis=0)
                for p in pictures]
    shares = overlaps(answered, masks)
    there = np.array([[(mask == number).any() for number in range(1, LANES + 1)]
                      for mask in masks])
    return Figures(float(np.nanmean(shares)), np.nanmean(shares, axis=0),
                   float((shares[there] > 0.5).mean()))
