"""What the detector should answer, and how far it is from it (as YOLOv5 has it).

A box belongs to an anchor that is less than four times as wide or high, or the
other way round, and to the cell of its centre and the two cells nearest to it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from drawing.scene import CLASSES
from object_detection.decode import ANCHORS, VALUES
from object_detection.network import STRIDES

LARGEST_RATIO = 4.0
# Weights of YOLOv5 for 13 classes and 320 pixels, all times ten; classes weigh
# a little more, because the training is short.
BOX, OBJECT, CLASS = 0.5, 2.5, 1.5
LEVEL_BALANCE = {"p3": 4.0, "p4": 1.0, "p5": 0.4}
NEIGHBOURS = np.array([(0, 0), (-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)], np.float32)


def ciou(first, second):
    """Complete IoU (Zheng et al. 2020) of boxes (centre x, y, width, height)."""
    low = [b[..., :2] - b[..., 2:] / 2 for b in (first, second)]
    high = [b[..., :2] + b[..., 2:] / 2 for b in (first, second)]
    both = jnp.clip(jnp.minimum(*high) - jnp.maximum(*low), 0).prod(axis=-1)
    either = first[..., 2:].prod(axis=-1) + second[..., 2:].prod(axis=-1) - both + 1e-7
    hull = jnp.square(jnp.maximum(*high) - jnp.minimum(*low)).sum(axis=-1) + 1e-7
    apart = jnp.square(first[..., :2] - second[..., :2]).sum(axis=-1)
    angle = [jnp.arctan(b[..., 2] / (b[..., 3] + 1e-7)) for b in (first, second)]
    shape = (4 / np.pi ** 2) * jnp.square(angle[0] - angle[1])
    iou = both / either
    weight = jax.lax.stop_gradient(shape / (shape - iou + 1 + 1e-7))
    return iou - apart / hull - shape * weight


def cross_entropy(logits, target):
    """Binary cross-entropy of logits."""
    return jax.nn.softplus(logits) - target * logits


def assign(table, anchors, stride, height, width):
    """Where each box belongs on one level: (right, row, column), each [n, boxes, anchors, 5].

    `table` is [n, boxes, 5] of class and corners in pixels, `right` says which
    of the combinations count.
    """
    centre = (table[..., 1:3] + table[..., 3:5]) / (2 * stride)
    size = table[..., 3:5] - table[..., 1:3]
    ratio = jnp.maximum(size, 1e-3)[:, :, None] / anchors
    fits = jnp.maximum(ratio, 1 / ratio).max(axis=-1) < LARGEST_RATIO
    fits &= (table[..., 0] >= 0)[..., None]
    cells = jnp.floor(centre[:, :, None] + NEIGHBOURS)
    inside = ((cells >= 0) & (cells < jnp.array([width, height]))).all(axis=-1)
    own = jnp.floor(centre)[:, :, None]
    new = (cells != own).any(axis=-1).at[..., 0].set(True)
    right = fits[..., None] & (inside & new)[:, :, None]
    cells = jnp.broadcast_to(cells[:, :, None], (*right.shape, 2)).astype(jnp.int32)
    return right, jnp.clip(cells[..., 1], 0, height - 1), jnp.clip(cells[..., 0], 0, width - 1)


def level_loss(output, table, name):
    """(box, object, class) losses of one level; `output` is [n, height, width, 54]."""
    stride, anchors = STRIDES[name], jnp.array(ANCHORS[name])
    n, height, width, _ = output.shape
    output = output.reshape(n, height, width, len(anchors), VALUES)
    right, row, column = assign(table, anchors, stride, height, width)
    which = jnp.arange(n)[:, None, None, None]
    anchor = jnp.arange(len(anchors))[None, None, :, None]
    place = jnp.broadcast_arrays(which, row, column, anchor)
    answer = output[tuple(place)]  # [n, boxes, anchors, 5, values]
    count = jnp.maximum(right.sum(), 1)

    corner = jnp.stack([column, row], axis=-1)
    centre = (2 * jax.nn.sigmoid(answer[..., :2]) - 0.5 + corner) * stride
    size = jnp.square(2 * jax.nn.sigmoid(answer[..., 2:4])) * anchors[:, None]
    truth = jnp.concatenate([(table[..., 1:3] + table[..., 3:5]) / 2,
                             jnp.maximum(table[..., 3:5] - table[..., 1:3], 1e-3)], axis=-1)
    similar = ciou(jnp.concatenate([centre, size], axis=-1), truth[:, :, None, None])
    box = (right * (1 - similar)).sum() / count

    wanted = jnp.where(right, jnp.clip(jax.lax.stop_gradient(similar), 0), 0)
    target = jnp.zeros(output.shape[:-1]).at[tuple(place)].max(wanted)
    objects = cross_entropy(output[..., 4], target).mean()

    classes = jax.nn.one_hot(table[..., 0].astype(jnp.int32), len(CLASSES))[:, :, None, None]
    named = cross_entropy(answer[..., 5:], classes).mean(axis=-1)
    return box, objects, (right * named).sum() / count


def detection_loss(outputs, tables):
    """The sum over the three levels."""
    total = 0.0
    for name, output in outputs.items():
        box, objects, classes = level_loss(output, tables, name)
        total += BOX * box + OBJECT * LEVEL_BALANCE[name] * objects + CLASS * classes
    return total
