"""How a picture becomes a network's input; any program that runs the model has to do this."""

import numpy as np
from PIL import Image


def stretched(image, height, width):
    """A picture at the network's size, uint8 [height, width, 3]; Pillow's bilinear filter."""
    return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))


def signed(images):
    """uint8 values to float32 from -1 to 1."""
    values = images.astype(np.float32) / np.float32(255)
    return (values - np.float32(0.5)) / np.float32(0.5)
