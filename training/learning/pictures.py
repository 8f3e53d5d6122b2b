"""Sets of drawn pictures, and the files that ship with a model that names pictures."""

import csv
import shutil

import numpy as np
from PIL import Image

from learning.preprocess import signed, stretched
from learning.runtime import margins


def render_set(pool, render_inputs, seed, classes, per_class, chunk=50):
    """Pictures [n, height, width, 3] and labels [n], class by class.

    `render_inputs(seed, label, first, count)` draws pictures of one class at the
    network's size.
    """
    jobs = [(seed, label, first, min(chunk, per_class - first))
            for label in range(classes) for first in range(0, per_class, chunk)]
    images = np.concatenate(pool.starmap(render_inputs, jobs, chunksize=1))
    return images, np.repeat(np.arange(classes, dtype=np.int32), per_class)


def write_csv(path, header, rows):
    """A CSV file with Unix line ends."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_rows(path, header):
    """The rows of a CSV file after its header, which must be as given."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    if rows[0] != header:
        raise SystemExit(f"check failed: header of {path}")
    return rows[1:]


class Folder:
    """The pictures shipped in a folder: `images/`, `labels.csv` and `classes.csv`."""

    def __init__(self, path, size, suffix, **save):
        self.path, self.size = path, size  # size of the network's input, (height, width)
        self.suffix, self.save = suffix, save

    def write(self, chosen, class_names, seed):
        """Writes (label, Pillow picture) pairs in shuffled order, and the names of the classes."""
        shutil.rmtree(self.path / "images", ignore_errors=True)
        (self.path / "images").mkdir(parents=True)
        rows = []
        for i, position in enumerate(np.random.default_rng(seed).permutation(len(chosen))):
            label, image = chosen[position]
            rows.append((f"{i:03}.{self.suffix}", label))
            image.save(self.path / "images" / rows[-1][0], **self.save)
        write_csv(self.path / "labels.csv", ["image", "label"], rows)
        write_csv(self.path / "classes.csv", ["label", "name"], enumerate(class_names))

    def read(self):
        """(names, inputs [n, height, width, 3], labels) of the shipped pictures."""
        rows = read_rows(self.path / "labels.csv", ["image", "label"])
        names = [row[0] for row in rows]
        images = [stretched(Image.open(self.path / "images" / name), *self.size)
                  for name in names]
        return names, np.stack(images), np.array([int(row[1]) for row in rows])


def network_logits(model, images):
    """Logits of uint8 pictures at the network's size, from the ONNX file."""
    return model.logits(signed(images).transpose(0, 3, 1, 2))


def clear_pictures(model, draw, size, label, count, margin):
    """The first pictures of a class that the model gets right with a clear margin.

    `draw(index)` gives a Pillow picture as it will ship.
    """
    chosen, index = [], 0
    while len(chosen) < count:
        image = draw(index)
        index += 1
        logits = network_logits(model, stretched(image, *size)[None])
        if logits.argmax() == label and margins(logits)[0] >= margin:
            chosen.append((label, image))
    return chosen


def write_sheet(folder, images, labels, columns):
    """Pictures that were not chosen, as cells of one PNG, row by row, with their labels.

    Tests of the application run all cells, so that the accuracy claimed is checked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    height, width = images.shape[1:3]
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height))
    for i, image in enumerate(images):
        sheet.paste(Image.fromarray(image), (i % columns * width, i // columns * height))
    sheet.save(folder / "sheet.png", optimize=True)
    write_csv(folder / "labels.csv", ["cell", "label"], enumerate(labels))


def read_sheet(folder, size):
    """(cells [n, height, width, 3], labels) of a sheet; `size` is (height, width) of a cell."""
    sheet = np.asarray(Image.open(folder / "sheet.png"))
    labels = np.array([int(row[1]) for row in read_rows(folder / "labels.csv",
                                                        ["cell", "label"])])
    height, width = size
    columns = sheet.shape[1] // width
    corners = [(i // columns * height, i % columns * width) for i in range(len(labels))]
    return np.stack([sheet[y:y + height, x:x + width] for y, x in corners]), labels
