"""The road ahead in perspective: camera, lanes, markings, what lies beside it.

Metres: x to the right of the camera, z forwards along the ground, y upwards.
Pixels: x to the right, y downwards from the upper left corner of the frame.
"""

from dataclasses import dataclass

import numpy as np

from drawing.canvas import shade

FAR = 140.0  # metres beyond which the road is not drawn
LANES_TO = 55.0  # metres up to which a lane line is part of the truth
DASHES = [(3.0, 6.0), (3.0, 9.0), (6.0, 6.0), (2.0, 4.0)]  # metres painted and bare
TARMAC = [(95, 97, 100), (78, 80, 84), (112, 110, 106), (66, 68, 72)]
VERGES = [(92, 118, 62), (120, 125, 80), (105, 100, 85), (140, 138, 132), (70, 95, 55)]
WALLS = [(170, 150, 130), (150, 95, 80), (190, 190, 185), (130, 135, 140), (205, 185, 150),
         (110, 100, 95)]
LEAVES = [(50, 85, 40), (70, 105, 45), (95, 100, 45), (60, 75, 50)]


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks along z, level with the ground."""

    width: int
    height: int
    focal: float  # pixels
    centre: float  # pixel column straight ahead
    horizon: float  # pixel row of the horizon
    above_ground: float  # metres

    def project(self, x, z, y=0.0):
        """Pixel coordinates of a point."""
        return (self.centre + self.focal * x / z,
                self.horizon + self.focal * (self.above_ground - y) / z)

    def nearest(self):
        """Metres to the ground at the lower edge of the frame."""
        return self.focal * self.above_ground / (self.height - self.horizon)


@dataclass(frozen=True)
class Line:
    """One lane line: its place in lane widths from the own lane's middle, and its paint."""

    place: float
    dash: tuple | None  # (painted, bare) in metres; None is a solid line
    double: bool
    colour: tuple


@dataclass(frozen=True)
class Road:
    """Lanes to either side of the own one, and how the road runs."""

    lane_width: float
    left: int  # lanes to the left of the own lane
    right: int
    oncoming: int  # how many of those on the left come towards us
    offset: float  # of the own lane's middle from the camera, metres
    heading: float  # radians
    curve: float  # 1 / metres
    lines: tuple

    def at(self, place, z):
        """x of a place (in lane widths from the own lane's middle) at distance z."""
        return (self.offset + place * self.lane_width + self.heading * z
                + 0.5 * self.curve * z * z)

    def edges(self):
        """Places of the left and the right edge."""
        return -0.5 - self.left, 0.5 + self.right


def random_camera(rng, width, height):
    """A camera behind a windscreen, for a frame of `width` by `height` pixels."""
    return Camera(width, height, width * rng.uniform(0.78, 1.05), width * rng.uniform(0.46, 0.54),
                  height * rng.uniform(0.42, 0.54), rng.uniform(1.2, 1.7))


def random_line(rng, place, edge, divides):
    """Paint of one line: edges mostly solid, lines between lanes mostly dashed."""
    solid = rng.random() < (0.85 if edge else 0.6 if divides else 0.2)
    dash = None if solid else DASHES[int(rng.integers(len(DASHES)))]
    yellow = rng.random() < (0.45 if divides else 0.08)
    colour = (215, 175, 60) if yellow else (225, 225, 220)
    return Line(place, dash, bool(divides and solid and rng.random() < 0.5), colour)


def random_road(rng):
    """One to five lanes, straight or curved."""
    left, right = (int(rng.choice(3, p=p)) for p in ([0.2, 0.55, 0.25], [0.35, 0.45, 0.2]))
    oncoming = int(rng.integers(0, left + 1))
    places = [i - 0.5 for i in range(-left, right + 2)]
    lines = tuple(random_line(rng, place, place in (places[0], places[-1]),
                              oncoming and place == places[oncoming]) for place in places)
    return Road(rng.uniform(3.0, 3.8), left, right, oncoming, rng.normal(0, 0.25),
                float(np.clip(rng.normal(0, 0.015), -0.04, 0.04)),
                float(np.clip(rng.normal(0, 0.0012), -0.003, 0.003)), lines)


def distances(begin, end):
    """Samples of z, close together nearby."""
    count = max(2, int(12 * np.log(end / begin)) + 2)
    return np.geomspace(begin, end, count)


def strip(camera, road, first, second, begin, end):
    """Pixel outline of the ground between two offsets (place, metres) from z to z."""
    z = distances(begin, end)
    sides = [[camera.project(road.at(place, d) + metres, d) for d in z]
             for place, metres in (first, second)]
    return sides[0] + sides[1][::-1]


def draw_line(draw, camera, road, line, wear, rng, colour):
    """The paint of one line, up to `FAR`."""
    half = rng.uniform(0.06, 0.09)
    begin = max(1.0, 0.9 * camera.nearest())
    if line.dash is None:
        pieces = [(begin, FAR)]
    else:
        period = sum(line.dash)
        starts = np.arange(begin - rng.uniform(0, period), FAR, period)
        pieces = [(max(begin, s), s + line.dash[0]) for s in starts
                  if s + line.dash[0] > begin and rng.random() > wear]
    for middle in ((-0.12, 0.12) if line.double else (0.0,)):
        for start, end in pieces:
            draw.polygon(strip(camera, road, (line.place, middle - half),
                               (line.place, middle + half), start, end), fill=colour)


def mix(first, second, share):
    """`share` of the second colour, the rest of the first."""
    return tuple(round(a + (b - a) * share) for a, b in zip(first, second))


def draw_ground(draw, camera, road, rng):
    """Verge, pavement, tarmac with patches, lane markings, perhaps a crossing."""
    begin = max(1.0, 0.9 * camera.nearest())
    verge = shade(VERGES[int(rng.integers(len(VERGES)))], rng.uniform(0.8, 1.15))
    tarmac = shade(TARMAC[int(rng.integers(len(TARMAC)))], rng.uniform(0.8, 1.2))
    draw.rectangle((0, camera.horizon, camera.width, camera.height), fill=verge)
    left, right = road.edges()
    if rng.random() < 0.7:  # a pavement with a kerb
        stone, width = shade((150, 147, 142), rng.uniform(0.8, 1.15)), rng.uniform(1.5, 4)
        for place, side in ((left, -1), (right, 1)):
            outline = strip(camera, road, (place, 0), (place, side * (0.4 + width)), begin, FAR)
            draw.polygon(outline, fill=stone)
            draw.polygon(strip(camera, road, (place, side * 0.35), (place, side * 0.5),
                               begin, FAR), fill=shade(stone, 1.2))
    draw.polygon(strip(camera, road, (left, -0.35), (right, 0.35), begin, FAR), fill=tarmac)
    for _ in range(int(rng.integers(0, 4))):  # repaired places, tar, shadows
        z, place = rng.uniform(begin, 40), rng.uniform(left, right - 0.3)
        draw.polygon(strip(camera, road, (place, 0), (place, rng.uniform(0.3, 2.5)), z,
                           z * rng.uniform(1.05, 1.6)), fill=shade(tarmac, rng.uniform(0.8, 1.12)))
    fade, wear = rng.uniform(0, 0.45), rng.choice([0.0, 0.0, 0.1])
    for line in road.lines:
        draw_line(draw, camera, road, line, wear, rng, mix(line.colour, tarmac, fade))
    if rng.random() < 0.2:
        draw_crossing(draw, camera, road, rng, mix((225, 225, 220), tarmac, fade))


def draw_crossing(draw, camera, road, rng, colour):
    """A stop line and the stripes of a pedestrian crossing."""
    z, (left, right) = rng.uniform(9, 28), road.edges()
    draw.polygon(strip(camera, road, (-0.5, 0.1), (right, -0.1), z, z + 0.4), fill=colour)
    across = (right - left) * road.lane_width
    for x in np.arange(0.3, across - 0.3, 1.0):
        draw.polygon(strip(camera, road, (left, x), (left, x + 0.5), z + 1.2, z + 4.2),
                     fill=colour)


def lane_lines(camera, road):
    """{1..4: points (x, y) in pixels} of the lines beside the own lane, near to far.

    1 and 2 are the outer and inner line to the left, 3 and 4 the inner and outer
    one to the right; a line that does not exist is left out, paint or traffic
    over it does not matter.
    """
    z = distances(max(1.0, 0.9 * camera.nearest()), LANES_TO)
    places = {1: -1.5, 2: -0.5, 3: 0.5, 4: 1.5}
    existing = [line.place for line in road.lines]
    lanes = {}
    for number, place in places.items():
        points = [camera.project(road.at(place, d), d) for d in z]
        if place in existing and sum(0 <= x < camera.width for x, _ in points) >= 2:
            lanes[number] = points
    return lanes


def draw_building(draw, camera, side, x, begin, end, rng, haze):
    """A house beside the road: the wall along it, its end wall, windows."""
    tall, wall = rng.uniform(4, 16), shade(WALLS[int(rng.integers(len(WALLS)))],
                                           rng.uniform(0.75, 1.1))
    glass = haze(shade((70, 80, 92), rng.uniform(0.6, 1.4)), begin)
    corner = [camera.project(x, begin, y) for y in (0, tall)]
    outer = [camera.project(x + side * 25, begin, y) for y in (tall, 0)]
    draw.polygon(corner + outer, fill=haze(shade(wall, 0.8), begin))
    draw.polygon(corner + [camera.project(x, end, y) for y in (tall, 0)], fill=haze(wall, begin))
    for floor in np.arange(1.0, tall - 1.8, 3.0):
        for z in np.arange(begin + 0.8, end - 1.2, 2.6):
            quad = [camera.project(x, d, y) for d, y in ((z, floor), (z, floor + 1.5),
                                                         (z + 1.2, floor + 1.5), (z + 1.2, floor))]
            draw.polygon(quad, fill=glass)


def draw_tree(draw, camera, x, z, rng, haze):
    """A trunk below a crown of a few discs."""
    green = LEAVES[int(rng.integers(len(LEAVES)))]
    tall, scale = rng.uniform(4, 9), camera.focal / z
    foot, top = camera.project(x, z), camera.project(x, z, tall * 0.6)
    draw.line([foot, top], fill=haze((75, 60, 45), z), width=max(1, round(0.3 * scale)))
    for _ in range(5):
        cx, cy = top[0] + rng.normal(0, 0.8) * scale, top[1] - rng.uniform(-0.3, 1.8) * scale
        r = rng.uniform(0.8, 1.6) * scale * tall / 7
        draw.ellipse((cx - r, cy - r, cx + r, cy + r),
                     fill=haze(shade(green, rng.uniform(0.75, 1.25)), z))
