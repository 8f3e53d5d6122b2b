"""Traffic lights, drawn from simple shapes.

A light is drawn as it looks by day, together with a mask of what shines, so that
a scene can darken the housing at night and let the lamp glow.
"""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

STATES = ("green", "red", "yellow", "off")
OVERSAMPLING = 3  # drawn this much larger and then averaged down: smooth edges

# Lit colours, from one make of lamp to the other: old bulbs behind glass, then LEDs.
LIT = {
    "red": ((255, 60, 30), (255, 25, 45)),
    "yellow": ((255, 180, 20), (255, 215, 50)),
    "green": ((60, 225, 90), (40, 255, 190)),
}
DARK_GLASS = {"red": (90, 22, 20), "yellow": (95, 75, 20), "green": (15, 70, 45)}


@dataclass
class TrafficLight:
    """A drawn light; the pictures are tight around the housing."""

    picture: Image.Image  # RGBA, by day
    emission: Image.Image  # L, how much each pixel shines by itself


def between(rng, first, second):
    """A random mixture of two colours."""
    share = rng.random()
    return tuple(int(a + share * (b - a)) for a, b in zip(first, second))


class Canvas:
    """Colour, silhouette and emission, drawn together in lamp heights (one lamp is 1 high)."""

    def __init__(self, width, height, unit):
        size = (max(2, round(width * unit)), max(2, round(height * unit)))
        self.unit = unit
        self.colour = Image.new("RGB", size)
        self.mask = Image.new("L", size)
        self.emission = Image.new("L", size)

    def pixels(self, points):
        return [(x * self.unit, y * self.unit) for x, y in points]

    def polygon(self, points, colour, shape=False, shines=False):
        for image, fill, wanted in ((self.colour, colour, True), (self.mask, 255, shape),
                                    (self.emission, 255, shines)):
            if wanted:
                ImageDraw.Draw(image).polygon(self.pixels(points), fill=fill)

    def disc(self, x, y, radius, colour, shines=False):
        box = self.pixels([(x - radius, y - radius), (x + radius, y + radius)])
        ImageDraw.Draw(self.colour).ellipse([*box[0], *box[1]], fill=colour)
        if shines:
            ImageDraw.Draw(self.emission).ellipse([*box[0], *box[1]], fill=255)

    def rounded(self, left, top, right, bottom, radius, colour):
        box = self.pixels([(left, top), (right, bottom)])
        for image, fill in ((self.colour, colour), (self.mask, 255)):
            ImageDraw.Draw(image).rounded_rectangle(
                [*box[0], *box[1]], radius * self.unit, fill=fill)

    def finish(self, height):
        """The light `height` pixels high."""
        width = max(1, round(height * self.colour.width / self.colour.height))
        colour, mask, emission = (image.resize((width, height), Image.Resampling.BOX)
                                  for image in (self.colour, self.mask, self.emission))
        colour.putalpha(mask)
        return TrafficLight(colour, emission)


def arrow(x, y, radius, turn):
    """Corners of an arrow inside a lamp; `turn` in degrees, 0 points up."""
    outline = [(0, -1), (0.75, -0.15), (0.28, -0.15), (0.28, 0.9), (-0.28, 0.9),
               (-0.28, -0.15), (-0.75, -0.15)]
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    return [(x + radius * (c * a - s * b), y + radius * (s * a + c * b)) for a, b in outline]


def figure(x, y, radius, walking):
    """Polygons of a pedestrian inside a lamp: standing, or in mid-stride."""
    spread = 0.55 if walking else 0.16
    shapes = [[(-0.2, -1.0), (0.2, -1.0), (0.2, -0.62), (-0.2, -0.62)],
              [(-0.28, -0.55), (0.28, -0.55), (0.2, 0.2), (-0.2, 0.2)]]
    for side in (-1, 1):
        foot = side * spread
        shapes.append([(side * 0.2 - 0.1, 0.1), (side * 0.1 + 0.1, 0.1), (foot + 0.12, 0.95),
                       (foot - 0.12, 0.95)])
        arm = side * (0.6 if walking else 0.42)
        shapes.append([(side * 0.25, -0.5), (side * 0.25, -0.3), (arm, 0.15), (arm, -0.05)])
    return [[(x + radius * a, y + radius * b) for a, b in shape] for shape in shapes]


def lit_lamp(canvas, x, y, radius, colour, rng):
    """A lamp that shines: overexposed in the middle, coloured around it."""
    white = rng.uniform(0, 0.75)
    canvas.disc(x, y, radius, colour, shines=True)
    for share in (0.75, 0.5, 0.3):
        mixed = tuple(int(v + (255 - v) * white * (1 - share)) for v in colour)
        canvas.disc(x, y, radius * share, mixed)


def lamp(canvas, x, y, radius, name, lit, symbol, rng):
    """One lamp under its visor. `symbol`: None, an arrow's turn, or "figure"."""
    glass = tuple(int(v * rng.uniform(0.5, 1.2)) for v in DARK_GLASS[name])
    colour = between(rng, *LIT[name])
    canvas.disc(x, y, radius * 1.12, (12, 12, 12))
    if symbol is None:
        if lit:
            lit_lamp(canvas, x, y, radius, colour, rng)
        else:
            canvas.disc(x, y, radius, glass)
    else:
        canvas.disc(x, y, radius, (16, 16, 16))
        shapes = (figure(x, y, radius * 0.9, name == "green") if symbol == "figure"
                  else [arrow(x, y, radius * 0.85, symbol)])
        for shape in shapes:
            canvas.polygon(shape, colour if lit else glass, shines=lit)
    top = y - radius * rng.uniform(0.72, 0.95)
    canvas.polygon([(x - radius, y - radius * 0.5), (x - radius * 0.8, y - radius * 1.1),
                    (x + radius * 0.8, y - radius * 1.1), (x + radius, y - radius * 0.5),
                    (x + radius * 0.75, top), (x - radius * 0.75, top)], (8, 8, 8))


def housing_colour(rng):
    """Black, dark green, grey, or the yellow of American housings."""
    base = [(22, 22, 24), (28, 42, 34), (75, 78, 80), (170, 130, 25)][
        rng.choice(4, p=[0.6, 0.15, 0.1, 0.15])]
    return tuple(int(np.clip(v + rng.normal(0, 6), 0, 255)) for v in base)


def draw_light(state, rng, height, pedestrian=None):
    """A random light in one of `STATES`, `height` pixels high.

    Three lamps one above the other, sometimes with arrows; or for pedestrians
    (by default one in eight; never yellow) two lamps with figures.
    """
    if pedestrian is None:
        pedestrian = state != "yellow" and rng.random() < 0.125
    names = ("red", "green") if pedestrian else ("red", "yellow", "green")
    symbol = "figure" if pedestrian else None
    if not pedestrian and rng.random() < 0.15:
        symbol = float(rng.choice([-90, 0, 90]))
    border = rng.uniform(0.02, 0.18) if rng.random() < 0.5 else 0.0  # a backing board's rim
    width = rng.uniform(0.95, 1.2)
    full_width, full_height = width + 2 * border, len(names) + 0.1 + 2 * border
    canvas = Canvas(full_width, full_height, OVERSAMPLING * height / full_height)
    colour = housing_colour(rng)
    if border:
        rim = (225, 225, 220) if rng.random() < 0.4 else (15, 15, 15)
        canvas.rounded(0, 0, full_width, full_height, 0.2, rim)
    canvas.rounded(border, border, full_width - border, full_height - border,
                   rng.uniform(0, 0.3), colour)
    radius = rng.uniform(0.33, 0.43)
    for i, name in enumerate(names):
        lamp(canvas, full_width / 2, border + 0.55 + i, radius, name, name == state, symbol, rng)
    return canvas.finish(height)


def shine(pixels, light, left, top, strength):
    """Adds the light's own shine and a halo around it to float RGB `pixels` (0..1), in place.

    `pixels` is [height, width, 3] with the light's top left corner at (`left`,
    `top`), which may lie outside; `strength` 0 to 1.
    """
    glow = Image.new("RGB", (pixels.shape[1], pixels.shape[0]))
    glow.paste(light.picture.convert("RGB"), (left, top), light.emission)
    core = np.asarray(glow, np.float64) / 255
    radius = 0.12 * light.picture.height
    halo = np.asarray(glow.filter(ImageFilter.GaussianBlur(radius)), np.float64) / 255
    np.maximum(pixels, core * (0.55 + 0.45 * strength), out=pixels)
    pixels += strength * halo
