"""The 43 road signs of the GTSRB class list, drawn from simple shapes.

GTSRB is the German Traffic Sign Recognition Benchmark; only its class numbers
and names are used here. Every drawing is our own.
"""

from functools import partial

from drawing.pen import Pen, arc

RED = (190, 25, 35)
WHITE = (235, 235, 230)
BLACK = (25, 25, 28)
BLUE = (25, 75, 160)
YELLOW = (245, 185, 25)
GREY = (105, 105, 105)
GREEN = (20, 130, 70)
AMBER = (235, 160, 20)


# --- plates -----------------------------------------------------------------

def red_ring(pen):
    """White disc with a red ring: a prohibition."""
    pen.disc(0, 0, 0.95, RED, shape=True)
    pen.disc(0, 0, 0.73, WHITE)


def white_disc(pen):
    """White disc with a thin dark edge: the end of a prohibition."""
    pen.disc(0, 0, 0.95, BLACK, shape=True)
    pen.disc(0, 0, 0.90, WHITE)


def blue_disc(pen):
    """Blue disc with a thin white edge: an obligation."""
    pen.disc(0, 0, 0.95, WHITE, shape=True)
    pen.disc(0, 0, 0.90, BLUE)


def triangle_points(centre_y, radius, up=True):
    """Corners of an upright or upturned equilateral triangle."""
    side = 1 if up else -1
    return [(0, centre_y - side * radius),
            (0.866 * radius, centre_y + side * radius / 2),
            (-0.866 * radius, centre_y + side * radius / 2)]


def triangle(pen, up=True):
    """White triangle with a red border and rounded corners."""
    centre_y = 0.24 if up else -0.24
    outer = triangle_points(centre_y, 1.04, up)
    pen.polygon(outer, RED, shape=True)
    pen.stroke(outer + outer[:1], 0.14, RED, shape=True)
    pen.polygon(triangle_points(centre_y, 0.78, up), WHITE)


def diagonal_stripes(pen):
    """The dark stripes, lower left to upper right, that lift a prohibition."""
    for offset in (-0.21, -0.07, 0.07, 0.21):
        pen.stroke([(-0.9 + offset, 0.9 + offset), (0.9 + offset, -0.9 + offset)], 0.06, BLACK)


# --- pictograms: each in its own -1..1 square -------------------------------

def car(pen, colour):
    """A car from behind."""
    pen.polygon([(-0.55, -0.1), (-0.4, -0.65), (0.4, -0.65), (0.55, -0.1)], colour)
    pen.polygon([(-0.28, -0.15), (-0.22, -0.45), (0.22, -0.45), (0.28, -0.15)], WHITE)
    pen.box(-0.8, -0.1, 0.8, 0.4, colour)
    pen.box(-0.75, 0.4, -0.4, 0.7, colour)
    pen.box(0.4, 0.4, 0.75, 0.7, colour)


def lorry_rear(pen, colour):
    """A lorry from behind: a tall box on wheels."""
    pen.box(-0.8, -1.1, 0.8, 0.4, colour)
    pen.box(-0.7, 0.4, -0.3, 0.75, colour)
    pen.box(0.3, 0.4, 0.7, 0.75, colour)


def lorry_side(pen):
    """A lorry from the side, driving to the left."""
    pen.box(-0.2, -0.6, 1.0, 0.35, BLACK)
    pen.polygon([(-1.0, 0.35), (-1.0, -0.05), (-0.8, -0.4), (-0.3, -0.4), (-0.3, 0.35)], BLACK)
    pen.polygon([(-0.85, -0.05), (-0.72, -0.27), (-0.48, -0.27), (-0.48, -0.05)], WHITE)
    for x in (-0.6, 0.55):
        pen.disc(x, 0.42, 0.3, WHITE)
        pen.disc(x, 0.42, 0.22, BLACK)


def crossing_with_priority(pen):
    """A broad arrow crossed by a narrow side road."""
    pen.stroke([(-0.62, 0.25), (0.62, 0.25)], 0.2, BLACK)
    pen.arrow([(0, 0.95), (0, -1.0)], 0.36, BLACK, head=2.2)


def exclamation_mark(pen):
    """The general warning."""
    pen.polygon([(-0.22, -1.0), (0.22, -1.0), (0.13, 0.4), (-0.13, 0.4)], BLACK)
    pen.disc(0, 0.78, 0.21, BLACK)


def curve(pen):
    """A bend to the right, as an arrow."""
    pen.arrow([(-0.3, 1.0), (-0.3, 0.2)] + arc(0.1, 0.2, 0.4, 0.4, 180, 250, 8)
              + [(0.75, -0.65)], 0.32, BLACK, head=2.4)


def double_curve(pen):
    """Two bends, the first to the left."""
    pen.arrow([(0.25, 1.0), (0.25, 0.6), (-0.3, 0.1), (-0.3, -0.15), (0.3, -0.6), (0.3, -1.1)],
              0.26, BLACK, head=2.4)


def bumps(pen):
    """Two humps on a road surface."""
    for x in (-0.5, 0.5):
        pen.polygon(arc(x, 0.45, 0.48, 0.6, 180, 360), BLACK)
    pen.box(-1.15, 0.42, 1.15, 0.68, BLACK)


def skidding_car(pen):
    """A car above two wavy skid marks."""
    car(pen.at(0.1, -0.45, 0.62), BLACK)
    for x in (-0.4, 0.4):
        pen.stroke([(x + 0.05, 0.15), (x + 0.25, 0.4), (x - 0.15, 0.65), (x + 0.05, 0.95)],
                   0.14, BLACK)


def narrowing(pen):
    """Two road edges, the right one moving inwards."""
    pen.stroke([(-0.4, 1.0), (-0.4, -0.9)], 0.26, BLACK)
    pen.stroke([(0.65, 1.0), (0.65, 0.45), (0.15, 0.05), (0.15, -0.9)], 0.26, BLACK)


def digging_person(pen):
    """A stooping worker with a shovel beside a heap."""
    pen.disc(-0.1, -0.85, 0.21, BLACK)
    pen.stroke([(-0.15, -0.5), (-0.45, 0.15)], 0.36, BLACK)
    pen.stroke([(-0.45, 0.15), (-0.15, 0.5), (-0.25, 0.95)], 0.2, BLACK)
    pen.stroke([(-0.45, 0.15), (-0.75, 0.55), (-0.95, 0.95)], 0.2, BLACK)
    pen.stroke([(-0.1, -0.45), (0.25, -0.05)], 0.16, BLACK)
    pen.stroke([(-0.15, -0.25), (0.6, 0.5)], 0.1, BLACK)
    pen.polygon([(0.25, 1.0), (0.75, 0.35), (1.2, 1.0)], BLACK)


def traffic_light(pen):
    """A lamp housing with red, amber and green lamps."""
    pen.box(-0.36, -1.0, 0.36, 1.0, BLACK)
    for y, colour in ((-0.64, RED), (0.0, AMBER), (0.64, GREEN)):
        pen.disc(0, y, 0.26, colour)


def walking_person(pen):
    """A person in mid-stride."""
    pen.disc(0.05, -0.8, 0.21, BLACK)
    pen.stroke([(0.03, -0.42), (0.0, 0.15)], 0.32, BLACK)
    pen.stroke([(0.0, 0.15), (0.28, 0.5), (0.45, 0.95)], 0.18, BLACK)
    pen.stroke([(0.0, 0.15), (-0.15, 0.55), (-0.45, 0.95)], 0.18, BLACK)
    pen.stroke([(0.03, -0.42), (-0.42, 0.02)], 0.13, BLACK)
    pen.stroke([(0.03, -0.42), (0.42, -0.02)], 0.13, BLACK)


def pedestrian_crossing(pen):
    """A walking person on a striped crossing."""
    walking_person(pen.at(0.0, -0.25, 0.8))
    for x in (-0.95, -0.42, 0.12, 0.65):
        pen.polygon([(x, 0.68), (x + 0.3, 0.68), (x + 0.3, 0.98), (x, 0.98)], BLACK)


def two_children(pen):
    """A taller and a smaller child, running hand in hand."""
    walking_person(pen.at(-0.5, -0.05, 0.95))
    walking_person(pen.at(0.55, 0.25, 0.68))


def bicycle(pen):
    """A bicycle from the side."""
    for x in (-0.62, 0.62):
        pen.ring(x, 0.4, 0.42, 0.14, BLACK)
    pen.stroke([(-0.62, 0.4), (-0.25, -0.2), (0.4, -0.2), (0.0, 0.4), (-0.62, 0.4)], 0.13, BLACK)
    pen.stroke([(0.62, 0.4), (0.36, -0.5), (0.6, -0.58)], 0.13, BLACK)
    pen.stroke([(0.0, 0.4), (-0.32, -0.45)], 0.13, BLACK)
    pen.stroke([(-0.5, -0.45), (-0.15, -0.45)], 0.15, BLACK)


def snowflake(pen):
    """Six arms, each with two side branches."""
    for start in range(0, 360, 60):
        tip, knot = (arc(0, 0, r, r, start, start, 1)[0] for r in (1.0, 0.6))
        pen.stroke([(0, 0), tip], 0.17, BLACK)
        for turn in (-28, 28):
            pen.stroke([knot, arc(0, 0, 0.95, 0.95, start + turn, start + turn, 1)[0]],
                       0.13, BLACK)


def leaping_deer(pen):
    """A deer in a leap to the left, with antlers."""
    pen.polygon([(-0.5, -0.3), (0.55, 0.0), (0.7, 0.3), (0.3, 0.35), (-0.4, 0.2)], BLACK)
    pen.stroke([(-0.4, -0.1), (-0.62, -0.6), (-0.9, -0.5)], 0.2, BLACK)
    pen.stroke([(-0.58, -0.65), (-0.3, -0.8), (-0.35, -1.15)], 0.09, BLACK)
    pen.stroke([(-0.3, -0.8), (-0.05, -0.98)], 0.09, BLACK)
    pen.stroke([(-0.38, 0.1), (-0.75, 0.2), (-0.95, 0.0)], 0.13, BLACK)
    pen.stroke([(-0.3, 0.15), (-0.6, 0.5), (-0.85, 0.5)], 0.13, BLACK)
    pen.stroke([(0.5, 0.25), (0.6, 0.6), (0.95, 0.95)], 0.14, BLACK)
    pen.stroke([(0.6, 0.15), (0.85, 0.45), (1.15, 0.7)], 0.13, BLACK)


def turn_arrow(pen):
    """An arrow that comes from below and turns right."""
    pen.arrow([(-0.35, 0.6), (-0.35, -0.1), (0.65, -0.1)], 0.26, WHITE)


def straight_arrow(pen):
    """An arrow upwards."""
    pen.arrow([(0, 0.65), (0, -0.68)], 0.26, WHITE)


def straight_or_turn(pen):
    """An arrow upwards with a branch to the right."""
    pen.arrow([(-0.25, 0.65), (-0.25, -0.68)], 0.22, WHITE)
    pen.arrow([(-0.25, 0.2), (0.68, 0.2)], 0.22, WHITE)


def keep_arrow(pen):
    """A slanting arrow down to the right."""
    pen.arrow([(-0.48, -0.48), (0.52, 0.52)], 0.27, WHITE)


def roundabout(pen):
    """Three arrows that chase each other anticlockwise."""
    def on_circle(radius, degrees):
        return arc(0, 0, radius, radius, degrees, degrees, 1)[0]
    for start in (30, 150, 270):
        pen.stroke(arc(0, 0, 0.48, 0.48, start, start - 66, 8), 0.19, WHITE)
        pen.polygon([on_circle(0.19, start - 64), on_circle(0.54, start - 112),
                     on_circle(0.79, start - 64)], WHITE)


# --- signs ------------------------------------------------------------------

def speed_limit(number, pen):
    """A speed limit; three digits are drawn narrower and lower than two."""
    red_ring(pen)
    two = len(number) == 2
    pen.text(number, 0.66 if two else 0.58, 0.80 if two else 1.0, 0.155 if two else 0.13, BLACK)


def speed_limit_end(pen):
    white_disc(pen)
    pen.text("80", 0.78, 1.04, 0.20, GREY)
    diagonal_stripes(pen)


def no_passing(left, pen):
    red_ring(pen)
    left(pen.at(-0.32, 0.02, 0.36), RED)
    car(pen.at(0.34, 0.02, 0.36), BLACK)


def no_passing_end(left, pen):
    white_disc(pen)
    left(pen.at(-0.38, 0.02, 0.43), GREY)
    car(pen.at(0.40, 0.02, 0.43), GREY)
    diagonal_stripes(pen)


def priority_road(pen):
    def diamond(radius):
        return [(0, -radius), (radius, 0), (0, radius), (-radius, 0)]
    pen.polygon(diamond(0.98), BLACK, shape=True)
    pen.polygon(diamond(0.93), WHITE)
    pen.polygon(diamond(0.66), BLACK)
    pen.polygon(diamond(0.61), YELLOW)


def stop(pen):
    pen.polygon(arc(0, 0, 1.0, 1.0, 22.5, 382.5, 8), WHITE, shape=True)
    pen.polygon(arc(0, 0, 0.93, 0.93, 22.5, 382.5, 8), RED)
    pen.text("STOP", 0.52, 1.32, 0.12, WHITE)


def no_lorries(pen):
    red_ring(pen)
    lorry_side(pen.at(0, 0, 0.55))


def no_entry(pen):
    pen.disc(0, 0, 0.95, WHITE, shape=True)
    pen.disc(0, 0, 0.91, RED)
    pen.box(-0.66, -0.18, 0.66, 0.18, WHITE)


def limits_end(pen):
    white_disc(pen)
    diagonal_stripes(pen)


def warning(pictogram, pen, mirror=False):
    triangle(pen)
    pictogram(pen.at(0, 0.27, 0.45, mirror))


def obligation(pictogram, pen, mirror=False):
    blue_disc(pen)
    pictogram(pen.at(0, 0, 1.0, mirror))


# Class id is the position in this list, as in GTSRB.
SIGNS = [
    ("Speed limit (20 km/h)", partial(speed_limit, "20")),
    ("Speed limit (30 km/h)", partial(speed_limit, "30")),
    ("Speed limit (50 km/h)", partial(speed_limit, "50")),
    ("Speed limit (60 km/h)", partial(speed_limit, "60")),
    ("Speed limit (70 km/h)", partial(speed_limit, "70")),
    ("Speed limit (80 km/h)", partial(speed_limit, "80")),
    ("End of speed limit (80 km/h)", speed_limit_end),
    ("Speed limit (100 km/h)", partial(speed_limit, "100")),
    ("Speed limit (120 km/h)", partial(speed_limit, "120")),
    ("No passing", partial(no_passing, car)),
    ("No passing for vehicles over 3.5 t", partial(no_passing, lorry_rear)),
    ("Right-of-way at the next intersection", partial(warning, crossing_with_priority)),
    ("Priority road", priority_road),
    ("Yield", partial(triangle, up=False)),
    ("Stop", stop),
    ("No vehicles", red_ring),
    ("No vehicles over 3.5 t", no_lorries),
    ("No entry", no_entry),
    ("General caution", partial(warning, exclamation_mark)),
    ("Dangerous curve to the left", partial(warning, curve, mirror=True)),
    ("Dangerous curve to the right", partial(warning, curve)),
    ("Double curve", partial(warning, double_curve)),
    ("Bumpy road", partial(warning, bumps)),
    ("Slippery road", partial(warning, skidding_car)),
    ("Road narrows on the right", partial(warning, narrowing)),
    ("Road work", partial(warning, digging_person)),
    ("Traffic signals", partial(warning, traffic_light)),
    ("Pedestrians", partial(warning, pedestrian_crossing)),
    ("Children crossing", partial(warning, two_children)),
    ("Bicycles crossing", partial(warning, bicycle)),
    ("Beware of ice or snow", partial(warning, snowflake)),
    ("Wild animals crossing", partial(warning, leaping_deer)),
    ("End of all speed and passing limits", limits_end),
    ("Turn right ahead", partial(obligation, turn_arrow)),
    ("Turn left ahead", partial(obligation, turn_arrow, mirror=True)),
    ("Ahead only", partial(obligation, straight_arrow)),
    ("Go straight or right", partial(obligation, straight_or_turn)),
    ("Go straight or left", partial(obligation, straight_or_turn, mirror=True)),
    ("Keep right", partial(obligation, keep_arrow)),
    ("Keep left", partial(obligation, keep_arrow, mirror=True)),
    ("Roundabout mandatory", partial(obligation, roundabout)),
    ("End of no passing", partial(no_passing_end, car)),
    ("End of no passing for vehicles over 3.5 t", partial(no_passing_end, lorry_rear)),
]

CLASS_COUNT = len(SIGNS)
CLASS_NAMES = [name for name, _ in SIGNS]


def draw_sign(label):
    """The clean sign of one class as an RGBA image."""
    pen = Pen.blank()
    SIGNS[label][1](pen)
    return pen.finish()
