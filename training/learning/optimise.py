"""Trains any network: Adam, cosine learning rate, fixed order of batches."""

import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@partial(jax.jit, static_argnums=(0, 1))
def adam_step(loss, decay, state, step, rate, batch):
    """One update; `step` counts from 1. Returns the new state and the loss.

    `state` is (parameters, their mean gradients, mean squared gradients,
    statistics); `loss(parameters, statistics, *batch)` returns (loss, new
    statistics).
    """
    parameters, mean, square, statistics = state
    (value, statistics), gradient = jax.value_and_grad(loss, has_aux=True)(
        parameters, statistics, *batch)
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradient)
    square = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g * g, square, gradient)
    mean_scale, square_scale = 1 / (1 - BETA1 ** step), 1 / (1 - BETA2 ** step)

    def update(p, m, s):
        direction = m * mean_scale / (jnp.sqrt(s * square_scale) + EPSILON)
        return p - rate * (direction + decay * p)

    return (jax.tree.map(update, parameters, mean, square), mean, square, statistics), value


def train(loss, parameters, statistics, data, schedule, seed, prepare=None):
    """Trained (parameters, statistics) as numpy arrays; prints the loss of every epoch.

    `data` is a tuple of arrays of equal length, from which batches are picked;
    `prepare(rng, *arrays)`, if given, turns a picked batch into what the loss
    takes (scaling, random changes).
    """
    rng = np.random.default_rng(seed)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    state = (parameters, zeros, zeros, statistics)
    per_epoch = len(data[0]) // schedule.batch
    step, begun = 0, time.monotonic()
    for epoch in range(1, schedule.epochs + 1):
        order = rng.permutation(len(data[0]))
        total = 0.0
        for chosen in np.split(order[:per_epoch * schedule.batch], per_epoch):
            step += 1
            rate = np.float32(schedule.rate_at(step, schedule.epochs * per_epoch))
            batch = tuple(array[chosen] for array in data)
            if prepare is not None:
                batch = prepare(rng, *batch)
            state, value = adam_step(loss, schedule.decay, state, np.float32(step), rate, batch)
            total += value
        print(f"epoch {epoch:2d}  loss {float(total) / per_epoch:.4f}"
              f"  {time.monotonic() - begun:.0f} s", flush=True)
    parameters, _, _, statistics = jax.tree.map(np.asarray, state)
    return parameters, statistics
