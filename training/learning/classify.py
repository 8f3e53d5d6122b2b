"""Training a network that names pictures."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from learning.layers import Forward, forward
from learning.preprocess import signed


def cross_entropy(network):
    """The loss of a network with one output `logits`, for `optimise.train`."""
    def loss(parameters, statistics, x, labels):
        net = Forward(parameters, statistics, training=True)
        log_probabilities = jax.nn.log_softmax(network(net, x))
        chosen = jnp.take_along_axis(log_probabilities, labels[:, None], axis=1)
        return -chosen.mean(), net.updated
    return loss


def mirrored_batch(rng, images, labels):
    """Input of a batch, each picture mirrored with probability one half."""
    flip = rng.random(len(images)) < 0.5
    images = np.where(flip[:, None, None, None], images[:, :, ::-1], images)
    return signed(images), labels


def predict(network, trained, images, batch=100):
    """Logits [n, classes] of uint8 pictures, computed in batches."""
    compute = jax.jit(partial(forward, network))
    return np.concatenate([np.asarray(compute(*trained, signed(images[i:i + batch]))["logits"])
                           for i in range(0, len(images), batch)])
