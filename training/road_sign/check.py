"""Checks the shipped files with ONNX Runtime; needs neither JAX nor training.

Exits with status 1 and names what is wrong, or prints the measured figures.
"""

import csv
import json
import multiprocessing

import numpy as np
import onnx

from drawing.signs import CLASS_COUNT, CLASS_NAMES
from learning.pictures import read_sheet
from learning.runtime import class_accuracy, margins
from road_sign.bundle import read_images
from road_sign.preprocess import RoadSignModel
from road_sign.scene import IMAGE_SIZE, render_set
from road_sign.settings import (ASSETS, BUNDLE_MARGIN, BUNDLE_PER_CLASS, CHECK_SEED,
                                HELD_OUT, HELD_OUT_PER_CLASS)

ALLOWED_OPERATORS = {"Conv", "Relu", "MaxPool", "Flatten", "Reshape", "Gemm"}
LOWEST_ACCURACY = 0.97
LOGIT_TOLERANCE = 1e-3  # between this processor and the one that wrote expected.json
LARGEST_BUNDLE = 1_000_000  # bytes; the files are compiled into a program


def require(condition, message):
    """Stops the check with a message unless the condition holds."""
    if not condition:
        raise SystemExit(f"check failed: {message}")


def described(value):
    """Name, element type and shape of a graph input or output."""
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [d.dim_value for d in tensor.shape.dim]


def check_graph(path):
    """The promised input, output, operators and opset, and no outside weights."""
    model = onnx.load(path, load_external_data=False)
    graph, real = model.graph, onnx.TensorProto.FLOAT
    require([described(v) for v in graph.input] == [("input", real, [1, 1, 32, 32])], "input")
    require([described(v) for v in graph.output] == [("logits", real, [1, CLASS_COUNT])], "output")
    require({node.op_type for node in graph.node} <= ALLOWED_OPERATORS, "operators")
    require(13 <= model.opset_import[0].version <= 17, "opset")
    require(all(not t.external_data for t in graph.initializer), "external weights")
    return sum(int(np.prod(t.dims)) for t in graph.initializer)


def read_rows(path, header):
    """The rows of a CSV file after its header."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    require(rows[0] == header, f"header of {path.name}")
    return rows[1:]


def check_bundle(model):
    """Every bundled image: format, label, margin and logits."""
    classes = read_rows(ASSETS / "classes.csv", ["label", "name"])
    require(classes == [[str(i), name] for i, name in enumerate(CLASS_NAMES)], "classes.csv")
    rows = read_rows(ASSETS / "labels.csv", ["image", "label"])
    names, labels = [row[0] for row in rows], np.array([int(row[1]) for row in rows])
    require(names == sorted(p.name for p in (ASSETS / "images").iterdir()), "image names")
    require((np.bincount(labels) == [BUNDLE_PER_CLASS] * CLASS_COUNT).all(), "images per class")
    images = read_images(ASSETS, names)
    require(images.shape == (len(names), 32, 32, 3) and images.dtype == np.uint8, "image format")
    logits = model.logits(images)
    require((logits.argmax(axis=1) == labels).all(), "a bundled image is named wrongly")
    require(margins(logits).min() >= BUNDLE_MARGIN - LOGIT_TOLERANCE, "margin")
    expected = json.loads((ASSETS / "expected.json").read_text(encoding="utf-8"))
    require(list(expected) == names, "names in expected.json")
    difference = np.abs(logits - np.array(list(expected.values()))).max()
    require(difference <= LOGIT_TOLERANCE, f"logits differ by {difference}")
    return len(names), margins(logits).min(), difference


def check_accuracy(model):
    """Accuracy on freshly drawn pictures, overall and of the weakest class."""
    with multiprocessing.get_context("spawn").Pool() as pool:
        images, labels = render_set(pool, CHECK_SEED, HELD_OUT_PER_CLASS)
    predicted = model.logits(images).argmax(axis=1)
    accuracy = (predicted == labels).mean()
    require(accuracy >= LOWEST_ACCURACY, f"accuracy {accuracy}")
    return len(labels), accuracy, class_accuracy(predicted, labels, CLASS_COUNT).min()


def main():
    size = sum(p.stat().st_size for p in ASSETS.rglob("*") if p.is_file())
    require(size <= LARGEST_BUNDLE, f"{size} bytes is too large")
    print(f"files: {size} bytes, {check_graph(ASSETS / 'model.onnx')} parameters")
    model = RoadSignModel(ASSETS / "model.onnx")
    count, margin, difference = check_bundle(model)
    print(f"bundle: {count} of {count} right, smallest margin {margin:.2f},"
          f" largest logit difference {difference:.1e}")
    images, labels = read_sheet(HELD_OUT, (IMAGE_SIZE, IMAGE_SIZE))
    accuracy = (model.logits(images).argmax(axis=1) == labels).mean()
    require(accuracy >= LOWEST_ACCURACY, f"accuracy {accuracy} of the held-out sheet")
    print(f"held-out sheet: {100 * accuracy:.2f} % of {len(labels)} right")
    count, accuracy, weakest = check_accuracy(model)
    print(f"fresh pictures: {100 * accuracy:.2f} % of {count} right,"
          f" weakest class {100 * weakest:.1f} %")


if __name__ == "__main__":
    main()
