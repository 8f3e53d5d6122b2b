"""What two trainings of networks that name pictures do alike: draw, train, ship."""

import multiprocessing
from dataclasses import dataclass
from types import ModuleType
from typing import Callable

import numpy as np

from learning import classify, layers, onnx_export
from learning.model_card import figures
from learning.optimise import train
from learning.pictures import (clear_pictures, first_of_each, read_folder, render_set,
                               write_folder, write_sheet)
from learning.shipped import Classifier

JAX_TOLERANCE = 2e-3  # JAX and ONNX Runtime sum in different orders


@dataclass(frozen=True)
class Recipe:
    """What differs from one training to the other."""

    settings: ModuleType
    network: Callable  # of (net, x)
    render_inputs: Callable  # of (seed, label, first, count): pictures at the network's size
    render_shipped: Callable  # of (seed, label, index): a Pillow picture
    form: str  # of the shipped pictures' files: "png" or "jpg"
    card: str  # text of the model card with places for figures


def draw(recipe):
    """Training and held-out (pictures, labels)."""
    s = recipe.settings
    with multiprocessing.get_context("spawn").Pool() as pool:
        return [render_set(pool, recipe.render_inputs, seed, s.CLASS_COUNT, per_class)
                for seed, per_class in ((s.TRAINING_SEED, s.TRAINING_PER_CLASS),
                                        (s.HELD_OUT_SEED, s.HELD_OUT_PER_CLASS))]


def learn(recipe, training):
    """Trained (parameters, statistics)."""
    s = recipe.settings
    parameters, statistics = layers.initial(recipe.network, s.NETWORK_SEED)
    return train(classify.cross_entropy(recipe.network), parameters, statistics, training,
                 s.SCHEDULE, s.NETWORK_SEED, classify.mirrored_batch)


def ship(recipe, trained, held_out):
    """Writes the model, its pictures, the held-out sheet and the card."""
    s = recipe.settings
    s.ASSETS.mkdir(parents=True, exist_ok=True)
    onnx_export.write(recipe.network, trained, s.ASSETS / "model.onnx", s.NAME,
                      [1, 3, s.IMAGE_SIZE, s.IMAGE_SIZE], {"logits": [1, s.CLASS_COUNT]},
                      {"isolde.colour": "rgb", "isolde.normalise": "signed",
                       "isolde.resize": "stretch"})
    model = Classifier(s.ASSETS / "model.onnx")
    size = (s.IMAGE_SIZE, s.IMAGE_SIZE)
    chosen = [pair for label, count in enumerate(s.BUNDLE_SIZES)
              for pair in clear_pictures(
                  model.logits, lambda i: recipe.render_shipped(s.BUNDLE_SEED, label, i),
                  recipe.form, size, label, count, s.BUNDLE_MARGIN)]
    write_folder(s.ASSETS, chosen, recipe.form, s.CLASS_NAMES, s.BUNDLE_SEED)
    write_sheet(s.HELD_OUT, *first_of_each(*held_out, s.SHEET_PER_CLASS), s.SHEET_COLUMNS)

    _, images, _ = read_folder(s.ASSETS, size)
    difference = np.abs(classify.predict(recipe.network, trained, images)
                        - model.logits(images)).max()
    print(f"largest difference between JAX and ONNX Runtime {difference:.1e}")
    if difference > JAX_TOLERANCE:
        raise SystemExit("the exported model does not compute what was trained")
    predicted = model.logits(held_out[0]).argmax(axis=1)
    card = recipe.card.format(**figures(s, layers.count(trained[0]), predicted, held_out[1]))
    (s.ASSETS / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    print(f"held-out accuracy {100 * (predicted == held_out[1]).mean():.2f} %")


def run(recipe):
    """Everything in order."""
    training, held_out = draw(recipe)
    print(f"drew {len(training[0])} training and {len(held_out[0])} held-out pictures", flush=True)
    ship(recipe, learn(recipe, training), held_out)
