"""LaneNet: VGG-16 whose later stages look farther instead of pooling.

After SCNN's network for CULane (Pan et al. 2018), without its message passing:
pools only after the first three stages, the fifth stage dilated by 2, then a
convolution dilated by 4, two that mix channels, and enlargement to the size of
the input.
"""

STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))  # layers and channels of VGG-16
POOLED_STAGES = 3
CLASSES = 5  # background and four lines


def lane_net(net, x, divisor):
    """The network with every width over `divisor`; output `lanes`."""
    for stage, (layers, channels) in enumerate(STAGES, 1):
        for layer in range(1, layers + 1):
            x = net.conv(x, f"stage{stage}.{layer}", channels // divisor,
                         dilation=2 if stage == len(STAGES) else 1, activation="relu")
        if stage <= POOLED_STAGES:
            x = net.max_pool(x, 2, 2)
    x = net.conv(x, "wide", 1024 // divisor, dilation=4, activation="relu")
    x = net.conv(x, "mixed", 128 // divisor, kernel=1, activation="relu")
    x = net.conv(x, "classes", CLASSES, kernel=1, norm=False)
    net.output(net.bilinear(x, 2 ** POOLED_STAGES), "lanes")
