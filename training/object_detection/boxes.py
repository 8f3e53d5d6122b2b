"""From scenes to what the detector sees and should answer."""

import numpy as np
from PIL import Image

from drawing.scene import CLASSES
from object_detection.settings import SIZE

GREY = 114  # of the rim that makes a frame square, as YOLOv5 has it
MOST = 32  # boxes of a picture; more than any scene has
NONE = -1  # class of an unused row


def letterboxed(pixels, height=SIZE):
    """A frame (16 to 9) in the middle of a grey [height, SIZE, 3] picture."""
    scaled = SIZE * pixels.shape[0] // pixels.shape[1]
    image = Image.fromarray(pixels).resize((SIZE, scaled), Image.Resampling.BILINEAR)
    return padded(np.asarray(image)[None], height)[0]


def padded(pictures, height):
    """Grey rows above and below pictures [n, h, w, 3], equally many."""
    rim = (height - pictures.shape[1]) // 2
    return np.pad(pictures, ((0, 0), (rim, rim), (0, 0), (0, 0)), constant_values=GREY)


def rows(boxes, scale):
    """Boxes as float32 [MOST, 5]: class, left, top, right, bottom in scaled pixels."""
    table = np.full((MOST, 5), NONE, np.float32)
    for row, box in zip(table, boxes):
        row[0] = CLASSES.index(box.kind)
        row[1:] = np.array(box.corners) * scale
    return table


def sample(scene):
    """(picture without rim, table of boxes) of a scene."""
    height, width = scene.pixels.shape[:2]
    picture = letterboxed(scene.pixels, SIZE * height // width)
    return picture, rows(scene.boxes, SIZE / width)


def raised(tables, distance):
    """Boxes moved down by some rows of pixels."""
    tables = tables.copy()
    tables[..., [2, 4]] += distance
    return tables


def unit(pictures):
    """uint8 to float32 values from 0 to 1."""
    return pictures.astype(np.float32) / np.float32(255)


def whole(pictures, tables):
    """Pictures and boxes as the network meets them: inputs [n, 3, SIZE, SIZE] and tables."""
    rim = (SIZE - pictures.shape[1]) // 2
    return unit(padded(pictures, SIZE)).transpose(0, 3, 1, 2), raised(tables, rim)
