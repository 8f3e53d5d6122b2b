"""Whole road scenes with their truth: boxes of all objects, lane lines."""

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

from drawing import road as roads
from drawing.lights import draw_light
from drawing.objects import Drawing, draw_parts
from drawing.signs import CLASS_COUNT, draw_sign
from drawing.weather import Weather, develop, random_weather, sky

# The classes of BDD100K in its order, as the detector answers.
CLASSES = ("person", "rider", "car", "bus", "truck", "bike", "motor", "traffic light green",
           "traffic light red", "traffic light yellow", "traffic light off", "traffic sign",
           "train")
STATES = ("green", "red", "yellow", "off")
LEAST_VISIBLE = 0.35  # share of an object that must be seen for it to count
LEAST_SIDES = (0.0078, 0.022)  # width and height of a box that counts, in frame widths

_signs = {}


@dataclass
class Item:
    """Something to paste, from far to near: where it stands and how it looks."""

    x: float
    z: float
    y: float  # metres of its lower edge above the ground
    drawing: Drawing
    sign: int | None = None
    light: object = None
    post: bool = False


@dataclass
class Box:
    """An object that can be seen; pixels, as far as it lies in the frame."""

    kind: str
    corners: tuple  # left, top, right, bottom
    sign: int | None = None  # class of a traffic sign


@dataclass
class Scene:
    """A rendered frame."""

    pixels: np.ndarray  # uint8 [height, width, 3]
    boxes: list
    lanes: dict  # {1..4: points}


@dataclass
class Builder:
    """What a scene is being made of."""

    camera: roads.Camera
    road: roads.Road
    weather: Weather
    rng: np.random.Generator
    items: list = field(default_factory=list)

    def scale(self, z):
        """Pixels of a metre at distance z."""
        return self.camera.focal / z

    def place(self, kind, x, z, view=None):
        drawing = draw_parts(kind, self.rng, self.scale(z), view)
        self.items.append(Item(x, z, 0.0, drawing))

    def beside(self, z, side, metres):
        """x at a distance beyond an edge of the road."""
        left, right = self.road.edges()
        return self.road.at(right if side > 0 else left, z) + side * metres


def add_traffic(builder):
    """Vehicles in the lanes: from behind in our direction, from the front in the other."""
    rng, road = builder.rng, builder.road
    kinds, chances = ("car", "truck", "bus", "rider"), (0.55, 0.17, 0.15, 0.13)
    for lane in range(-road.left, road.right + 1):
        z = rng.uniform(7, 30) if lane else rng.uniform(10, 45)
        view = "front" if lane < -road.left + road.oncoming else "rear"
        while z < 75 and rng.random() < 0.62:
            kind = str(rng.choice(kinds, p=chances))
            builder.place(kind, road.at(lane + rng.normal(0, 0.06), z), z, view)
            z *= rng.uniform(1.4, 2.6)


def add_roadside(builder):
    """People, parked vehicles, a train beside the road, traffic across it."""
    rng = builder.rng
    for kind, chance, most in (("person", 0.75, 3), ("bike", 0.45, 2), ("motor", 0.45, 2),
                               ("rider", 0.25, 1), ("car", 0.3, 2)):
        if rng.random() < chance:
            for _ in range(int(rng.integers(1, most + 1))):
                z = rng.uniform(6, 28)
                x = builder.beside(z, rng.choice([-1, 1]), rng.uniform(0.8, 3.0))
                builder.place(kind, x, z, None if kind != "car" else "rear")
    if rng.random() < 0.2:
        z = rng.uniform(9, 30)
        builder.place("person", builder.road.at(rng.uniform(-1, 1), z), z, "side")
    if rng.random() < 0.3:
        kind = str(rng.choice(["car", "bus", "truck"]))
        z = rng.uniform(15, 45)
        builder.place(kind, builder.road.at(rng.uniform(-2, 2), z), z, "side")
    if rng.random() < 0.3:
        if rng.random() < 0.6:
            z = rng.uniform(10, 40)
            builder.place("train", builder.beside(z, rng.choice([-1, 1]), rng.uniform(2.5, 6)), z,
                          str(rng.choice(["front", "rear"])))
        else:
            z = rng.uniform(28, 60)
            builder.place("train", builder.road.at(rng.uniform(-3, 3), z), z, "side")


def cut(image, label):
    """A picture without its transparent rim, as a `Drawing` of one box."""
    image = image.crop(image.getbbox() or (0, 0, 1, 1))
    return Drawing(image, [(label, 0, 0, *image.size)])


def add_lights(builder):
    """One to three traffic lights, beside or above the road, mostly in one state."""
    rng = builder.rng
    state = str(rng.choice(STATES, p=[0.3, 0.3, 0.22, 0.18]))
    z = rng.uniform(7, 30)
    for side in rng.permutation([-1, 0, 1])[:int(rng.integers(1, 4))]:
        if rng.random() < 0.15:
            state = str(rng.choice(STATES))
        tall, lower = rng.uniform(0.9, 1.3), rng.uniform(2.0, 2.8)
        x = builder.beside(z, side, rng.uniform(0.6, 1.8))
        if side == 0:  # over the road; farther away, or it would be above the frame
            z, lower, x = max(z, 18), rng.uniform(4.3, 5.2), builder.road.at(rng.uniform(-1, 1), z)
        light = draw_light(state, rng, max(4, round(tall * builder.scale(z))), pedestrian=False)
        drawing = Drawing(light.picture, [("traffic light " + state, 0, 0, *light.picture.size)])
        builder.items.append(Item(x, z, lower, drawing, light=light, post=True))


def add_signs(builder):
    """One to three signs on posts."""
    rng = builder.rng
    for _ in range(int(rng.integers(1, 4))):
        z, label = rng.uniform(6, 24), int(rng.integers(CLASS_COUNT))
        if label not in _signs:
            _signs[label] = draw_sign(label)
        pixels = max(4, round(rng.uniform(0.7, 1.0) * builder.scale(z)))
        image = _signs[label].resize((pixels, pixels), Image.Resampling.BILINEAR, reducing_gap=2)
        x = builder.beside(z, rng.choice([-1, 1], p=[0.3, 0.7]), rng.uniform(0.6, 1.8))
        builder.items.append(Item(x, z, rng.uniform(1.7, 2.6), cut(image, "traffic sign"),
                                  sign=label, post=True))


def backdrop(builder):
    """Sky, ground and houses or trees beside the road."""
    rng, camera, road = builder.rng, builder.camera, builder.road
    image = sky(rng, camera, builder.weather)
    draw = ImageDraw.Draw(image)
    roads.draw_ground(draw, camera, road, rng)
    image = builder.weather.haze_ground(image, camera)
    draw = ImageDraw.Draw(image)
    haze, built = builder.weather.haze, rng.uniform(0, 1)
    for z in np.geomspace(90, 7, 12):
        for side in (-1, 1):
            x = builder.beside(z, side, rng.uniform(5, 9))
            if rng.random() < 0.6 * built:
                roads.draw_building(draw, camera, side, x, z, z * rng.uniform(1.15, 1.5), rng, haze)
            elif rng.random() < 0.6:
                roads.draw_tree(draw, camera, x, z, rng, haze)
    return image


def paste(builder, image, owner, number, item):
    """Draws one item; marks its pixels in `owner`; returns its corner and all its pixels."""
    camera, picture = builder.camera, item.drawing.image
    x, y = camera.project(item.x, item.z, item.y)
    left, top = round(x - picture.width / 2), round(y) - picture.height
    draw = ImageDraw.Draw(image)
    scale = builder.scale(item.z)
    if item.post:
        foot = camera.project(item.x, item.z)[1]
        draw.rectangle((x - 0.05 * scale, y - 1, x + 0.05 * scale, foot),
                       fill=builder.weather.haze((95, 97, 100), item.z))
    else:
        half, thick = picture.width / 2, 0.18 * scale
        draw.ellipse((x - half, y - thick, x + half, y + thick), fill=(38, 39, 42))
    alpha = picture.getchannel("A")
    image.paste(builder.weather.haze_picture(picture, item.z), (left, top), alpha)
    solid = np.asarray(alpha) > 127
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(camera.height, top + picture.height), min(camera.width, left + picture.width)
    if y1 > y0 and x1 > x0:
        owner[y0:y1, x0:x1][solid[y0 - top:y1 - top, x0 - left:x1 - left]] = number
    return left, top, int(solid.sum())


def boxes_of(item, left, top, camera):
    """The boxes of an item as far as they lie in the frame, unless too small to count."""
    for kind, x0, y0, x1, y1 in item.drawing.boxes:
        corners = (max(0, left + x0), max(0, top + y0), min(camera.width, left + x1),
                   min(camera.height, top + y1))
        if (corners[2] - corners[0] >= LEAST_SIDES[0] * camera.width
                and corners[3] - corners[1] >= LEAST_SIDES[1] * camera.width):
            yield Box(kind, corners, item.sign)


def render(rng, width, height):
    """A random scene drawn directly at `width` by `height` pixels (16 to 9)."""
    builder = Builder(roads.random_camera(rng, width, height), roads.random_road(rng),
                      random_weather(rng), rng)
    add_traffic(builder)
    add_roadside(builder)
    if rng.random() < 0.8:
        add_lights(builder)
    if rng.random() < 0.8:
        add_signs(builder)
    image = backdrop(builder)
    owner = np.full((height, width), -1, np.int16)
    builder.items.sort(key=lambda item: -item.z)
    pasted = [paste(builder, image, owner, i, item) for i, item in enumerate(builder.items)]
    seen = np.bincount(owner[owner >= 0], minlength=len(pasted))
    boxes, shining = [], []
    for item, (left, top, whole), count in zip(builder.items, pasted, seen):
        if count >= LEAST_VISIBLE * max(1, whole):
            boxes += boxes_of(item, left, top, builder.camera)
            if item.light and count >= 0.9 * whole:
                shining.append((item.light, left, top))
    pixels = develop(image, shining, builder.weather, rng)
    return Scene(pixels, boxes, roads.lane_lines(builder.camera, builder.road))
