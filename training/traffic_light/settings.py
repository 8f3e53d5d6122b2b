"""Seeds, amounts and places shared by the training and the check."""

from pathlib import Path

from learning.schedule import Schedule

NAME = "traffic-light"
CLASS_NAMES = ["none", "green", "red"]
CLASS_COUNT = len(CLASS_NAMES)
IMAGE_SIZE = 96  # pixels of the network's input, both ways
WIDTH = 1 / 8  # channels, as a share of Inception-v3's

# Every set of pictures has its own seed, so no picture is in two sets.
TRAINING_SEED = 21
HELD_OUT_SEED = 22
BUNDLE_SEED = 23
CHECK_SEED = 24
NETWORK_SEED = 2  # initial weights and order of batches

TRAINING_PER_CLASS = 4000
HELD_OUT_PER_CLASS = 500
SCHEDULE = Schedule(epochs=16, batch=48, peak_rate=3e-3)

BUNDLE_SIZES = [8, 8, 8]  # shipped pictures of each class
# A top logit this far above the second one does not change places with it
# because two processors round differently.
BUNDLE_MARGIN = 2.0
SHEET_PER_CLASS, SHEET_COLUMNS = 50, 15  # held-out pictures kept for tests
LOWEST_ACCURACY = 0.97  # of held-out pictures; also what the tests of the application hold

CRATE = Path(__file__).resolve().parents[2] / "crates/isolde-apps"
ASSETS = CRATE / "assets" / NAME
HELD_OUT = CRATE / "tests/held_out" / NAME
