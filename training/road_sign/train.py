"""Draws the pictures, trains the network and writes everything that ships."""

import multiprocessing

import numpy as np

from learning.optimise import train
from learning.pictures import first_of_each, write_sheet
from road_sign.bundle import write_bundle
from road_sign.model_card import model_card
from road_sign.network import initial_parameters, loss, parameter_count, predict
from road_sign.onnx_export import export
from road_sign.preprocess import RoadSignModel, preprocess
from road_sign.scene import render_set
from road_sign.settings import (ASSETS, HELD_OUT, HELD_OUT_PER_CLASS, HELD_OUT_SEED,
                                NETWORK_SEED, SCHEDULE, SHEET_COLUMNS, SHEET_PER_CLASS,
                                TRAINING_PER_CLASS, TRAINING_SEED)

JAX_TOLERANCE = 1e-3  # JAX and ONNX Runtime sum in different orders


def main():
    with multiprocessing.get_context("spawn").Pool() as pool:
        images, labels = render_set(pool, TRAINING_SEED, TRAINING_PER_CLASS)
        held_out_images, held_out_labels = render_set(pool, HELD_OUT_SEED, HELD_OUT_PER_CLASS)
    print(f"drew {len(images)} training and {len(held_out_images)} held-out pictures", flush=True)

    parameters, _ = train(loss, initial_parameters(NETWORK_SEED), {},
                          (preprocess(images), labels), SCHEDULE, NETWORK_SEED)
    predicted = predict(parameters, preprocess(held_out_images)).argmax(axis=1)
    print(f"held-out accuracy {100 * (predicted == held_out_labels).mean():.2f} %")

    ASSETS.mkdir(parents=True, exist_ok=True)
    export(parameters, ASSETS / "model.onnx")
    bundled_images, logits = write_bundle(RoadSignModel(ASSETS / "model.onnx"), ASSETS)
    difference = np.abs(predict(parameters, preprocess(bundled_images)) - logits).max()
    print(f"largest difference between JAX and ONNX Runtime {difference:.1e}")
    if difference > JAX_TOLERANCE:
        raise SystemExit("the exported model does not compute what was trained")
    write_sheet(HELD_OUT, *first_of_each(held_out_images, held_out_labels, SHEET_PER_CLASS),
                SHEET_COLUMNS)
    card = model_card(parameter_count(parameters), predicted, held_out_labels)
    (ASSETS / "MODEL_CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
