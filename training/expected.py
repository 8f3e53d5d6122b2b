"""Writes an application's expected.json: what ONNX Runtime makes of the inputs that
`isolde app export NAME --out FOLDER` wrote.

    python expected.py FOLDER ../crates/isolde-apps/assets/NAME

For each input up to 64 values of the outputs, one network's after the other's, at even
distances. `isolde app check` compares Isolde's own outputs with them. With --labels
also labels.csv is written, with the numbers that Isolde gave: for applications whose
inputs are not labelled by those who drew them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime

MOST_VALUES = 64


def spread(values):
    """All values, or MOST_VALUES of them at even distances, the first among them."""
    if len(values) <= MOST_VALUES:
        return values
    return values[[place * len(values) // MOST_VALUES for place in range(MOST_VALUES)]]


def outputs(folder, network):
    """The flat outputs of one network for each of its inputs, in their order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / f"{network}.onnx", options,
                                           providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    with np.load(folder / f"{network}.npz") as arrays:
        for key in sorted(arrays.files):
            yield np.concatenate([part.ravel() for part in session.run(None, {name: arrays[key]})])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("assets", type=Path)
    parser.add_argument("--labels", action="store_true")
    arguments = parser.parse_args()
    exported = json.loads((arguments.folder / "export.json").read_text())
    by_network = [outputs(arguments.folder, network) for network in exported["networks"]]
    lines = []
    for name, parts in zip(exported["inputs"], zip(*by_network, strict=True), strict=True):
        values = [round(float(value), 6) for value in spread(np.concatenate(parts))]
        lines.append(f"  {json.dumps(name)}: {json.dumps(values)}")
    (arguments.assets / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    if arguments.labels:
        labels = zip(exported["inputs"], exported["labels"], strict=True)
        rows = "".join(f"{name},{label}\n" for name, label in labels)
        (arguments.assets / "labels.csv").write_text("image,label\n" + rows)


if __name__ == "__main__":
    main()
