"""Draws the scenes, trains the network and writes what ships."""

import multiprocessing
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from drawing.frames import frames
from lane_keeping.lines import measure, normalised, sample
from lane_keeping.model_card import model_card
from lane_keeping.network import CLASSES, lane_net
from lane_keeping.settings import (ASSETS, DIVISOR, HEIGHT, HELD_OUT_SCENES, HELD_OUT_SEED,
                                   NETWORK_SEED, SCHEDULE, TRAINING_SCENES, TRAINING_SEED, WIDTH)
from learning.layers import Forward, count, initial
from learning.onnx_export import write
from learning.optimise import train
from learning.runtime import OnnxModel

BACKGROUND_WEIGHT = 0.4  # as SCNN weights it: most pixels are background
network = partial(lane_net, divisor=DIVISOR)


def loss(parameters, statistics, pictures, masks):
    """Weighted cross-entropy per pixel."""
    net = Forward(parameters, statistics, training=True)
    network(net, pictures)
    likelihood = jax.nn.log_softmax(net.outputs["lanes"])
    chosen = (likelihood * jax.nn.one_hot(masks, CLASSES)).sum(axis=-1)
    weights = jnp.where(masks == 0, BACKGROUND_WEIGHT, 1.0)
    return -(weights * chosen).sum() / weights.sum(), net.updated


def prepare(rng, pictures, masks):
    """Mirrors half of the pictures, in which left and right lines change places."""
    turned = rng.random(len(pictures)) < 0.5
    pictures = np.where(turned[:, None, None, None], pictures[:, :, ::-1], pictures)
    opposite = np.array([0, 4, 3, 2, 1], np.uint8)
    masks = np.where(turned[:, None, None], opposite[masks[:, :, ::-1]], masks)
    return normalised(pictures), masks


def trained_on(pictures, masks):
    """Trained (parameters, statistics)."""
    return train(loss, *initial(network, NETWORK_SEED), (pictures, masks), SCHEDULE,
                 NETWORK_SEED, prepare)


def write_assets(trained, pictures, masks):
    """Writes the network, measures it on held-out scenes, writes the model card."""
    ASSETS.mkdir(parents=True, exist_ok=True)
    write(network, trained, ASSETS / "model.onnx", "lane-keeping", [1, 3, HEIGHT, WIDTH],
          {"lanes": [1, CLASSES, HEIGHT, WIDTH]},
          {"isolde.colour": "rgb", "isolde.normalise": "signed", "isolde.resize": "stretch"})
    figures = measure(OnnxModel(ASSETS / "model.onnx"), pictures, masks)
    print(f"held-out IoU {figures.mean:.4f}, per line {figures.per_line.round(3)}")
    card = model_card(count(trained[0]), figures)
    (ASSETS / "MODEL_CARD.md").write_text(card, encoding="utf-8")


def main():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pictures, masks = map(np.stack, frames(pool, sample, TRAINING_SEED, TRAINING_SCENES))
        held_out = map(np.stack, frames(pool, sample, HELD_OUT_SEED, HELD_OUT_SCENES))
    print(f"drew {TRAINING_SCENES} training and {HELD_OUT_SCENES} held-out scenes", flush=True)
    write_assets(trained_on(pictures, masks), *held_out)


if __name__ == "__main__":
    main()
