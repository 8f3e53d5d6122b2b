"""Runs a shipped ONNX file, independently of JAX."""

import numpy as np
import onnxruntime


class OnnxModel:
    """A model in ONNX Runtime on one processor core, one picture at a time."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"])

    def run(self, inputs):
        """Inputs [n, channels, height, width] to a dict of outputs, each [n, ...]."""
        names = [output.name for output in self.session.get_outputs()]
        rows = [self.session.run(names, {"input": x[None]}) for x in inputs]
        return {name: np.concatenate(parts) for name, parts in zip(names, zip(*rows))}

    def logits(self, inputs):
        """Inputs [n, channels, height, width] to logits [n, classes]."""
        return self.run(inputs)["logits"]


def margins(logits):
    """How far the highest logit of each row lies above the second highest."""
    ordered = np.sort(logits, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def class_accuracy(predicted, labels, class_count):
    """Share of right answers per class."""
    return np.array([(predicted[labels == c] == c).mean() for c in range(class_count)])
