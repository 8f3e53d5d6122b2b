"""MobileNetV2's topology with fewer channels.

After Sandler et al. 2018 (arXiv:1801.04381), table 2, in the form that
torchvision has: 3x3 convolutions pad one pixel on each side.
"""

from functools import partial

from image_classification.settings import CLASS_COUNT, WIDTH

# Expansion, channels, how many, stride of the first.
BOTTLENECKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
               (6, 160, 3, 2), (6, 320, 1, 1)]
FIRST_CHANNELS, LAST_CHANNELS = 32, 1280


def scaled(channels, width):
    """A multiple of 8 near the share `width` of the channels, at least 90 % of it."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def bottleneck(net, x, name, incoming, expansion, channels, stride):
    """Widen, filter each channel, narrow without activation; add the input if it fits."""
    y = x
    if expansion > 1:
        y = net.conv(y, name + ".widen", incoming * expansion, 1, activation="relu6")
    y = net.depthwise(y, name + ".filter", 3, stride, activation="relu6")
    y = net.conv(y, name + ".narrow", channels, 1)
    return net.add(x, y) if stride == 1 and incoming == channels else y


def mobilenet_v2(net, x, width, classes):
    """Input [n, height, width, 3] to the output `logits` [n, classes]."""
    incoming, made = scaled(FIRST_CHANNELS, width), 0
    x = net.conv(x, "first", incoming, 3, 2, activation="relu6")
    for expansion, channels, repeats, stride in BOTTLENECKS:
        outgoing = scaled(channels, width)
        for i in range(repeats):
            made += 1
            x = bottleneck(net, x, f"block{made:02}", incoming, expansion, outgoing,
                           stride if i == 0 else 1)
            incoming = outgoing
    last = scaled(LAST_CHANNELS, max(1, width))
    x = net.conv(x, "last", last, 1, activation="relu6")
    return net.output(net.linear(net.global_average(x), "fc", classes), "logits")


network = partial(mobilenet_v2, width=WIDTH, classes=CLASS_COUNT)
