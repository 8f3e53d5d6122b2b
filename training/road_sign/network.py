"""The LeNet-style network in JAX: parameters, logits and loss."""

import jax
import jax.numpy as jnp
import numpy as np

# Name and shape of every weight, in the layouts that ONNX expects: Conv takes
# [out, in, height, width] and Gemm with transB=1 takes [out, in].
WEIGHT_SHAPES = {
    "conv1": (6, 1, 5, 5),
    "conv2": (16, 6, 5, 5),
    "fc1": (120, 16 * 5 * 5),
    "fc2": (84, 120),
    "fc3": (43, 84),
}


def initial_parameters(seed):
    """He initialisation for the weights, zeros for the biases."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for name, shape in WEIGHT_SHAPES.items():
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        parameters[name + ".weight"] = rng.normal(0, deviation, shape).astype(np.float32)
        parameters[name + ".bias"] = np.zeros(shape[0], np.float32)
    return parameters


def parameter_count(parameters):
    """How many numbers the training adjusts."""
    return sum(int(value.size) for value in parameters.values())


def convolution(parameters, name, x):
    """5x5 convolution without padding, then ReLU and 2x2 max pooling."""
    weight, bias = parameters[name + ".weight"], parameters[name + ".bias"]
    x = jax.lax.conv_general_dilated(x, weight, (1, 1), "VALID",
                                     dimension_numbers=("NCHW", "OIHW", "NCHW"))
    x = jax.nn.relu(x + bias[None, :, None, None])
    n, channels, height, width = x.shape
    # Pooling as a reshape: its gradient is far faster on a CPU than that of a window.
    return x.reshape(n, channels, height // 2, 2, width // 2, 2).max(axis=(3, 5))


def fully_connected(parameters, name, x):
    """Weighted sums of all inputs plus a bias."""
    return x @ parameters[name + ".weight"].T + parameters[name + ".bias"]


def logits(parameters, x):
    """Input [n, 1, 32, 32] to one score per class [n, 43]."""
    x = convolution(parameters, "conv1", x)
    x = convolution(parameters, "conv2", x)
    x = x.reshape(x.shape[0], -1)
    x = jax.nn.relu(fully_connected(parameters, "fc1", x))
    x = jax.nn.relu(fully_connected(parameters, "fc2", x))
    return fully_connected(parameters, "fc3", x)


def loss(parameters, statistics, x, labels):
    """Mean cross-entropy; there are no running statistics to change."""
    log_probabilities = jax.nn.log_softmax(logits(parameters, x))
    return -jnp.take_along_axis(log_probabilities, labels[:, None], axis=1).mean(), statistics


def predict(parameters, x, batch=1000):
    """Logits of a large set, computed in batches."""
    forward = jax.jit(logits)
    return np.concatenate([np.asarray(forward(parameters, x[i:i + batch]))
                           for i in range(0, len(x), batch)])
