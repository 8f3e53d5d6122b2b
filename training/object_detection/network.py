"""YOLOv5, version 6, with the depth of its small model and any width.

A 6x6 stem, blocks that split, transform and join their channels (C3), fast
pyramid pooling (SPPF), and a neck that passes features down and up again (PAN).
"""

CHANNELS = (64, 128, 256, 512, 1024)
BACKBONE_DEPTHS = (1, 2, 3, 1)  # YOLOv5's (3, 6, 9, 3) times 0.33
NECK_DEPTH = 1
ANCHORS_PER_CELL = 3
STRIDES = {"p3": 8, "p4": 16, "p5": 32}


def block(net, x, name, channels, kernel=1, stride=1, padding=None):
    """Convolution, batch normalisation, SiLU."""
    return net.conv(x, name, channels, kernel, stride, padding, activation="silu")


def c3(net, x, name, channels, depth, shortcut):
    """Half of the channels through `depth` bottlenecks, half past them."""
    half = channels // 2
    through = block(net, x, f"{name}.in", half)
    for i in range(1, depth + 1):
        y = block(net, through, f"{name}.{i}.narrow", half)
        y = block(net, y, f"{name}.{i}.look", half, 3)
        through = net.add(through, y) if shortcut else y
    past = block(net, x, f"{name}.past", half)
    return block(net, net.concat([through, past]), f"{name}.out", channels)


def sppf(net, x, name, channels):
    """Pools of growing reach side by side."""
    parts = [block(net, x, f"{name}.in", channels // 2)]
    for _ in range(3):
        parts.append(net.max_pool(parts[-1], 5, 1, 2))
    return block(net, net.concat(parts), f"{name}.out", channels)


def backbone(net, x, widths):
    """Features at strides 8, 16 and 32."""
    x = block(net, x, "stem", widths[0], 6, 2, 2)
    levels = []
    for i, (channels, depth) in enumerate(zip(widths[1:], BACKBONE_DEPTHS), 2):
        x = block(net, x, f"down{i}", channels, 3, 2)
        x = c3(net, x, f"stage{i}", channels, depth, True)
        levels.append(x)
    return levels[1], levels[2], sppf(net, levels[3], "sppf", widths[4])


def neck(net, levels, widths):
    """Every level with what the others see: from coarse to fine and back."""
    fine, middle, coarse = levels
    coarse = block(net, coarse, "lateral5", widths[3])
    y = net.concat([net.nearest(coarse, 2), middle])
    y = c3(net, y, "up4", widths[3], NECK_DEPTH, False)
    middle = block(net, y, "lateral4", widths[2])
    y = net.concat([net.nearest(middle, 2), fine])
    p3 = c3(net, y, "up3", widths[2], NECK_DEPTH, False)
    y = net.concat([block(net, p3, "again4", widths[2], 3, 2), middle])
    p4 = c3(net, y, "join4", widths[3], NECK_DEPTH, False)
    y = net.concat([block(net, p4, "again5", widths[3], 3, 2), coarse])
    return p3, p4, c3(net, y, "join5", widths[4], NECK_DEPTH, False)


def yolo(net, x, multiple, classes):
    """Outputs `p3`, `p4`, `p5`: per cell three times (box, objectness, classes)."""
    widths = [int(multiple * channels) for channels in CHANNELS]
    for name, level in zip(STRIDES, neck(net, backbone(net, x, widths), widths)):
        level = net.conv(level, name, ANCHORS_PER_CELL * (5 + classes), 1, norm=False)
        net.output(level, name)
