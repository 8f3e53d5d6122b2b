"""The operations that networks are written in, as JAX computes them.

A network is a function `network(net, x)` of operations `net` and an input `x`.
The same function is run by a `Sketch`, which makes the first weights, by a
`Forward`, which computes, and by `onnx_export.Graph`, which writes the file;
so what is written is what was trained.

Pictures lie in memory as [n, height, width, channels], weights as [height,
width, in, out]: the layouts that JAX is fast with on a CPU. The export turns
both into ONNX's.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

EPSILON = 1e-3  # added to the variance, as Inception-v3 and MobileNetV2 have it
MOMENTUM = 0.95  # share of a running statistic that one batch leaves as it was

ACTIVATIONS = {
    None: lambda x: x,
    "relu": jax.nn.relu,
    "relu6": lambda x: jnp.clip(x, 0, 6),
    "silu": lambda x: x * jax.nn.sigmoid(x),
}


def pair(value):
    """(for the height, for the width) of a value given once or twice."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def same_padding(kernel, dilation=1):
    """Zeros on each side that keep height and width with an odd kernel and stride 1."""
    return tuple(d * (k - 1) // 2 for k, d in zip(pair(kernel), pair(dilation)))


class Sketch:
    """Draws first weights; a value is only its number of channels here."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.parameters, self.statistics = {}, {}

    def _weight(self, name, shape):
        """Normal values, so spread that a layer with ReLU keeps the variance."""
        deviation = np.sqrt(2 / np.prod(shape[:-1]))  # He et al. 2015
        self.parameters[name + ".weight"] = self.rng.normal(0, deviation, shape).astype(np.float32)

    def _vector(self, table, name, size, value):
        table[name] = np.full(size, value, np.float32)

    def _norm(self, name, channels, norm):
        if norm:
            self._vector(self.parameters, name + ".scale", channels, 1)
            self._vector(self.statistics, name + ".mean", channels, 0)
            self._vector(self.statistics, name + ".variance", channels, 1)
        self._vector(self.parameters, name + ".bias", channels, 0)

    def conv(self, x, name, channels, kernel=3, stride=1, padding=None, dilation=1,
             norm=True, activation=None):
        self._weight(name, (*pair(kernel), x, channels))
        self._norm(name, channels, norm)
        return channels

    def depthwise(self, x, name, kernel=3, stride=1, activation=None):
        self._weight(name, (*pair(kernel), 1, x))
        self.parameters[name + ".weight"] = self.parameters[name + ".weight"].squeeze(2)
        self._norm(name, x, True)
        return x

    def linear(self, x, name, outputs):
        self._weight(name, (x, outputs))
        self._norm(name, outputs, False)
        return outputs

    def concat(self, parts):
        return sum(parts)

    def add(self, x, _):
        return x

    def output(self, x, _):
        return x

    def _unchanged(self, x, *_, **__):
        return x

    max_pool = average_pool = global_average = nearest = bilinear = _unchanged


class Forward:
    """Computes; in training with the batch's statistics, which it collects in `updated`."""

    def __init__(self, parameters, statistics, training=False):
        self.parameters, self.statistics = parameters, statistics
        self.training = training
        self.updated, self.outputs = dict(statistics), {}

    def _finish(self, x, name, norm, activation):
        """Batch normalisation if wanted, bias and activation."""
        bias = self.parameters[name + ".bias"]
        if norm:
            mean, variance = self._moments(x, name)
            scale = self.parameters[name + ".scale"] * jax.lax.rsqrt(variance + EPSILON)
            x, bias = x * scale, bias - mean * scale
        return ACTIVATIONS[activation](x + bias)

    def _moments(self, x, name):
        """Mean and variance per channel: of the batch in training, else the running ones."""
        old = [self.statistics[f"{name}.{kind}"] for kind in ("mean", "variance")]
        if not self.training:
            return old
        mean = x.mean(axis=(0, 1, 2))
        new = mean, jnp.square(x - mean).mean(axis=(0, 1, 2))
        for kind, before, now in zip(("mean", "variance"), old, new):
            self.updated[f"{name}.{kind}"] = MOMENTUM * before + (1 - MOMENTUM) * now
        return new

    def conv(self, x, name, channels, kernel=3, stride=1, padding=None, dilation=1,
             norm=True, activation=None):
        """Convolution with batch normalisation (else only a bias) and an activation.

        `padding` is per side, by default what keeps the size. `channels` is
        checked against the weights by the addition that follows.
        """
        padding = same_padding(kernel, dilation) if padding is None else pair(padding)
        x = jax.lax.conv_general_dilated(
            x, self.parameters[name + ".weight"], pair(stride), [(p, p) for p in padding],
            rhs_dilation=pair(dilation), dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return self._finish(x, name, norm, activation)

    def depthwise(self, x, name, kernel=3, stride=1, activation=None):
        """Each channel with a kernel of its own, then batch normalisation.

        The kernel is odd and the padding keeps the size.
        """
        x = filtered(x, self.parameters[name + ".weight"], stride)
        return self._finish(x, name, True, activation)

    def linear(self, x, name, outputs):
        """Weighted sums of [n, channels] plus a bias."""
        return x @ self.parameters[name + ".weight"] + self.parameters[name + ".bias"]

    def max_pool(self, x, kernel, stride, padding=0):
        """The largest value of each square window; along one axis after the other."""
        for axis in (0, 1):
            shape = (kernel, 1) if axis == 0 else (1, kernel)
            parts = [part for _, part in
                     windows(x, shape, tuple(stride if k > 1 else 1 for k in shape),
                             tuple(padding if k > 1 else 0 for k in shape), -jnp.inf)]
            x = parts[0]
            for part in parts[1:]:
                x = jnp.maximum(x, part)
        return x

    def average_pool(self, x, kernel, stride, padding=0):
        """The mean of each square window; zeros beyond the edge count."""
        parts = [part for _, part in windows(x, kernel, stride, pair(padding))]
        return sum(parts) / np.float32(len(parts))

    def global_average(self, x):
        """[n, height, width, channels] to [n, channels]."""
        return x.mean(axis=(1, 2))

    def concat(self, parts):
        return jnp.concatenate(parts, axis=-1)

    def add(self, x, y):
        return x + y

    def nearest(self, x, factor):
        """Each value `factor` times in both directions."""
        return jnp.repeat(jnp.repeat(x, factor, axis=1), factor, axis=2)

    def bilinear(self, x, factor):
        """Enlarged with pixel centres at halves and the edge values kept outwards."""
        n, height, width, channels = x.shape
        return jax.image.resize(x, (n, height * factor, width * factor, channels), "bilinear")

    def output(self, x, name):
        """Marks a result of the network."""
        self.outputs[name] = x
        return x


def windows(x, kernel, stride, padding, fill=0.0):
    """((row, column), the values that lie under this place of the kernel) for each place."""
    (kh, kw), (sh, sw), (ph, pw) = pair(kernel), pair(stride), padding
    height, width = x.shape[1] + 2 * ph, x.shape[2] + 2 * pw
    if ph or pw:
        x = jnp.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)), constant_values=fill)
    for i in range(kh):
        for j in range(kw):
            yield (i, j), x[:, i:height - kh + i + 1:sh, j:width - kw + j + 1:sw]


def shifted_products(x, weight, stride):
    """Each channel of [n, height, width, channels] with its own of [rows, columns, channels]."""
    kernel = weight.shape[:2]
    return sum(part * weight[i, j]
               for (i, j), part in windows(x, kernel, stride, same_padding(kernel)))


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def filtered(x, weight, stride):
    """`shifted_products` with a gradient of its own.

    JAX has no fast gradient of a grouped convolution on a CPU.
    """
    return shifted_products(x, weight, stride)


def filtered_forward(x, weight, stride):
    return shifted_products(x, weight, stride), (x, weight)


def filtered_backward(stride, saved, gradient):
    """Gradients for the input and the weight.

    That of the weight is summed picture by picture: one picture stays in the
    processor's cache.
    """
    x, weight = saved
    kernel, padding = weight.shape[:2], same_padding(weight.shape[:2])

    def add_picture(total, one):
        picture, above = one
        parts = [(part[0] * above).sum(axis=(0, 1))
                 for _, part in windows(picture[None], kernel, stride, padding)]
        return total + jnp.stack(parts), None

    zeros = jnp.zeros((kernel[0] * kernel[1], x.shape[-1]), x.dtype)
    for_weight = jax.lax.scan(add_picture, zeros, (x, gradient))[0].reshape(weight.shape)
    _, transposed = jax.vjp(lambda x: shifted_products(x, weight, stride), x)
    return *transposed(gradient), for_weight


filtered.defvjp(filtered_forward, filtered_backward)


def forward(network, parameters, statistics, x):
    """The outputs of a trained network as a dict; `x` is [n, height, width, channels]."""
    net = Forward(parameters, statistics)
    network(net, x)
    return net.outputs


def initial(network, seed, input_channels=3):
    """(parameters, statistics) before training."""
    sketch = Sketch(seed)
    network(sketch, input_channels)
    return sketch.parameters, sketch.statistics


def count(parameters):
    """How many numbers the exported network has: scales are folded into the weights."""
    return sum(int(value.size) for name, value in parameters.items()
               if not name.endswith(".scale"))
