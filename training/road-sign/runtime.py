"""Runs the shipped ONNX file, independently of JAX."""

import numpy as np
import onnxruntime

from preprocess import preprocess


class OnnxModel:
    """The model in ONNX Runtime on one processor core, one image at a time."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"])

    def logits(self, images):
        """uint8 RGB images [n, 32, 32, 3] to logits [n, 43]."""
        return np.concatenate([self.session.run(["logits"], {"input": x[None]})[0]
                               for x in preprocess(images)])


def margins(logits):
    """How far the highest logit of each row lies above the second highest."""
    ordered = np.sort(logits, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def class_accuracy(predicted, labels, class_count):
    """Share of right answers per class."""
    return np.array([(predicted[labels == c] == c).mean() for c in range(class_count)])
