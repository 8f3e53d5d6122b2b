"""Checks the shipped network on scenes drawn afresh; needs neither JAX nor training.

Exits with status 1 and names what is wrong, or prints the measured figures.
"""

import multiprocessing
import re

import numpy as np
import onnx

from drawing.frames import frames
from lane_keeping.lines import measure, sample
from lane_keeping.settings import ASSETS, CHECK_SEED, HEIGHT, HELD_OUT_SCENES, LANES, WIDTH
from learning.runtime import OnnxModel

ALLOWED_OPERATORS = {"Conv", "Relu", "MaxPool", "Resize"}
TOLERANCE = 0.03  # how far the IoU on fresh scenes may lie below the stated one


def require(condition, message):
    """Stops the check with a message unless the condition holds."""
    if not condition:
        raise SystemExit(f"check failed: {message}")


def shape(value):
    """Shape of a graph input or output."""
    return [d.dim_value for d in value.type.tensor_type.shape.dim]


def check_file():
    """The promised input, output and operators."""
    graph = onnx.load(ASSETS / "model.onnx").graph
    require(shape(graph.input[0]) == [1, 3, HEIGHT, WIDTH], "input")
    require([(v.name, shape(v)) for v in graph.output]
            == [("lanes", [1, 1 + LANES, HEIGHT, WIDTH])], "output")
    require({node.op_type for node in graph.node} <= ALLOWED_OPERATORS, "operators")


def stated():
    """The IoU that the model card states."""
    card = (ASSETS / "MODEL_CARD.md").read_text(encoding="utf-8")
    return float(re.search(r"Held-out IoU \| ([\d.]+) %", card).group(1)) / 100


def main():
    check_file()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pictures, masks = map(np.stack, frames(pool, sample, CHECK_SEED, HELD_OUT_SCENES))
    figures = measure(OnnxModel(ASSETS / "model.onnx"), pictures, masks)
    print(f"IoU {100 * figures.mean:.1f} %, stated {100 * stated():.1f} %; per line "
          + ", ".join(f"{100 * iou:.1f} %" for iou in figures.per_line)
          + f"; {100 * figures.found:.1f} % of the lines met")
    require(figures.mean >= stated() - TOLERANCE, "IoU is lower than the model card states")


if __name__ == "__main__":
    main()
