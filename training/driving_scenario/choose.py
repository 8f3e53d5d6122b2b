"""Chooses and writes the frames that ship: clear cases, with the truth about them.

Run after object detection and lane keeping are trained. Every frame has lane
lines, a traffic light and a sign, all met with a margin by the shipped networks,
so that rounding on another processor cannot turn a right answer into a wrong one.
"""

import io
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from drawing.frames import frame
from drawing.scene import CLASSES
from lane_keeping import lines
from learning.preprocess import signed, stretched
from learning.runtime import OnnxModel, margins
from object_detection.boxes import letterboxed, rows, unit
from object_detection.decode import detections, overlaps
from object_detection.settings import SIZE

FRAMES_SEED = 43
FRAMES = 8
WIDTH, HEIGHT = 1280, 720
OVERSAMPLING = 2  # drawn this much larger and then averaged down
QUALITY = 90  # of the JPEG files

CONFIDENCE = 0.25  # what the application takes for an object
LEAST_CONFIDENCE = 0.35  # of the light and the sign
LEAST_OVERLAP = 0.6
LEAST_RECALL = 0.5  # share of the boxes found
LEAST_LANE_IOU = 0.6
LEAST_MARGIN = 1.0  # between a classifier's two highest logits
MARGIN = 0.1  # around a box, as a part of its longer side: as in driving_scenario.rs
LIGHT_SIZE = (96, 96)
ASSETS = Path(__file__).resolve().parents[2] / "crates/isolde-apps/assets"


def as_shipped(pixels):
    """The bytes of the JPEG file, and the pixels that are read back from them."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return file.getvalue(), np.asarray(Image.open(file))


def scene(index):
    """A scene at the shipped size; boxes and lanes in pixels of that size."""
    drawn = frame(FRAMES_SEED, index, WIDTH * OVERSAMPLING, HEIGHT * OVERSAMPLING)
    drawn.pixels = np.asarray(Image.fromarray(drawn.pixels).reduce(OVERSAMPLING))
    for box in drawn.boxes:
        box.corners = tuple(v / OVERSAMPLING for v in box.corners)
    drawn.lanes = {number: [(x / OVERSAMPLING, y / OVERSAMPLING) for x, y in points]
                   for number, points in drawn.lanes.items()}
    return drawn


def detected(model, pixels):
    """Objects in a frame as (class, score, corners in the frame's pixels)."""
    picture = unit(letterboxed(pixels)).transpose(2, 0, 1)
    outputs = {name: values[0] for name, values in model.run(picture[None]).items()}
    rim = np.array([0, (SIZE - SIZE * HEIGHT // WIDTH) / 2] * 2)
    return [(label, score, (corners - rim) * (WIDTH / SIZE))
            for label, score, corners in detections(outputs, CONFIDENCE)]


def truth_of(found, boxes):
    """The box of the same class that a detection meets, or none."""
    label, _, corners = found
    same = [box for box in boxes if CLASSES.index(box.kind) == label]
    if not same:
        return None
    shares = overlaps(corners, np.array([box.corners for box in same]))
    return same[shares.argmax()] if shares.max() >= LEAST_OVERLAP else None


def best(found, boxes, prefix):
    """(detection, its truth) of the surest object whose class begins with `prefix`."""
    for item in found:
        if CLASSES[item[0]].startswith(prefix):
            return (item, truth_of(item, boxes)) if item[1] >= LEAST_CONFIDENCE else None
    return None


def recall(found, drawn):
    """Share of the boxes in the truth that were found."""
    table = rows(drawn.boxes, 1)[:len(drawn.boxes)]
    hits = [any(label == row[0] and overlaps(row[1:], corners[None])[0] >= 0.5
                for label, _, corners in found) for row in table]
    return np.mean(hits)


def cut_out(pixels, corners):
    """The part of the frame that the driving scenario classifies: a box with a margin."""
    x0, y0, x1, y1 = corners
    margin = MARGIN * max(x1 - x0, y1 - y0)
    left, top = (max(0, int(np.floor(v - margin + 0.5))) for v in (x0, y0))
    right, bottom = (min(most, int(np.floor(v + margin + 0.5)))
                     for v, most in ((x1, WIDTH), (y1, HEIGHT)))
    return Image.fromarray(pixels).crop((left, top, right, bottom))


def light_is_named(model, pixels, corners, state):
    """Whether the traffic-light network tells the state of the light in a box."""
    picture = signed(stretched(cut_out(pixels, corners), *LIGHT_SIZE))
    logits = model.logits(picture.transpose(2, 0, 1)[None])
    label = {"green": 1, "red": 2}.get(state, 0)
    return logits[0].argmax() == label and margins(logits)[0] >= LEAST_MARGIN


def sign_is_named(model, pixels, corners, label):
    """Whether the road-sign network names the sign in a box of the frame."""
    crop = cut_out(pixels, corners)
    rgb = np.asarray(crop.resize((32, 32), Image.Resampling.BILINEAR), np.float32)
    grey = rgb @ np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)
    logits = model.logits(((grey - np.float32(0.5)) / np.float32(0.5))[None, None])
    return logits[0].argmax() == label and margins(logits)[0] >= LEAST_MARGIN


def lane_iou(model, pixels, lanes):
    """Mean IoU of the lines of one frame."""
    truth = lines.mask(lanes, WIDTH, HEIGHT)
    return lines.measure(model, lines.stretched(pixels)[None], truth[None]).mean


def judged(models, drawn, pixels):
    """What ships beside a frame, or none if the frame is not a clear case."""
    found = detected(models["object-detection"], pixels)
    light = best(found, drawn.boxes, "traffic light")
    sign = best(found, drawn.boxes, "traffic sign")
    if not (light and sign and light[1] and sign[1]) or len(drawn.lanes) < 2:
        return None
    if recall(found, drawn) < LEAST_RECALL:
        return None
    state = light[1].kind.removeprefix("traffic light ")
    if not light_is_named(models["traffic-light"], pixels, light[0][2], state):
        return None
    if not sign_is_named(models["road-sign"], pixels, sign[0][2], sign[1].sign):
        return None
    if lane_iou(models["lane-keeping"], pixels, drawn.lanes) < LEAST_LANE_IOU:
        return None
    return {"boxes": [[box.kind, *box.corners] for box in drawn.boxes],
            "lanes": {str(number): [[round(float(x), 1), round(float(y), 1)] for x, y in points]
                      for number, points in drawn.lanes.items()},
            "light": state, "sign": sign[1].sign}


def write_truth(path, truths):
    """One frame per line."""
    lines_ = [f"  {json.dumps(name)}: {json.dumps(truth)}" for name, truth in truths.items()]
    path.write_text("{\n" + ",\n".join(lines_) + "\n}\n", encoding="utf-8")


def main():
    folder = ASSETS / "driving-scenario"
    shutil.rmtree(folder / "images", ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    models = {name: OnnxModel(ASSETS / name / "model.onnx")
              for name in ("object-detection", "lane-keeping", "road-sign", "traffic-light")}
    truths, index = {}, 0
    while len(truths) < FRAMES:
        drawn = scene(index)
        data, pixels = as_shipped(drawn.pixels)
        truth = judged(models, drawn, pixels)
        if truth:
            name = f"{len(truths):02}.jpg"
            (folder / "images" / name).write_bytes(data)
            truths[name] = truth
            print(f"{name}: scene {index}, light {truth['light']}, sign {truth['sign']}", flush=True)
        index += 1
    write_truth(folder / "frames.json", truths)


if __name__ == "__main__":
    main()
