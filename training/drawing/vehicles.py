"""Cars, buses, lorries and trains, each from behind, from the front and from the side.

A drawing is a function of (canvas, rng); `SIZES` has the metres it fills.
"""

from drawing.canvas import shade

PAINTS = [(225, 225, 225), (180, 183, 188), (110, 113, 118), (45, 47, 52), (28, 28, 32),
          (150, 28, 30), (28, 60, 130), (40, 95, 75), (200, 165, 60), (95, 70, 50),
          (70, 120, 170), (200, 90, 40)]
LIVERIES = [(215, 40, 40), (235, 190, 40), (40, 110, 190), (60, 150, 80), (235, 235, 235),
            (230, 120, 30), (120, 40, 120)]
BOXES = [(235, 235, 235), (200, 205, 210), (150, 155, 160), (60, 90, 150), (170, 60, 50),
         (90, 120, 90), (215, 190, 130)]
GLASS = [(40, 50, 60), (60, 75, 90), (95, 115, 130), (25, 30, 36)]
BLACK, TYRE = (22, 22, 24), (30, 30, 32)
TAIL, HEAD, PLATE = (215, 30, 30), (250, 248, 225), (240, 240, 225)

SIZES = {
    ("car", "rear"): (1.9, 1.6), ("car", "front"): (1.9, 1.6), ("car", "side"): (4.4, 1.6),
    ("bus", "rear"): (2.6, 3.1), ("bus", "front"): (3.0, 3.1), ("bus", "side"): (11.0, 3.1),
    ("truck", "rear"): (2.6, 3.7), ("truck", "front"): (2.9, 3.7), ("truck", "side"): (8.5, 3.7),
    ("train", "rear"): (3.0, 4.4), ("train", "front"): (3.0, 4.4), ("train", "side"): (19.0, 4.4),
}


def pick(rng, colours):
    """One colour of a list, slightly varied."""
    colour = colours[int(rng.integers(len(colours)))]
    return shade(colour, rng.uniform(0.85, 1.12))


def wheels(canvas, places, radius):
    """Wheels from the side: tyre and rim."""
    for x in places:
        canvas.disc(x, radius, radius, TYRE)
        canvas.disc(x, radius, radius * 0.55, (135, 138, 142))


def tyres(canvas, half, width, height):
    """The two tyres seen below a body."""
    for side in (-1, 1):
        inner, outer = sorted((side * (half - width), side * half))
        canvas.box(inner, 0, outer, height, TYRE, 0.04)


def lamps(canvas, half, y, width, height, colour):
    """A lamp at either edge of a body."""
    for side in (-1, 1):
        inner, outer = sorted((side * (half - width), side * half))
        canvas.box(inner, y, outer, y + height, colour, 0.04)


def car_end(canvas, rng, front):
    """A car from the front or from behind."""
    paint, glass = pick(rng, PAINTS), pick(rng, GLASS)
    top, waist = rng.uniform(1.38, 1.58), rng.uniform(0.85, 0.98)
    roof, half = rng.uniform(0.55, 0.74), 0.88
    tyres(canvas, 0.82, 0.22, 0.5)
    canvas.polygon([(-0.84, waist), (-roof, top), (roof, top), (0.84, waist)], paint)
    canvas.polygon([(-0.72, waist + 0.04), (-roof + 0.06, top - 0.09), (roof - 0.06, top - 0.09),
                    (0.72, waist + 0.04)], glass)
    canvas.box(-half, 0.3, half, waist + 0.05, paint, 0.12)
    canvas.box(-half, 0.22, half, 0.42, shade(paint, 0.55), 0.06)
    if front:
        lamps(canvas, half - 0.03, 0.62, 0.34, 0.15, HEAD)
        canvas.box(-0.42, 0.46, 0.42, 0.66, BLACK, 0.04)
        for side in (-1, 1):
            canvas.box(*sorted_x(side * 0.84, side * 0.95, waist, waist + 0.14), shade(paint, 0.8))
    else:
        lamps(canvas, half - 0.01, 0.6, rng.uniform(0.2, 0.36), rng.uniform(0.14, 0.28), TAIL)
        canvas.box(-half + 0.06, waist - 0.05, half - 0.06, waist - 0.02, shade(paint, 0.7))
    canvas.box(-0.26, 0.44, 0.26, 0.55, PLATE)


def sorted_x(x0, x1, y0, y1):
    """A box's corners with the left one first."""
    return min(x0, x1), y0, max(x0, x1), y1


def car_side(canvas, rng):
    """A saloon, hatchback or estate from the side, facing left."""
    paint, glass = pick(rng, PAINTS), pick(rng, GLASS)
    top, waist = rng.uniform(1.38, 1.58), rng.uniform(0.88, 0.98)
    tail = rng.choice([1.35, 1.75, 2.05])  # where the roof comes down: saloon .. estate
    roof = [(-1.15, waist), (-0.45, top), (tail - 0.55, top), (tail, waist)]
    canvas.polygon(roof, paint)
    canvas.polygon([(-0.98, waist), (-0.4, top - 0.08), (tail - 0.62, top - 0.08),
                    (tail - 0.18, waist)], glass)
    for x in (0.25, min(1.15, tail - 0.5)):
        canvas.box(x - 0.04, waist, x + 0.04, top - 0.05, paint)
    canvas.box(-2.18, 0.32, 2.18, waist + 0.04, paint, 0.2)
    canvas.box(-2.1, 0.24, 2.1, 0.4, shade(paint, 0.55), 0.05)
    canvas.stroke([(0.25, 0.45), (0.25, waist)], 0.025, shade(paint, 0.7))
    canvas.box(-2.16, 0.68, -1.92, 0.84, HEAD, 0.04)
    canvas.box(1.98, 0.7, 2.18, 0.88, TAIL, 0.04)
    wheels(canvas, (-1.32, 1.32), 0.33)


def bus_end(canvas, rng, front):
    """A bus from the front (with its line shown above the windscreen) or from behind."""
    paint, glass = pick(rng, LIVERIES), pick(rng, GLASS)
    tyres(canvas, 1.15, 0.3, 0.6)
    canvas.box(-1.25, 0.3, 1.25, 3.08, paint, 0.18)
    if front:
        canvas.box(-1.13, 1.1, 1.13, 2.55, glass, 0.12)
        canvas.stroke([(0, 1.15), (0, 2.5)], 0.03, shade(paint, 0.5))
        canvas.box(-0.85, 2.62, 0.85, 2.94, BLACK, 0.05)
        canvas.box(-0.5, 2.7, 0.5, 2.86, (250, 165, 40))
        lamps(canvas, 1.12, 0.6, 0.36, 0.2, HEAD)
        for side in (-1, 1):
            canvas.box(*sorted_x(side * 1.3, side * 1.48, 1.75, 2.35), BLACK, 0.04)
    else:
        canvas.box(-1.0, 1.75, 1.0, 2.75, glass, 0.12)
        lamps(canvas, 1.2, 0.8, 0.18, 0.75, TAIL)
        for y in (0.75, 0.92, 1.09, 1.26):
            canvas.box(-0.7, y, 0.7, y + 0.08, shade(paint, 0.55))
    canvas.box(-1.2, 0.34, 1.2, 0.5, shade(paint, 0.5), 0.04)
    canvas.box(-0.26, 0.52, 0.26, 0.63, PLATE)


def bus_side(canvas, rng):
    """A bus from the side: one long row of windows, doors."""
    paint, glass = pick(rng, LIVERIES), pick(rng, GLASS)
    canvas.box(-5.5, 0.3, 5.5, 3.08, paint, 0.25)
    canvas.box(-5.48, 0.32, 5.48, 0.6, shade(paint, 0.55), 0.1)
    for i in range(7):
        left = -5.3 + i * 1.52
        canvas.box(left, 1.35, left + 1.4, 2.6, glass, 0.08)
    for x in (-4.6, 0.2):
        canvas.box(x, 0.5, x + 1.2, 2.6, shade(glass, 0.8), 0.06)
        canvas.stroke([(x + 0.6, 0.55), (x + 0.6, 2.55)], 0.05, paint)
    wheels(canvas, (-2.9, 3.2), 0.48)


def truck_end(canvas, rng, front):
    """A lorry: the doors of its box from behind, or its cab below the box."""
    load, paint = pick(rng, BOXES), pick(rng, PAINTS + LIVERIES)
    tyres(canvas, 1.2, 0.45, 0.9)
    if front:
        canvas.box(-1.25, 0.9, 1.25, 3.68, load, 0.04)
        canvas.box(-1.18, 0.4, 1.18, 3.0, paint, 0.12)
        canvas.box(-1.05, 1.75, 1.05, 2.75, pick(rng, GLASS), 0.08)
        canvas.box(-0.75, 0.85, 0.75, 1.55, BLACK, 0.06)
        for y in (1.0, 1.18, 1.36):
            canvas.box(-0.7, y, 0.7, y + 0.06, (150, 150, 152))
        lamps(canvas, 1.14, 0.6, 0.36, 0.22, HEAD)
        for side in (-1, 1):
            canvas.box(*sorted_x(side * 1.2, side * 1.43, 1.8, 2.6), BLACK, 0.04)
        return
    canvas.box(-1.15, 0.45, 1.15, 1.0, (45, 45, 48))
    canvas.box(-1.28, 0.95, 1.28, 3.68, load, 0.03)
    canvas.box(-1.28, 0.95, 1.28, 1.07, shade(load, 0.55))
    for x, width in ((0, 0.05), (-0.55, 0.03), (0.55, 0.03)):
        canvas.stroke([(x, 1.1), (x, 3.6)], width, shade(load, 0.6))
    for side in (-1, 1):
        canvas.stroke([(side * 1.24, 1.05), (side * 1.24, 3.64)], 0.05, shade(load, 0.7))
    lamps(canvas, 1.2, 0.62, 0.42, 0.18, TAIL)
    canvas.box(-0.26, 0.62, 0.26, 0.75, PLATE)
    canvas.box(-1.2, 0.4, 1.2, 0.5, pick(rng, [(200, 200, 60), (190, 60, 50), (90, 90, 90)]))


def truck_side(canvas, rng):
    """A lorry from the side, facing left: cab, gap, box, three wheels."""
    load, paint = pick(rng, BOXES), pick(rng, PAINTS + LIVERIES)
    canvas.box(-4.0, 0.55, 4.1, 0.95, (45, 45, 48))
    canvas.box(-2.2, 0.95, 4.25, 3.68, load, 0.03)
    for i in range(6):
        x = -1.9 + i * 1.15
        canvas.stroke([(x, 1.05), (x, 3.6)], 0.035, shade(load, 0.78))
    canvas.polygon([(-4.22, 0.5), (-4.22, 1.7), (-3.9, 2.9), (-2.4, 2.9), (-2.4, 0.5)], paint)
    canvas.polygon([(-4.1, 1.75), (-3.8, 2.65), (-2.9, 2.65), (-2.9, 1.75)], pick(rng, GLASS))
    canvas.box(-4.22, 0.7, -4.0, 0.95, HEAD)
    wheels(canvas, (-3.3, 1.9, 3.1), 0.5)


def train_end(canvas, rng, _front):
    """A train or tram head-on: rounded face, stripe, rails, pantograph."""
    paint, stripe = pick(rng, LIVERIES), pick(rng, LIVERIES)
    for side in (-1, 1):
        canvas.polygon([(side * 0.72 - 0.06, 0.2), (side * 0.72 + 0.06, 0.2),
                        (side * 0.95 + 0.1, 0), (side * 0.95 - 0.1, 0)], (140, 135, 130))
        canvas.stroke([(side * 0.7, 3.75), (0, 4.0), (side * 0.5, 4.33)], 0.05, BLACK)
    canvas.stroke([(-0.75, 4.35), (0.75, 4.35)], 0.06, BLACK)
    canvas.box(-1.1, 0.2, 1.1, 0.7, (40, 40, 42), 0.05)
    canvas.polygon([(-1.4, 0.5), (-1.45, 2.0), (-1.15, 3.5), (-0.7, 3.8), (0.7, 3.8),
                    (1.15, 3.5), (1.45, 2.0), (1.4, 0.5)], paint)
    canvas.polygon([(-1.12, 1.85), (-0.92, 3.1), (0.92, 3.1), (1.12, 1.85)], pick(rng, GLASS))
    canvas.box(-1.42, 1.15, 1.42, 1.5, stripe)
    canvas.disc(0, 3.42, 0.16, HEAD)
    for side in (-1, 1):
        canvas.disc(side * 1.0, 0.92, 0.15, HEAD)
    canvas.box(-0.25, 0.45, 0.25, 0.75, BLACK, 0.05)


def train_side(canvas, rng):
    """A train from the side, facing left: two cars, doors, bogies, pantograph, rail."""
    paint, stripe, glass = pick(rng, LIVERIES), pick(rng, LIVERIES), pick(rng, GLASS)
    canvas.box(-9.5, 0, 9.5, 0.12, (130, 125, 120))
    for x in (-7.6, -6.6, -2.4, -1.4, 1.4, 2.4, 6.6, 7.6):
        canvas.disc(x, 0.45, 0.4, TYRE)
    canvas.polygon([(-9.45, 0.6), (-9.3, 1.8), (-8.3, 3.6), (9.4, 3.6), (9.4, 0.6)], paint)
    canvas.box(-0.25, 0.6, 0.25, 3.6, BLACK)
    canvas.box(-9.4, 1.15, 9.4, 1.45, stripe)
    canvas.polygon([(-9.1, 2.0), (-8.4, 3.1), (-7.9, 3.1), (-7.9, 2.0)], glass)
    for left in (-7.4, -5.0, -2.6, 0.6, 3.0, 5.4, 7.3):
        canvas.box(left, 2.0, left + 1.3, 3.1, glass, 0.1)
    for left in (-5.95, -1.2, 4.4):
        canvas.box(left, 0.75, left + 0.8, 3.2, shade(paint, 0.65))
    canvas.stroke([(1.0, 3.6), (2.0, 3.95), (1.2, 4.32)], 0.07, BLACK)
    canvas.stroke([(0.6, 4.35), (1.8, 4.35)], 0.07, BLACK)


def ends(draw):
    """The three views of a kind whose ends share a drawing."""
    return {"rear": lambda canvas, rng: draw(canvas, rng, False),
            "front": lambda canvas, rng: draw(canvas, rng, True)}


DRAWINGS = {
    "car": {**ends(car_end), "side": car_side},
    "bus": {**ends(bus_end), "side": bus_side},
    "truck": {**ends(truck_end), "side": truck_side},
    "train": {**ends(train_end), "side": train_side},
}
