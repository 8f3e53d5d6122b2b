"""Writes one PNG to look at: clean signs, then flawed pictures of each class.

Usage: python -m road_sign.contact_sheet OUT.png
"""

import sys

from PIL import Image

from drawing.signs import CLASS_COUNT
from road_sign.scene import clean_sign, render, scene_rng

CELL = 66  # pixels of one picture; scenes are enlarged about twice
SCENES_PER_CLASS = 3
CLASSES_PER_ROW = 4
SEED = 5


def contact_sheet():
    """One group of a clean sign and its scenes per class, class ids row by row."""
    group = 1 + SCENES_PER_CLASS
    rows = -(-CLASS_COUNT // CLASSES_PER_ROW)
    sheet = Image.new("RGB", (CLASSES_PER_ROW * group * CELL, rows * CELL), (90, 110, 90))
    for label in range(CLASS_COUNT):
        left, top = label % CLASSES_PER_ROW * group * CELL, label // CLASSES_PER_ROW * CELL
        clean = clean_sign(label).resize((CELL - 2, CELL - 2))
        sheet.paste(clean, (left, top), clean)
        for i in range(SCENES_PER_CLASS):
            scene = Image.fromarray(render(label, scene_rng(SEED, label, i)))
            sheet.paste(scene.resize((CELL - 2, CELL - 2)), (left + (i + 1) * CELL, top))
    return sheet


if __name__ == "__main__":
    contact_sheet().save(sys.argv[1])
