"""Draws the scenes, trains the detector and writes the network and its model card."""

import multiprocessing
from functools import partial

import numpy as np

from drawing.frames import frames
from drawing.scene import CLASSES
from learning.layers import Forward, count, initial
from learning.onnx_export import write
from learning.optimise import train
from learning.runtime import OnnxModel
from object_detection.boxes import NONE, padded, raised, sample, unit, whole
from object_detection.decode import VALUES
from object_detection.loss import detection_loss
from object_detection.model_card import model_card
from object_detection.network import ANCHORS_PER_CELL, STRIDES, yolo
from object_detection.precision import mean_precision, measure
from object_detection.settings import (ASSETS, CROPPED, HELD_OUT_SCENES, HELD_OUT_SEED,
                                       NETWORK_SEED, SIZE, TRAINING_SCENES, TRAINING_SEED, WHOLE,
                                       WIDTH_MULTIPLE)

CROPPED_HEIGHT = 192  # rows of 320: the picture's 180 and what makes whole cells
FIRST_OBJECTNESS = -4.6  # one anchor in a hundred, before anything is learnt
FIRST_CLASS = -2.5  # one class in thirteen
network = partial(yolo, multiple=WIDTH_MULTIPLE, classes=len(CLASSES))


def loss(parameters, statistics, pictures, tables):
    """The detection loss with the statistics of this batch."""
    net = Forward(parameters, statistics, training=True)
    network(net, pictures)
    return detection_loss(net.outputs, tables), net.updated


def first_parameters():
    """First weights, with biases that answer as rarely as there are objects."""
    parameters, statistics = initial(network, NETWORK_SEED)
    for name in STRIDES:
        bias = parameters[f"{name}.bias"].reshape(ANCHORS_PER_CELL, VALUES)
        bias[:, 4], bias[:, 5:] = FIRST_OBJECTNESS, FIRST_CLASS
    return parameters, statistics


def prepare(height):
    """A function that mirrors half of the pictures and gives all a rim, to a height."""
    def prepared(rng, pictures, tables):
        turned = rng.random(len(pictures)) < 0.5
        pictures = np.where(turned[:, None, None, None], pictures[:, :, ::-1], pictures)
        tables = raised(tables, (height - pictures.shape[1]) // 2)
        opposite = tables[..., [0, 3, 2, 1, 4]] * [1, -1, 1, -1, 1] + [0, SIZE, 0, SIZE, 0]
        tables = np.where(turned[:, None, None], opposite, tables)
        return unit(padded(pictures, height)), tables.astype(np.float32)
    return prepared


def adapted(state, pictures, tables):
    """A state trained on cropped pictures, trained on with the whole letterbox."""
    return train(loss, *state, (pictures, tables), WHOLE, NETWORK_SEED, prepare(SIZE))


def trained_on(pictures, tables):
    """Trained (parameters, statistics)."""
    state = train(loss, *first_parameters(), (pictures, tables), CROPPED, NETWORK_SEED,
                  prepare(CROPPED_HEIGHT))
    return adapted(state, pictures, tables)


def export(trained, path):
    """Writes the network for pictures of `SIZE` by `SIZE` pixels."""
    shapes = {name: [1, ANCHORS_PER_CELL * VALUES, SIZE // stride, SIZE // stride]
              for name, stride in STRIDES.items()}
    write(network, trained, path, "object-detection", [1, 3, SIZE, SIZE], shapes,
          {"isolde.colour": "rgb", "isolde.normalise": "unit", "isolde.resize": "letterbox"})


def write_assets(trained, pictures, tables):
    """Writes network and class names, measures on held-out scenes, writes the model card."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    export(trained, ASSETS / "model.onnx")
    names = [f"{label},{name}\n" for label, name in enumerate(CLASSES)]
    (ASSETS / "classes.csv").write_text("label,name\n" + "".join(names), encoding="utf-8")
    figures = measure(OnnxModel(ASSETS / "model.onnx"), *whole(pictures, tables))
    print(f"held-out mAP@0.5 {mean_precision(figures):.4f}")
    card = model_card(count(trained[0]), figures, int((tables[..., 0] != NONE).sum()))
    (ASSETS / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def main():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pictures, tables = map(np.stack, frames(pool, sample, TRAINING_SEED, TRAINING_SCENES))
        held_out = map(np.stack, frames(pool, sample, HELD_OUT_SEED, HELD_OUT_SCENES))
    print(f"drew {TRAINING_SCENES} training and {HELD_OUT_SCENES} held-out scenes", flush=True)
    write_assets(trained_on(pictures, tables), *held_out)


if __name__ == "__main__":
    main()
