"""Road users, drawn in metres and returned as transparent pictures.

    draw_object("car", rng, 120)   # an RGBA picture about 120 pixels high

A rider is drawn on a bicycle or motorcycle. Where both need a box of their own,
as in a road scene, `draw_parts` gives the picture and the box of each.
"""

from dataclasses import dataclass

from PIL import Image, ImageOps

from drawing import people, vehicles
from drawing.canvas import OVERSAMPLING, Canvas

KINDS = ("person", "rider", "car", "bus", "truck", "bike", "motor", "train")
VIEWS = ("rear", "front", "side")
SIZES = {**vehicles.SIZES, **people.SIZES}
DRAWINGS = {**vehicles.DRAWINGS, **people.DRAWINGS}
RIDDEN_HEIGHT = 1.95  # metres of a canvas that holds a vehicle and its rider


@dataclass(frozen=True)
class Drawing:
    """A picture whose lowest row stands on the ground, and the boxes of what it shows."""

    image: Image.Image  # RGBA
    boxes: list  # (kind, left, top, right, bottom) in pixels of the picture


def height_of(kind):
    """Metres between the ground and the top of a drawing."""
    return RIDDEN_HEIGHT if kind == "rider" else SIZES[kind, "side"][1]


def draw_ridden(rng, pixels_per_metre, view, vehicle):
    """A bicycle or motorcycle with its rider: one picture, two boxes."""
    width = SIZES[vehicle, view][0]
    seat = people.SEATS[vehicle]
    layers = []
    for part in (vehicle, "rider"):
        canvas = Canvas(width, RIDDEN_HEIGHT, pixels_per_metre)
        if part == vehicle:
            DRAWINGS[vehicle][view](canvas, rng)
        elif view == "side":
            people.rider_side(canvas, rng, seat)
        else:
            people.rider_end(canvas, rng, seat)
        layers.append((part, canvas.image.reduce(OVERSAMPLING)))
    whole = Image.alpha_composite(layers[0][1], layers[1][1])
    left, top, right, bottom = whole.getbbox()
    boxes = []
    for part, layer in layers:
        x0, y0, x1, y1 = layer.getbbox()
        boxes.append((part, x0 - left, y0 - top, x1 - left, y1 - top))
    return Drawing(whole.crop((left, top, right, bottom)), boxes)


def mirrored(drawing):
    """The drawing facing the other way."""
    width = drawing.image.width
    boxes = [(kind, width - x1, y0, width - x0, y1) for kind, x0, y0, x1, y1 in drawing.boxes]
    return Drawing(ImageOps.mirror(drawing.image), boxes)


def draw_parts(kind, rng, pixels_per_metre, view=None):
    """A `Drawing` of a kind at a scale, from a given or random view and side."""
    view = view or VIEWS[int(rng.integers(len(VIEWS)))]
    if kind == "rider":
        vehicle = ("bike", "motor")[int(rng.integers(2))]
        drawing = draw_ridden(rng, pixels_per_metre, view, vehicle)
    else:
        canvas = Canvas(*SIZES[kind, view], pixels_per_metre)
        DRAWINGS[kind][view](canvas, rng)
        image = canvas.finish()
        drawing = Drawing(image, [(kind, 0, 0, *image.size)])
    return mirrored(drawing) if rng.random() < 0.5 else drawing


def draw_object(kind, rng, height_px, view=None):
    """An RGBA picture of a kind, about `height_px` high."""
    return draw_parts(kind, rng, height_px / height_of(kind), view).image
