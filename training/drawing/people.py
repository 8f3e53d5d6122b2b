"""People on foot, bicycles, motorcycles, and the people who ride them."""

from drawing.vehicles import BLACK, HEAD, PAINTS, TAIL, TYRE, pick
from drawing.canvas import shade

CLOTHES = [(40, 45, 60), (150, 40, 40), (60, 100, 60), (200, 200, 200), (70, 70, 120),
           (190, 150, 60), (90, 90, 95), (30, 30, 34), (200, 110, 60), (120, 70, 120)]
TROUSERS = [(35, 40, 60), (60, 60, 62), (90, 80, 65), (28, 28, 30), (110, 120, 140)]
SKIN = [(235, 200, 175), (205, 160, 125), (150, 105, 75), (95, 65, 48)]
HAIR = [(30, 25, 22), (80, 55, 35), (150, 120, 70), (120, 120, 120)]
HELMETS = [(230, 230, 230), (200, 40, 40), (40, 80, 170), (30, 30, 32), (240, 190, 40)]

SIZES = {
    ("person", "front"): (0.75, 1.8), ("person", "rear"): (0.75, 1.8),
    ("person", "side"): (0.9, 1.8),
    ("bike", "rear"): (0.66, 1.1), ("bike", "front"): (0.66, 1.1), ("bike", "side"): (1.8, 1.1),
    ("motor", "rear"): (0.9, 1.25), ("motor", "front"): (0.9, 1.25),
    ("motor", "side"): (2.2, 1.25),
}
# Where the rider's seat is above the ground, by what is ridden.
SEATS = {"bike": 0.95, "motor": 0.82}


def head(canvas, rng, x, y, radius=0.13, helmet=False):
    """Face with hair or helmet on top."""
    canvas.box(x - 0.05, y - radius - 0.08, x + 0.05, y, pick(rng, SKIN))
    canvas.disc(x, y, radius, pick(rng, HELMETS if helmet else HAIR))
    if rng.random() < 0.6:
        canvas.disc(x, y - 0.03, radius * 0.75, pick(rng, SKIN))


def person_front(canvas, rng):
    """Standing or walking towards us or away."""
    top, bottom = pick(rng, CLOTHES), pick(rng, TROUSERS)
    spread, sway = rng.uniform(0.06, 0.15), rng.uniform(0.0, 0.1)
    for side in (-1, 1):
        canvas.stroke([(side * 0.1, 0.88), (side * spread, 0.06)], 0.17, bottom)
        canvas.box(side * spread - 0.1, 0, side * spread + 0.1, 0.09, BLACK, 0.03)
        canvas.stroke([(side * 0.22, 1.38), (side * (0.27 + sway), 1.05),
                       (side * (0.25 + sway), 0.82)], 0.11, shade(top, 0.85))
    canvas.box(-0.23, 0.8, 0.23, 1.48, top, 0.12)
    head(canvas, rng, 0, 1.64)


def person_side(canvas, rng):
    """Walking across, facing left."""
    top, bottom = pick(rng, CLOTHES), pick(rng, TROUSERS)
    step = rng.uniform(0.1, 0.33)
    canvas.stroke([(0, 0.9), (step * 0.6, 0.48), (step, 0.06)], 0.16, shade(bottom, 0.8))
    canvas.stroke([(0, 0.9), (-step * 0.7, 0.5), (-step, 0.06)], 0.16, bottom)
    for x in (-step, step):
        canvas.box(x - 0.14, 0, x + 0.07, 0.08, BLACK, 0.03)
    canvas.box(-0.16, 0.8, 0.16, 1.48, top, 0.12)
    canvas.stroke([(0, 1.36), (step * 0.7, 1.05), (step * 0.4, 0.85)], 0.1, shade(top, 0.8))
    if rng.random() < 0.3:
        canvas.box(0.1, 1.0, 0.34, 1.4, pick(rng, CLOTHES), 0.08)  # a rucksack
    head(canvas, rng, -0.02, 1.64)


def bike_end(canvas, rng):
    """A bicycle in line with our view: one thin wheel, handlebar."""
    paint = pick(rng, PAINTS)
    canvas.box(-0.045, 0, 0.045, 0.68, TYRE, 0.04)
    canvas.box(-0.05, 0.62, 0.05, 0.95, paint)
    canvas.stroke([(-0.3, 1.0), (0.3, 1.0)], 0.05, BLACK)
    canvas.stroke([(-0.2, 0.28), (0.2, 0.34)], 0.05, BLACK)
    canvas.box(-0.12, 0.9, 0.12, 1.0, BLACK, 0.03)
    canvas.disc(0, 0.75, 0.05, TAIL)


def bike_side(canvas, rng):
    """A bicycle from the side, facing left."""
    paint = pick(rng, PAINTS)
    for x in (-0.54, 0.54):
        canvas.ring(x, 0.35, 0.345, 0.06, TYRE)
        canvas.disc(x, 0.35, 0.05, (120, 120, 122))
    canvas.stroke([(0.54, 0.35), (0.18, 0.85), (-0.38, 0.82), (0.0, 0.33), (0.54, 0.35)], 0.06,
                  paint)
    canvas.stroke([(0.0, 0.33), (0.2, 0.95)], 0.06, paint)
    canvas.stroke([(-0.54, 0.35), (-0.38, 0.82), (-0.35, 1.02), (-0.52, 1.06)], 0.06, paint)
    canvas.stroke([(0.08, 0.98), (0.34, 0.98)], 0.08, BLACK)


def motor_end(canvas, rng, front=False):
    """A motorcycle in line with our view: wide tyre, fairing, mirrors."""
    paint = pick(rng, PAINTS)
    canvas.box(-0.1, 0, 0.1, 0.7, TYRE, 0.05)
    canvas.polygon([(-0.26, 0.38), (-0.3, 0.75), (-0.16, 1.0), (0.16, 1.0), (0.3, 0.75),
                    (0.26, 0.38)], paint)
    canvas.box(-0.1, 0, 0.1, 0.42, TYRE, 0.05)
    canvas.stroke([(-0.38, 0.96), (0.38, 0.96)], 0.06, BLACK)
    for side in (-1, 1):
        canvas.stroke([(side * 0.3, 0.96), (side * 0.34, 1.14)], 0.035, BLACK)
        canvas.box(side * 0.34 - 0.08, 1.1, side * 0.34 + 0.08, 1.22, BLACK, 0.03)
    canvas.disc(0, 0.78, 0.1 if front else 0.07, HEAD if front else TAIL)


def motor_front(canvas, rng):
    motor_end(canvas, rng, front=True)


def motor_side(canvas, rng):
    """A motorcycle from the side, facing left: fat wheels, tank, seat, exhaust."""
    paint = pick(rng, PAINTS)
    for x in (-0.74, 0.74):
        canvas.disc(x, 0.33, 0.33, TYRE)
        canvas.disc(x, 0.33, 0.19, (150, 150, 152))
    canvas.polygon([(-0.55, 0.4), (-0.45, 0.85), (0.3, 0.75), (0.5, 0.35), (0, 0.2)],
                   (70, 70, 74))
    canvas.polygon([(-0.62, 0.62), (-0.6, 1.0), (-0.1, 1.0), (0.1, 0.72), (-0.3, 0.5)], paint)
    canvas.polygon([(0.0, 0.78), (0.95, 0.95), (0.9, 0.76), (0.1, 0.66)], BLACK)
    canvas.stroke([(-0.74, 0.33), (-0.52, 1.0), (-0.4, 1.12)], 0.07, (120, 120, 122))
    canvas.stroke([(0.0, 0.3), (0.95, 0.42)], 0.1, (165, 165, 168))
    canvas.disc(-0.66, 0.88, 0.1, HEAD)
    canvas.box(0.88, 0.78, 0.98, 0.88, TAIL)


def rider_end(canvas, rng, seat):
    """The person on a vehicle in line with our view; feet beside its wheel."""
    top, bottom = pick(rng, CLOTHES), pick(rng, TROUSERS)
    for side in (-1, 1):
        canvas.stroke([(side * 0.1, seat), (side * 0.24, seat - 0.3), (side * 0.2, 0.28)], 0.15,
                      bottom)
        canvas.stroke([(side * 0.2, seat + 0.5), (side * 0.34, seat + 0.25),
                       (side * 0.3, seat + 0.06)], 0.1, shade(top, 0.85))
    canvas.box(-0.22, seat - 0.08, 0.22, seat + 0.62, top, 0.12)
    head(canvas, rng, 0, seat + 0.76, helmet=True)


def rider_side(canvas, rng, seat):
    """The person on a vehicle from the side, bent forwards to the left."""
    top, bottom = pick(rng, CLOTHES), pick(rng, TROUSERS)
    lean = rng.uniform(0.1, 0.3)
    canvas.stroke([(0.2, seat + 0.05), (-0.12, seat - 0.15), (-0.02, 0.3)], 0.15, bottom)
    canvas.stroke([(0.2, seat + 0.05), (0.2 - lean, seat + 0.5)], 0.3, top)
    canvas.stroke([(0.18 - lean, seat + 0.48), (-0.2, seat + 0.25), (-0.42, seat + 0.14)], 0.1,
                  shade(top, 0.85))
    head(canvas, rng, 0.1 - lean, seat + 0.78, helmet=True)


DRAWINGS = {
    "person": {"front": person_front, "rear": person_front, "side": person_side},
    "bike": {"front": bike_end, "rear": bike_end, "side": bike_side},
    "motor": {"front": motor_front, "rear": motor_end, "side": motor_side},
}
