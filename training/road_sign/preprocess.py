"""The one definition of how a picture becomes the network's input.

Any program that runs the model has to do exactly this.
"""

import numpy as np

from learning.runtime import OnnxModel


def preprocess(images):
    """uint8 RGB [n, 32, 32, 3] to float32 [n, 1, 32, 32], about -1 to 1."""
    rgb = images.astype(np.float32)
    weights = [np.float32(w) for w in (0.299, 0.587, 0.114)]
    grey = sum(w * rgb[..., channel] for channel, w in enumerate(weights))
    grey = grey / np.float32(255)
    return ((grey - np.float32(0.5)) / np.float32(0.5))[:, None]


class RoadSignModel(OnnxModel):
    """The shipped model, from pictures to logits."""

    def logits(self, images):
        """uint8 RGB images [n, 32, 32, 3] to logits [n, 43]."""
        return super().logits(preprocess(images))
