"""Trains the network: Adam, cosine learning rate, fixed order of batches."""

import time

import jax
import jax.numpy as jnp
import numpy as np

from network import initial_parameters, loss

BATCH = 128
PEAK_RATE = 2e-3
WARMUP = 0.05  # share of the steps over which the rate climbs to its peak
DECAY = 1e-4  # decoupled weight decay, relative to the rate
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@jax.jit
def adam_step(parameters, mean, square, step, rate, x, labels):
    """One update; `step` counts from 1. Returns the new state and the loss."""
    value, gradient = jax.value_and_grad(loss)(parameters, x, labels)
    mean = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, mean, gradient)
    square = jax.tree.map(lambda s, g: BETA2 * s + (1 - BETA2) * g * g, square, gradient)
    mean_scale, square_scale = 1 / (1 - BETA1 ** step), 1 / (1 - BETA2 ** step)

    def update(p, m, s):
        direction = m * mean_scale / (jnp.sqrt(s * square_scale) + EPSILON)
        return p - rate * (direction + DECAY * p)

    return jax.tree.map(update, parameters, mean, square), mean, square, value


def rate_at(step, steps):
    """Linear warm-up, then half a cosine down to zero."""
    warmup = WARMUP * steps
    if step < warmup:
        return PEAK_RATE * step / warmup
    return PEAK_RATE * 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))


def train(inputs, labels, epochs, seed):
    """Trained parameters as numpy arrays; prints the loss of every epoch."""
    rng = np.random.default_rng(seed)
    parameters = initial_parameters(seed)
    mean = jax.tree.map(jnp.zeros_like, parameters)
    square = jax.tree.map(jnp.zeros_like, parameters)
    per_epoch = len(inputs) // BATCH
    step, begun = 0, time.monotonic()
    for epoch in range(1, epochs + 1):
        order = rng.permutation(len(inputs))
        total = 0.0
        for batch in np.split(order[:per_epoch * BATCH], per_epoch):
            step += 1
            rate = np.float32(rate_at(step, epochs * per_epoch))
            parameters, mean, square, value = adam_step(
                parameters, mean, square, np.float32(step), rate, inputs[batch], labels[batch])
            total += value
        print(f"epoch {epoch:2d}  loss {float(total) / per_epoch:.4f}"
              f"  {time.monotonic() - begun:.0f} s", flush=True)
    return {name: np.asarray(value) for name, value in parameters.items()}
