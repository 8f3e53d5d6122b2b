"""A small vector pen: shapes, strokes, arrows and stroke-drawn characters.

Coordinates run from -1 to 1 on both axes, x to the right and y downwards, so
that a sign fills the square whatever the pixel size. Every character is built
here from lines and arcs; no font file is used.
"""

import math

from PIL import Image, ImageDraw

SIGN_SIZE = 96  # pixels of a finished sign; larger than any sign in a scene
OVERSAMPLING = 4  # drawn this much larger and then averaged down: smooth edges


def arc(cx, cy, rx, ry, start, end, steps=24):
    """Points on an ellipse, degrees, 0 to the right and 90 downwards."""
    angles = (math.radians(start + (end - start) * i / steps) for i in range(steps + 1))
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


# Centre lines of each character in a box 0.6 wide and 1 high, as polylines.
CHARACTERS = {
    "0": [arc(0.3, 0.5, 0.3, 0.5, 0, 360)],
    "1": [[(0.08, 0.25), (0.38, 0.0), (0.38, 1.0)]],
    "2": [arc(0.3, 0.28, 0.29, 0.28, 190, 400) + [(0.0, 1.0), (0.6, 1.0)]],
    "3": [arc(0.28, 0.25, 0.28, 0.25, 200, 450), arc(0.28, 0.75, 0.31, 0.25, 270, 520)],
    "5": [[(0.56, 0.0), (0.1, 0.0), (0.06, 0.46)], arc(0.28, 0.68, 0.31, 0.32, 220, 500)],
    "6": [arc(0.3, 0.7, 0.3, 0.3, 0, 360), arc(0.6, 0.7, 0.6, 0.7, 180, 262)],
    "7": [[(0.0, 0.0), (0.6, 0.0), (0.2, 1.0)]],
    "8": [arc(0.3, 0.25, 0.25, 0.25, 0, 360), arc(0.3, 0.74, 0.3, 0.26, 0, 360)],
    "S": [arc(0.3, 0.25, 0.28, 0.25, 330, 90) + arc(0.3, 0.75, 0.3, 0.25, 270, 510)],
    "T": [[(0.0, 0.0), (0.6, 0.0)], [(0.3, 0.0), (0.3, 1.0)]],
    "O": [arc(0.3, 0.5, 0.3, 0.5, 0, 360)],
    "P": [[(0.05, 1.0), (0.05, 0.0), (0.3, 0.0)]
          + arc(0.3, 0.27, 0.28, 0.27, 270, 450) + [(0.05, 0.54)]],
}


class Pen:
    """Draws on a colour image, or on the silhouette mask if `shape` is set.

    `at` gives a pen with its own origin, scale and optional mirroring, so a
    pictogram is written once in its own -1..1 square and placed anywhere.
    """

    def __init__(self, images, origin=(0.0, 0.0), scale=1.0, mirror=False):
        self.images = images
        self.origin = origin
        self.scale = scale
        self.side = -1.0 if mirror else 1.0

    @classmethod
    def blank(cls):
        """A pen on a fresh, fully transparent sign."""
        pixels = SIGN_SIZE * OVERSAMPLING
        colour = Image.new("RGB", (pixels, pixels))
        mask = Image.new("L", (pixels, pixels))
        return cls((colour, mask))

    def at(self, x, y, scale, mirror=False):
        """A pen whose unit square lies at (x, y) with half-width `scale`."""
        ox, oy = self.origin
        inner = (ox + self.side * x * self.scale, oy + y * self.scale)
        return Pen(self.images, inner, self.scale * scale, mirror != (self.side < 0))

    def finish(self):
        """The sign as an RGBA image of SIGN_SIZE pixels."""
        size = (SIGN_SIZE, SIGN_SIZE)
        colour, mask = (image.resize(size, Image.Resampling.BOX) for image in self.images)
        colour.putalpha(mask)
        return colour

    def _pixels(self, points):
        half = SIGN_SIZE * OVERSAMPLING / 2
        ox, oy = self.origin
        return [(half * (1 + ox + self.side * x * self.scale), half * (1 + oy + y * self.scale))
                for x, y in points]

    def _width(self, width):
        return width * self.scale * SIGN_SIZE * OVERSAMPLING / 2

    def polygon(self, points, colour, shape=False):
        """A filled polygon; with `shape` it also becomes part of the silhouette."""
        pixels = self._pixels(points)
        ImageDraw.Draw(self.images[0]).polygon(pixels, fill=colour)
        if shape:
            ImageDraw.Draw(self.images[1]).polygon(pixels, fill=255)

    def disc(self, x, y, radius, colour, shape=False):
        """A filled circle."""
        self.polygon(arc(x, y, radius, radius, 0, 360, 72), colour, shape)

    def ring(self, x, y, radius, width, colour):
        """An unfilled circle whose centre line has the given radius."""
        self.stroke(arc(x, y, radius, radius, 0, 360, 48), width, colour)

    def box(self, left, top, right, bottom, colour):
        """A filled upright rectangle."""
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def stroke(self, points, width, colour, shape=False):
        """A polyline with round ends and joints."""
        pixels, thickness = self._pixels(points), self._width(width)
        targets = [(self.images[0], colour)] + ([(self.images[1], 255)] if shape else [])
        for image, fill in targets:
            draw = ImageDraw.Draw(image)
            draw.line(pixels, fill=fill, width=max(1, round(thickness)))
            for x, y in pixels:
                r = thickness / 2
                draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)

    def arrow(self, points, width, colour, head=2.6):
        """A polyline that ends in a triangular head; `head` is in line widths."""
        (x0, y0), (x1, y1) = points[-2:]
        length = math.hypot(x1 - x0, y1 - y0)
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        depth, half = head * width * 0.8, head * width / 2
        base = (x1 - dx * depth, y1 - dy * depth)
        self.stroke(points[:-1] + [base], width, colour)
        self.polygon([(x1, y1), (base[0] - dy * half, base[1] + dx * half),
                      (base[0] + dy * half, base[1] - dx * half)], colour)

    def text(self, text, height, width, weight, colour):
        """Characters centred on the origin; `width` is that of the whole text."""
        gap = 0.3  # between boxes, in the units of a character box
        unit = width / (0.6 * len(text) + gap * (len(text) - 1))
        for i, character in enumerate(text):
            left = -width / 2 + i * (0.6 + gap) * unit
            for line in CHARACTERS[character]:
                self.stroke([(left + x * unit, (y - 0.5) * height) for x, y in line],
                            weight, colour)
