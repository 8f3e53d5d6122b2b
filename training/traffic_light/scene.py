"""A traffic light, or none, as a camera sees it.

A picture is what a detector would cut out, or somewhat more: from a narrow box
around the light to a wide view with the light in it. It is drawn at twice the
picture's size in the order in which a camera meets the flaws: background, other
things, the light, something in front, the hour, halos, lens blur, sensor noise.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing.lights import draw_light, shine
from drawing.signs import CLASS_COUNT as SIGN_COUNT
from drawing.signs import draw_sign
from learning.preprocess import stretched
from traffic_light.settings import CLASS_COUNT, IMAGE_SIZE

NONE, GREEN, RED = range(CLASS_COUNT)
_signs = {}


def random_colour(rng, darkest=30, lightest=215):
    """A muted colour as found beside a road."""
    return tuple(int(v) for v in np.clip(
        rng.uniform(darkest, lightest) + rng.normal(0, 22, 3), 0, 255))


def picture_size(rng):
    """(width, height) in pixels: a tight box, or a view that is about as wide as high."""
    height = int(np.exp(rng.uniform(np.log(22), np.log(170))))
    if rng.random() < 0.5:
        return max(10, round(height * rng.uniform(0.33, 0.7))), height
    return round(height * rng.uniform(0.7, 1.6)), height


def background(size, rng):
    """Sky or wall in blotches, with buildings, trees and lit windows or lamps."""
    width, height = size
    cells = int(rng.integers(2, 7))
    base = np.array(rng.choice([0, 1]) * np.array([-18, 0, 22]) + random_colour(rng, 60, 230))
    blotches = base + rng.normal(0, rng.uniform(3, 30), (cells, cells, 1))
    image = Image.fromarray(np.clip(blotches + rng.normal(0, 5, (cells, cells, 3)), 0, 255)
                            .astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(0, 4)):
        left, right = sorted(rng.uniform(-0.3, 1.3, 2) * width)
        draw.rectangle((left, rng.uniform(0, 1) * height, right, height), fill=random_colour(rng))
    for _ in range(rng.integers(0, 3)):
        x, y, a, b = rng.uniform(0, 1, 4) * [width, height, width / 2, height / 3]
        leaves = np.clip(np.array([50, 85, 40]) * rng.uniform(0.4, 1.7) + rng.normal(0, 10, 3),
                         0, 255)
        draw.ellipse((x - a, y - b, x + a, y + b), fill=tuple(int(v) for v in leaves))
    return image


def post(image, x, half, rng):
    """The post or the arm that a light or a lamp hangs on."""
    draw = ImageDraw.Draw(image)
    colour = random_colour(rng, 25, 140)
    if rng.random() < 0.7:
        draw.rectangle((x - half, image.height * rng.uniform(0.3, 0.6), x + half, image.height),
                       fill=colour)
    else:
        y = image.height * rng.uniform(0.1, 0.5)
        draw.rectangle((0, y - half, x, y + half), fill=colour)


def sign(image, rng):
    """A road sign somewhere: round and red, yet no light."""
    label = int(rng.integers(SIGN_COUNT))
    if label not in _signs:
        _signs[label] = draw_sign(label)
    side = max(6, round(min(image.size) * rng.uniform(0.4, 1.0)))
    drawn = _signs[label].resize((side, side), Image.Resampling.BILINEAR)
    left, top = (int(rng.uniform(-0.3, 0.7) * v) for v in image.size)
    image.paste(drawn, (left, top), drawn)


def misleading(image, rng):
    """Things with colours of a light: rear lamps of a car, a sign, shop windows."""
    draw = ImageDraw.Draw(image)
    width, height = image.size
    kind = rng.integers(4)
    if kind == 0:
        sign(image, rng)
    elif kind == 1:
        x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.5, 0.9) * height
        half = rng.uniform(0.15, 0.5) * width
        draw.rectangle((x - half, y - half * 0.8, x + half, y + half * 0.5),
                       fill=random_colour(rng))
        for side in (-1, 1):
            centre, r = x + side * half * 0.8, half * rng.uniform(0.08, 0.2)
            draw.rectangle((centre - r, y - r, centre + r, y + r),
                           fill=(int(rng.uniform(120, 255)), 25, 25))
    elif kind == 2:
        x, y, w, h = rng.uniform(0, 1, 4) * [width, height, width / 2, height / 3]
        colour = tuple(int(v) for v in rng.permutation(
            [rng.uniform(120, 250), rng.uniform(20, 200), rng.uniform(20, 100)]))
        draw.rectangle((x, y, x + w, y + h), fill=colour)
    else:
        x, half = rng.uniform(0.2, 0.8) * width, rng.uniform(0.03, 0.25) * width
        draw.rectangle((x - half, 0.1 * height, x + half, height), fill=random_colour(rng, 10, 90))


def turned(light, rng):
    """The light leaning a little, as lights and cameras do."""
    angle = float(np.clip(rng.normal(0, 3), -9, 9))
    light.picture, light.emission = (
        part.rotate(angle, Image.Resampling.BILINEAR, expand=True)
        for part in (light.picture, light.emission))
    return light


def place_light(image, state, rng):
    """Draws a light in the picture; returns it with its left top corner."""
    width, height = image.size
    wanted = height * rng.uniform(0.45, 0.98)
    light = turned(draw_light(state, rng, max(12, round(wanted))), rng)
    if light.picture.width > width * 0.98:
        scale = width * 0.98 / light.picture.width
        light.picture, light.emission = (
            part.resize((max(1, int(part.width * scale)), max(1, int(part.height * scale))),
                        Image.Resampling.BOX) for part in (light.picture, light.emission))
    left, top = (round((whole - part) * np.clip(rng.normal(0.5, 0.22), 0, 1))
                 for whole, part in zip(image.size, light.picture.size))
    post(image, left + light.picture.width / 2, max(1, light.picture.width * 0.06), rng)
    image.paste(light.picture, (left, top), light.picture)
    return light, left, top


def cover(image, light, left, top, rng):
    """A twig or leaves in front; hides some of the housing, hardly a lamp."""
    draw = ImageDraw.Draw(image)
    width, height = light.picture.size
    x = left + rng.choice([-0.05, 1.05]) * width
    for _ in range(rng.integers(1, 6)):
        cx, cy = x + rng.normal(0, 0.12) * width, top + rng.uniform(0, 1) * height
        a, b = rng.uniform(0.06, 0.25, 2) * width
        draw.ellipse((cx - a, cy - b, cx + a, cy + b), fill=random_colour(rng, 20, 120))


def camera(pixels, size, rng):
    """Exposure, blur and noise; float RGB values to a picture of the size."""
    pixels = np.clip(pixels, 0, 1) ** rng.uniform(0.8, 1.3) * rng.normal(1, 0.05, 3)
    pixels = (pixels - 0.5) * rng.uniform(0.6, 1.1) + 0.5 + rng.uniform(-0.12, 0.12)
    image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
    blur = rng.uniform(0, 1) ** 2 * min(3.0, 0.04 * min(image.size))
    image = image.filter(ImageFilter.GaussianBlur(blur)).resize(size, Image.Resampling.BOX)
    noise = rng.normal(0, rng.uniform(0, 9), (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).round().astype(np.uint8))


def state_for(label, rng):
    """What the light shows; None for no light at all. "none" is half and half."""
    if label == NONE:
        return rng.choice([None, None, "off", "yellow"])
    return {GREEN: "green", RED: "red"}[label]


def render(label, rng, size=None):
    """A flawed picture of a label; by default 22 to 170 pixels high."""
    size = size or picture_size(rng)
    image = background((2 * size[0], 2 * size[1]), rng)
    if rng.random() < 0.35:
        misleading(image, rng)
    state = state_for(label, rng)
    placed = None
    if state is not None:
        placed = place_light(image, state, rng)
        if rng.random() < 0.2:
            cover(image, *placed, rng)
    elif rng.random() < 0.6:
        misleading(image, rng)
    night = rng.random() < 0.25
    daylight = rng.uniform(0.08, 0.4) if night else rng.uniform(0.6, 1.1)
    pixels = np.asarray(image, np.float64) / 255 * daylight
    if state not in (None, "off"):
        strength = rng.uniform(0.4, 1.0) if night else rng.uniform(0.0, 0.35)
        shine(pixels, *placed, strength)
    return camera(pixels, size, rng)


def scene_rng(seed, label, index):
    """An independent random stream per picture, whatever the drawing order."""
    return np.random.default_rng([seed, label, index])


def render_inputs(seed, label, first, count):
    """Consecutive pictures of a label under a seed, at the network's size."""
    return np.stack([stretched(render(label, scene_rng(seed, label, i)), IMAGE_SIZE, IMAGE_SIZE)
                     for i in range(first, first + count)])


def render_shipped(seed, label, index):
    """A picture as it ships, around 128 by 96 pixels."""
    rng = scene_rng(seed, label, index)
    size = int(rng.integers(96, 161)), int(rng.integers(80, 121))
    return render(label, rng, size)
