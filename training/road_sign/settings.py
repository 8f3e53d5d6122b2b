"""Seeds, amounts and places shared by the training and the check."""

from pathlib import Path

from learning.schedule import Schedule

# Every set of images has its own seed, so no image is in two sets.
TRAINING_SEED = 11
HELD_OUT_SEED = 12
BUNDLE_SEED = 13
CHECK_SEED = 14
NETWORK_SEED = 1  # initial weights and order of batches

TRAINING_PER_CLASS = 2500
HELD_OUT_PER_CLASS = 240
SCHEDULE = Schedule(epochs=12, batch=128)

BUNDLE_PER_CLASS = 2
# A top logit this far above the second one does not change places with it
# because two processors round differently.
BUNDLE_MARGIN = 2.0

SHEET_PER_CLASS, SHEET_COLUMNS = 5, 20  # held-out pictures kept for tests

CRATE = Path(__file__).resolve().parents[2] / "crates/isolde-apps"
ASSETS = CRATE / "assets/road-sign"
HELD_OUT = CRATE / "tests/held_out/road-sign"
