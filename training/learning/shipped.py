"""Checks the shipped files of a network that names pictures; needs no JAX.

Exits with status 1 and names what is wrong, or prints the measured figures.
"""

import multiprocessing

import numpy as np
import onnx

from learning.pictures import read_folder, read_rows, read_sheet, render_set
from learning.preprocess import signed
from learning.runtime import OnnxModel, class_accuracy, margins

MARGIN_TOLERANCE = 1e-3  # between this processor and the one that chose the pictures


class Classifier(OnnxModel):
    """The shipped model, from pictures at its size to logits."""

    def logits(self, images):
        """uint8 [n, height, width, 3] to logits [n, classes]."""
        return super().logits(signed(images).transpose(0, 3, 1, 2))


def require(condition, message):
    """Stops the check with a message unless the condition holds."""
    if not condition:
        raise SystemExit(f"check failed: {message}")


def described(value):
    """Name and shape of a graph input or output."""
    return value.name, [d.dim_value for d in value.type.tensor_type.shape.dim]


def check_graph(settings):
    """The promised input, output, opset and metadata; returns how many weights there are."""
    s = settings
    model = onnx.load(s.ASSETS / "model.onnx", load_external_data=False)
    graph = model.graph
    require([described(v) for v in graph.input]
            == [("input", [1, 3, s.IMAGE_SIZE, s.IMAGE_SIZE])], "input")
    require([described(v) for v in graph.output] == [("logits", [1, s.CLASS_COUNT])], "output")
    require(model.opset_import[0].version == 17 and model.ir_version == 8, "opset")
    require({p.key: p.value for p in model.metadata_props}
            == {"isolde.colour": "rgb", "isolde.normalise": "signed",
                "isolde.resize": "stretch"}, "metadata")
    for node in graph.node:
        require(node.op_type != "Conv" or {a.name for a in node.attribute}
                >= {"dilations", "pads", "strides", "group", "kernel_shape"}, node.name)
    return sum(int(np.prod(t.dims)) for t in graph.initializer)


def check_folder(settings, model):
    """Every shipped picture: its label is right and clear."""
    s = settings
    classes = read_rows(s.ASSETS / "classes.csv", ["label", "name"])
    require(classes == [[str(i), name] for i, name in enumerate(s.CLASS_NAMES)], "classes.csv")
    names, images, labels = read_folder(s.ASSETS, (s.IMAGE_SIZE, s.IMAGE_SIZE))
    require(names == sorted(p.name for p in (s.ASSETS / "images").iterdir()), "picture names")
    require((np.bincount(labels) == s.BUNDLE_SIZES).all(), "pictures per class")
    logits = model.logits(images)
    require((logits.argmax(axis=1) == labels).all(), "a shipped picture is named wrongly")
    smallest = margins(logits).min()
    require(smallest >= s.BUNDLE_MARGIN - MARGIN_TOLERANCE, "margin")
    print(f"shipped pictures: {len(names)} of {len(names)} right, smallest margin {smallest:.2f}")


def check_accuracy(settings, model, what, images, labels):
    """Accuracy overall and of the weakest class."""
    predicted = model.logits(images).argmax(axis=1)
    accuracy = (predicted == labels).mean()
    weakest = class_accuracy(predicted, labels, settings.CLASS_COUNT).min()
    print(f"{what}: {100 * accuracy:.2f} % of {len(labels)} right,"
          f" weakest class {100 * weakest:.1f} %")
    require(accuracy >= settings.LOWEST_ACCURACY, f"accuracy of {what}")


def check(settings, render_inputs):
    """All of the above, with the held-out sheet and with fresh pictures."""
    s = settings
    size = sum(p.stat().st_size for p in s.ASSETS.rglob("*") if p.is_file())
    print(f"files: {size} bytes, {check_graph(s)} weights")
    model = Classifier(s.ASSETS / "model.onnx")
    check_folder(s, model)
    check_accuracy(s, model, "held-out sheet",
                   *read_sheet(s.HELD_OUT, (s.IMAGE_SIZE, s.IMAGE_SIZE)))
    with multiprocessing.get_context("spawn").Pool() as pool:
        fresh = render_set(pool, render_inputs, s.CHECK_SEED, s.CLASS_COUNT,
                           s.HELD_OUT_PER_CLASS)
    check_accuracy(s, model, "fresh pictures", *fresh)
