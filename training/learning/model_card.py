"""Figures for the model cards of networks that name pictures."""

import numpy as np

from learning.runtime import class_accuracy


def accuracy_rows(names, predicted, labels):
    """Table rows of all classes: accuracy, and what they are taken for when wrong."""
    rows = []
    for label, accuracy in enumerate(class_accuracy(predicted, labels, len(names))):
        wrong = predicted[(labels == label) & (predicted != labels)]
        taken_for = names[np.bincount(wrong).argmax()] if len(wrong) else "-"
        rows.append(f"| {label} | {names[label]} | {100 * accuracy:.1f} % | {taken_for} |")
    return "\n".join(rows)


def figures(settings, parameters, predicted, labels):
    """What a card is filled in with; `predicted` and `labels` are of the held-out pictures."""
    s = settings
    return {
        "size": s.IMAGE_SIZE, "classes": s.CLASS_COUNT, "width": f"{s.WIDTH:g}",
        "parameters": parameters, "right": int((predicted == labels).sum()),
        "held_out": len(labels), "held_out_per_class": s.HELD_OUT_PER_CLASS,
        "accuracy": 100 * (predicted == labels).mean(), "lowest": 100 * s.LOWEST_ACCURACY,
        "training": s.CLASS_COUNT * s.TRAINING_PER_CLASS,
        "training_per_class": s.TRAINING_PER_CLASS, "epochs": s.SCHEDULE.epochs,
        "batch": s.SCHEDULE.batch, "rate": f"{s.SCHEDULE.peak_rate:g}",
        "rows": accuracy_rows(s.CLASS_NAMES, predicted, labels),
        "bundled": sum(s.BUNDLE_SIZES), "margin": s.BUNDLE_MARGIN,
        "sheet": s.CLASS_COUNT * s.SHEET_PER_CLASS, "sheet_per_class": s.SHEET_PER_CLASS,
    }
