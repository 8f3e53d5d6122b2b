"""Checks the shipped detector on scenes drawn afresh; needs neither JAX nor training.

Exits with status 1 and names what is wrong, or prints the measured figures.
"""

import multiprocessing
import re

import numpy as np
import onnx

from drawing.frames import frames
from drawing.scene import CLASSES
from learning.runtime import OnnxModel
from object_detection.boxes import sample, whole
from object_detection.precision import mean_precision, measure
from object_detection.settings import ASSETS, CHECK_SEED, HELD_OUT_SCENES, SIZE

ALLOWED_OPERATORS = {"Conv", "Sigmoid", "Mul", "Add", "MaxPool", "Concat", "Resize"}
OUTPUTS = [("p3", SIZE // 8), ("p4", SIZE // 16), ("p5", SIZE // 32)]
# How far the figure on fresh scenes may lie from the one in the model card: each
# class has a few dozen to a few hundred boxes in a set.
TOLERANCE = 0.03


def require(condition, message):
    """Stops the check with a message unless the condition holds."""
    if not condition:
        raise SystemExit(f"check failed: {message}")


def shape(value):
    """Shape of a graph input or output."""
    return [d.dim_value for d in value.type.tensor_type.shape.dim]


def check_files():
    """The promised input, outputs, operators and class names."""
    graph = onnx.load(ASSETS / "model.onnx").graph
    require(shape(graph.input[0]) == [1, 3, SIZE, SIZE], "input")
    outputs = [(value.name, shape(value)) for value in graph.output]
    channels = 3 * (5 + len(CLASSES))
    require(outputs == [(name, [1, channels, n, n]) for name, n in OUTPUTS], "outputs")
    require({node.op_type for node in graph.node} <= ALLOWED_OPERATORS, "operators")
    names = (ASSETS / "classes.csv").read_text(encoding="utf-8").splitlines()
    require(names == ["label,name"] + [f"{i},{c}" for i, c in enumerate(CLASSES)], "classes.csv")


def stated():
    """The mAP@0.5 that the model card states."""
    card = (ASSETS / "MODEL_CARD.md").read_text(encoding="utf-8")
    return float(re.search(r"Held-out mAP@0.5 \| ([\d.]+) %", card).group(1)) / 100


def main():
    check_files()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pictures, tables = map(np.stack, frames(pool, sample, CHECK_SEED, HELD_OUT_SCENES))
    figures = measure(OnnxModel(ASSETS / "model.onnx"), *whole(pictures, tables))
    for name, (precision, truths) in figures.items():
        print(f"{name:22} {truths:5} boxes  AP@0.5 {100 * precision:5.1f} %")
    mean = mean_precision(figures)
    print(f"mAP@0.5 {100 * mean:.1f} %, stated {100 * stated():.1f} %")
    require(mean >= stated() - TOLERANCE, "mAP@0.5 is lower than the model card states")


if __name__ == "__main__":
    main()
