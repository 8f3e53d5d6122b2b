"""Chooses the test images that ship with the model and writes them out."""

import csv
import json
import shutil

import numpy as np
from PIL import Image

from drawing.signs import CLASS_COUNT, CLASS_NAMES
from learning.runtime import margins
from road_sign.scene import render, scene_rng
from road_sign.settings import BUNDLE_MARGIN, BUNDLE_PER_CLASS, BUNDLE_SEED


def clear_images(model, label):
    """The first images of a class that the model gets right with a clear margin."""
    chosen, index = [], 0
    while len(chosen) < BUNDLE_PER_CLASS:
        image = render(label, scene_rng(BUNDLE_SEED, label, index))
        index += 1
        logits = model.logits(image[None])
        if logits.argmax() == label and margins(logits)[0] >= BUNDLE_MARGIN:
            chosen.append(image)
    return chosen


def choose(model):
    """(file name, label, image) of every bundled image, in shuffled order."""
    pairs = [(label, image) for label in range(CLASS_COUNT)
             for image in clear_images(model, label)]
    order = np.random.default_rng(BUNDLE_SEED).permutation(len(pairs))
    return [(f"{i:03}.png", *pairs[position]) for i, position in enumerate(order)]


def write_csv(path, header, rows):
    """A CSV file with Unix line ends."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_expected(path, names, logits):
    """Logits per image as JSON, one image per line."""
    lines = [f"  {json.dumps(name)}: {json.dumps([round(float(v), 6) for v in row])}"
             for name, row in zip(names, logits)]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def read_images(assets, names):
    """The shipped PNG files as uint8 [n, 32, 32, 3]."""
    return np.stack([np.asarray(Image.open(assets / "images" / name)) for name in names])


def write_bundle(model, assets):
    """Writes images, labels, class names and logits; returns images and logits.

    The logits are computed from the PNG files as read back, so they describe
    the shipped bytes.
    """
    shutil.rmtree(assets / "images", ignore_errors=True)
    (assets / "images").mkdir()
    chosen = choose(model)
    for name, _, image in chosen:
        Image.fromarray(image).save(assets / "images" / name, optimize=True)
    names = [name for name, _, _ in chosen]
    write_csv(assets / "labels.csv", ["image", "label"], [row[:2] for row in chosen])
    write_csv(assets / "classes.csv", ["label", "name"], enumerate(CLASS_NAMES))
    images = read_images(assets, names)
    logits = model.logits(images)
    write_expected(assets / "expected.json", names, logits)
    return images, logits
