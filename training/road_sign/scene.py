"""Turns a clean sign into a small, flawed picture of it.

A scene is rendered at twice the final size and then averaged down, in the
order in which a camera meets the flaws: background, viewpoint, something in
front of the sign, light, lens blur, sensor noise, eight-bit values.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing.pen import SIGN_SIZE
from drawing.signs import CLASS_COUNT, draw_sign

IMAGE_SIZE = 32
SCENE_SIZE = 2 * IMAGE_SIZE

_clean_signs = {}


def clean_sign(label):
    """The undistorted sign, drawn once per process."""
    if label not in _clean_signs:
        _clean_signs[label] = draw_sign(label)
    return _clean_signs[label]


def random_colour(rng):
    """A muted colour as found beside a road: sky, leaves, walls, tarmac."""
    grey = rng.uniform(30, 220)
    return tuple(int(v) for v in np.clip(grey + rng.normal(0, 25, 3), 0, 255))


def background(rng):
    """Smooth random blotches with a few hard-edged shapes on top."""
    cells = int(rng.integers(2, 9))
    spread = rng.uniform(5, 50)
    blotches = np.array(random_colour(rng)) + rng.normal(0, spread, (cells, cells, 1))
    blotches = blotches + rng.normal(0, spread / 3, (cells, cells, 3))
    image = Image.fromarray(np.clip(blotches, 0, 255).astype(np.uint8))
    image = image.resize((SCENE_SIZE, SCENE_SIZE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 4)):
        corners = rng.uniform(-10, SCENE_SIZE + 10, (3 + int(rng.integers(2)), 2))
        draw.polygon([tuple(c) for c in corners], fill=random_colour(rng))
    if rng.random() < 0.6:  # the post the sign is mounted on
        x, half = SCENE_SIZE / 2 + rng.normal(0, 3), rng.uniform(1, 3)
        draw.rectangle((x - half, SCENE_SIZE / 2, x + half, SCENE_SIZE), fill=random_colour(rng))
    return image


def viewpoint(rng):
    """Coefficients that map scene pixels back to sign pixels.

    The corners of the sign are scaled, turned, shifted and then moved one by
    one, which gives perspective; the eight unknowns follow from the four
    pairs of corners.
    """
    half = SCENE_SIZE / 2 * rng.uniform(0.65, 1.0)
    angle = np.radians(np.clip(rng.normal(0, 6), -15, 15))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    squeeze = np.array([rng.uniform(0.85, 1.0), rng.uniform(0.92, 1.0)])
    unit = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    corners = (unit * squeeze * half) @ turn.T
    corners += SCENE_SIZE / 2 + rng.uniform(-3, 3, 2) + rng.normal(0, 1.5, (4, 2))
    targets = (unit + 1) * SIGN_SIZE / 2
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, targets):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return np.linalg.solve(np.array(rows), np.array(values))


def occlude(image, rng):
    """Leaves or a branch over the rim, or a thin twig across the sign.

    Covers stay near the rim or thin, because a covered digit would leave an
    image that nobody could label.
    """
    draw = ImageDraw.Draw(image)
    middle = SCENE_SIZE / 2
    if rng.random() < 0.5:
        angle, reach = rng.uniform(0, 2 * np.pi), middle * rng.uniform(0.85, 1.05)
        centre = middle + reach * np.array([np.cos(angle), np.sin(angle)])
        for _ in range(rng.integers(1, 5)):
            x, y = centre + rng.normal(0, 4, 2)
            a, b = rng.uniform(3, 8, 2)
            draw.ellipse((x - a, y - b, x + a, y + b), fill=random_colour(rng))
    else:
        ends = middle + rng.uniform(-middle, middle, (2, 2))
        draw.line([tuple(e) for e in ends], fill=random_colour(rng), width=int(rng.integers(1, 4)))


def relight(pixels, rng):
    """Daylight, dusk, haze, a colour cast, and a shadow gradient (0..1 values)."""
    grey = pixels.mean(axis=2, keepdims=True)
    pixels = grey + (pixels - grey) * rng.uniform(0.5, 1.15)  # faded paint
    pixels = np.clip(pixels, 0, 1) ** rng.uniform(0.7, 1.5)  # exposure curve
    direction, strength = rng.normal(0, 1, 2), rng.uniform(0, 0.3)
    ramp = np.linspace(-1, 1, SCENE_SIZE)
    slope = direction[0] * ramp[:, None] + direction[1] * ramp[None, :]
    shade = 1 + strength * slope / (np.abs(slope).max() + 1e-6)
    cast = rng.normal(1, 0.07, 3)
    pixels = pixels * shade[:, :, None] * cast
    contrast, brightness = rng.uniform(0.3, 1.1), rng.uniform(-0.25, 0.22)
    return (pixels - 0.5) * contrast + 0.5 + brightness


def render(label, rng):
    """One flawed 32x32 RGB image of a class, as uint8 [32, 32, 3]."""
    size = (SCENE_SIZE, SCENE_SIZE)
    sign = clean_sign(label).transform(
        size, Image.Transform.PERSPECTIVE, viewpoint(rng), Image.Resampling.BILINEAR)
    image = background(rng)
    image.paste(sign, (0, 0), sign)
    if rng.random() < 0.3:
        occlude(image, rng)
    pixels = relight(np.asarray(image, dtype=np.float64) / 255, rng)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 2.0)))
    image = image.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX)
    noise = rng.normal(0, rng.uniform(0, 12), (IMAGE_SIZE, IMAGE_SIZE, 3))
    return np.clip(np.asarray(image) + noise, 0, 255).round().astype(np.uint8)


def scene_rng(seed, label, index):
    """An independent random stream per image, whatever the drawing order."""
    return np.random.default_rng([seed, label, index])


def render_class(seed, label, count):
    """The first `count` images of one class under one seed."""
    return np.stack([render(label, scene_rng(seed, label, i)) for i in range(count)])


def render_set(pool, seed, count_per_class):
    """Images [n, 32, 32, 3] and labels [n] of all classes, in class order."""
    jobs = [(seed, label, count_per_class) for label in range(CLASS_COUNT)]
    images = np.concatenate(pool.starmap(render_class, jobs, chunksize=1))
    return images, np.repeat(np.arange(CLASS_COUNT, dtype=np.int32), count_per_class)
