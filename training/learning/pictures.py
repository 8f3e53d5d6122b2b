"""Sets of drawn pictures, and the files that ship with a model that names pictures."""

import csv
import io
import shutil

import numpy as np
from PIL import Image

from learning.preprocess import stretched
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


def encoded(image, form):
    """The bytes of a picture file: "png", or "jpg" at quality 90 with full colour."""
    buffer = io.BytesIO()
    if form == "png":
        image.save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=90, subsampling=0, optimize=True)
    return buffer.getvalue()


def decoded(data, size):
    """The file's picture at the network's size, (height, width)."""
    return stretched(Image.open(io.BytesIO(data)), *size)


def write_folder(folder, chosen, form, class_names, seed):
    """`images/`, `labels.csv` and `classes.csv` from (label, file's bytes), in shuffled order."""
    shutil.rmtree(folder / "images", ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    rows = []
    for i, position in enumerate(np.random.default_rng(seed).permutation(len(chosen))):
        label, data = chosen[position]
        rows.append((f"{i:03}.{form}", label))
        (folder / "images" / rows[-1][0]).write_bytes(data)
    write_csv(folder / "labels.csv", ["image", "label"], rows)
    write_csv(folder / "classes.csv", ["label", "name"], enumerate(class_names))


def read_folder(folder, size):
    """(names, pictures [n, height, width, 3], labels) as shipped."""
    rows = read_rows(folder / "labels.csv", ["image", "label"])
    images = [decoded((folder / "images" / name).read_bytes(), size) for name, _ in rows]
    return [row[0] for row in rows], np.stack(images), np.array([int(row[1]) for row in rows])


def clear_pictures(logits, draw, form, size, label, count, margin):
    """The first pictures of a class that the model gets right with a clear margin.

    `draw(index)` gives a Pillow picture; it is judged as its file reads, since
    JPEG changes it. `logits` is a function of pictures at the network's size.
    """
    chosen, index = [], 0
    while len(chosen) < count:
        data = encoded(draw(index), form)
        index += 1
        row = logits(decoded(data, size)[None])
        if row.argmax() == label and margins(row)[0] >= margin:
            chosen.append((label, data))
    return chosen


def first_of_each(images, labels, count):
    """The first pictures of each class: they are in class order, and none is chosen."""
    kept = np.concatenate([np.flatnonzero(labels == label)[:count]
                           for label in np.unique(labels)])
    return images[kept], labels[kept]


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
