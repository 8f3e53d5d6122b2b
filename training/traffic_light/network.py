"""Inception-v3's topology with fewer channels, without the auxiliary head.

After Szegedy et al. 2016 (arXiv:1512.00567), in the form that torchvision and
TF-slim have: stem, three blocks at 1/8 of the size, a reduction, four blocks
with 1x7 and 7x1 convolutions, a reduction, two blocks with split 3x3, global
pooling.
"""

from functools import partial

from traffic_light.settings import CLASS_COUNT, WIDTH


class Blocks:
    """The parts of the network on one `net`, named by where they stand."""

    def __init__(self, net, width):
        self.net, self.width = net, width
        self.made = 0

    def conv(self, x, channels, kernel=1, stride=1, padding=None):
        """Convolution, batch normalisation and ReLU; `channels` as in the full network."""
        self.made += 1
        return self.net.conv(x, f"conv{self.made:02}", round(channels * self.width), kernel,
                             stride, padding, activation="relu")

    def chain(self, x, *steps):
        """Convolutions one after the other, each (channels, kernel)."""
        for channels, kernel in steps:
            x = self.conv(x, channels, kernel)
        return x

    def pooled(self, x, channels):
        """3x3 average pooling, then a 1x1 convolution."""
        return self.conv(self.net.average_pool(x, 3, 1, 1), channels)

    def stem(self, x):
        """Plain convolutions and pooling down to 1/8."""
        x = self.conv(x, 32, 3, 2, 0)
        x = self.conv(x, 32, 3, 1, 0)
        x = self.net.max_pool(self.conv(x, 64, 3), 3, 2)
        x = self.conv(self.conv(x, 80), 192, 3, 1, 0)
        return self.net.max_pool(x, 3, 2)

    def block_a(self, x, pool_channels):
        """1x1, 5x5, twice 3x3 and pooling, side by side."""
        return self.net.concat([
            self.conv(x, 64),
            self.chain(x, (48, 1), (64, 5)),
            self.chain(x, (64, 1), (96, 3), (96, 3)),
            self.pooled(x, pool_channels)])

    def reduction_b(self, x):
        """Halves the size."""
        return self.net.concat([
            self.conv(x, 384, 3, 2, 0),
            self.conv(self.chain(x, (64, 1), (96, 3)), 96, 3, 2, 0),
            self.net.max_pool(x, 3, 2)])

    def block_c(self, x, inner):
        """7x7 convolutions split into 1x7 and 7x1."""
        wide, tall = (1, 7), (7, 1)
        return self.net.concat([
            self.conv(x, 192),
            self.chain(x, (inner, 1), (inner, wide), (192, tall)),
            self.chain(x, (inner, 1), (inner, tall), (inner, wide), (inner, tall), (192, wide)),
            self.pooled(x, 192)])

    def reduction_d(self, x):
        """Halves the size."""
        return self.net.concat([
            self.conv(self.conv(x, 192), 320, 3, 2, 0),
            self.conv(self.chain(x, (192, 1), (192, (1, 7)), (192, (7, 1))), 192, 3, 2, 0),
            self.net.max_pool(x, 3, 2)])

    def block_e(self, x):
        """3x3 convolutions split into 1x3 and 3x1 side by side."""
        def split(y):
            return [self.conv(y, 384, (1, 3)), self.conv(y, 384, (3, 1))]
        return self.net.concat([
            self.conv(x, 320),
            *split(self.conv(x, 384)),
            *split(self.chain(x, (448, 1), (384, 3))),
            self.pooled(x, 192)])


def inception_v3(net, x, width, classes):
    """Input [n, height, width, 3] to the output `logits` [n, classes]."""
    blocks = Blocks(net, width)
    x = blocks.stem(x)
    for pool_channels in (32, 64, 64):
        x = blocks.block_a(x, pool_channels)
    x = blocks.reduction_b(x)
    for inner in (128, 160, 160, 192):
        x = blocks.block_c(x, inner)
    x = blocks.reduction_d(x)
    for _ in range(2):
        x = blocks.block_e(x)
    return net.output(net.linear(net.global_average(x), "fc", classes), "logits")


network = partial(inception_v3, width=WIDTH, classes=CLASS_COUNT)
