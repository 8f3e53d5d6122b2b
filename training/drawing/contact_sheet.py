"""Writes one PNG to look at: scenes with their boxes and lane lines.

Usage: python -m drawing.contact_sheet OUT.png
"""

import sys

from PIL import Image, ImageDraw

from drawing.frames import HEIGHT, WIDTH, frame

SEED = 5
COLUMNS, ROWS = 3, 4
LINE_COLOURS = {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255), 4: (255, 255, 0)}
BOX_COLOUR = (255, 0, 255)


def annotated(scene):
    """The scene with its truth drawn over it."""
    image = Image.fromarray(scene.pixels)
    draw = ImageDraw.Draw(image)
    for box in scene.boxes:
        draw.rectangle(box.corners, outline=BOX_COLOUR)
        draw.text((box.corners[0], box.corners[1] - 11), box.kind, fill=BOX_COLOUR)
    for number, points in scene.lanes.items():
        draw.line(points, fill=LINE_COLOURS[number])
    return image


def contact_sheet():
    """The first scenes under a seed, row by row."""
    sheet = Image.new("RGB", (COLUMNS * WIDTH, ROWS * HEIGHT))
    for i in range(COLUMNS * ROWS):
        sheet.paste(annotated(frame(SEED, i)), (i % COLUMNS * WIDTH, i // COLUMNS * HEIGHT))
    return sheet


if __name__ == "__main__":
    contact_sheet().save(sys.argv[1])
