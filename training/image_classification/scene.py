"""One road user, light or sign in front of a road, or the road with nothing on it."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from drawing.lights import STATES, draw_light
from drawing.objects import draw_object
from drawing.road import random_camera, random_road
from drawing.scene import Builder, backdrop
from drawing.signs import CLASS_COUNT as SIGN_COUNT
from drawing.signs import draw_sign
from drawing.weather import develop, random_weather
from image_classification.settings import CLASS_NAMES, IMAGE_SIZE
from learning.preprocess import stretched

SHIPPED_SIZE = 256  # pixels, both ways, of the pictures that ship
_signs = {}


def sign_picture(rng, height):
    """A road sign as an RGBA picture, leaning and turned a little."""
    label = int(rng.integers(SIGN_COUNT))
    if label not in _signs:
        _signs[label] = draw_sign(label)
    size = max(4, round(height * rng.uniform(0.75, 1))), max(4, round(height))
    image = _signs[label].resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    return image.rotate(float(rng.normal(0, 4)), Image.Resampling.BILINEAR)


def thing(name, rng, height):
    """(RGBA picture, the traffic light or None) of a class, about `height` pixels high."""
    if name == "traffic light":
        light = draw_light(str(rng.choice(STATES)), rng, round(height))
        return light.picture, light
    if name == "traffic sign":
        return sign_picture(rng, height), None
    return draw_object(name, rng, height), None


def sized(name, rng, size):
    """A thing that fills 45 to 95 % of the picture in its longer direction."""
    wanted = size * rng.uniform(0.45, 0.95)
    state = rng.bit_generator.state
    picture, light = thing(name, rng, wanted)
    if picture.width > wanted:  # drawn again, smaller: scaling would lose the lamps' shine
        rng.bit_generator.state = state
        picture, light = thing(name, rng, wanted * wanted / picture.width)
    return picture, light


def place(image, picture, on_post, rng):
    """Pastes a thing on its shadow or its post; returns its left upper corner."""
    size = image.width
    left = round((size - picture.width) * np.clip(rng.normal(0.5, 0.15), 0, 1))
    top = round((size - picture.height) * (rng.uniform(0, 0.6) if on_post
                                           else rng.uniform(0.6, 1)))
    draw, bottom = ImageDraw.Draw(image), top + picture.height
    if on_post:
        x, half = left + picture.width / 2, max(1, 0.012 * size)
        draw.rectangle((x - half, bottom - 1, x + half, size), fill=(95, 97, 100))
    else:
        thick = 0.03 * picture.width + 1
        draw.ellipse((left, bottom - thick, left + picture.width, bottom + thick),
                     fill=(38, 39, 42))
    image.paste(picture, (left, top), picture)
    return left, top


def cover(image, rng):
    """A post or leaves in front of a small part of the picture."""
    draw, size = ImageDraw.Draw(image), image.width
    x, half = rng.uniform(0, 1) * size, rng.uniform(0.01, 0.03) * size
    if rng.random() < 0.5:
        draw.rectangle((x - half, 0, x + half, size), fill=(90, 88, 84))
        return
    for _ in range(rng.integers(2, 7)):
        cx, cy = x + rng.normal(0, 0.05) * size, rng.uniform(0, 1) * size
        a, b = rng.uniform(0.02, 0.07, 2) * size
        draw.ellipse((cx - a, cy - b, cx + a, cy + b), fill=(60, 90, 45))


def render(label, rng, size=None):
    """A flawed square picture of a class; by default 90 to 200 pixels wide."""
    size = size or int(rng.integers(90, 201))
    weather = random_weather(rng)
    builder = Builder(random_camera(rng, size, size), random_road(rng), weather, rng)
    image, shining = backdrop(builder), []
    name = CLASS_NAMES[label]
    if name != "road":
        picture, light = sized(name, rng, size)
        left, top = place(image, picture, name in ("traffic light", "traffic sign"), rng)
        shining = [(light, left, top)] if light else []
    if rng.random() < 0.2:
        cover(image, rng)
    image = Image.fromarray(develop(image, shining, weather, rng))
    return image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1) ** 3 * 0.015 * size))


def scene_rng(seed, label, index):
    """An independent random stream per picture, whatever the drawing order."""
    return np.random.default_rng([seed, label, index])


def render_inputs(seed, label, first, count):
    """Consecutive pictures of a class under a seed, at the network's size."""
    return np.stack([stretched(render(label, scene_rng(seed, label, i)), IMAGE_SIZE, IMAGE_SIZE)
                     for i in range(first, first + count)])


def render_shipped(seed, label, index):
    """A picture as it ships."""
    return render(label, scene_rng(seed, label, index), SHIPPED_SIZE)
