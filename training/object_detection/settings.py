"""Seeds, amounts and places shared by the training and the check."""

from pathlib import Path

from learning.schedule import Schedule

SIZE = 320  # pixels of the network's square input
WIDTH_MULTIPLE = 0.1875  # of YOLOv5's widths; its own small model has 0.5

# Every set of scenes has its own seed, so no scene is in two sets.
TRAINING_SEED = 41
HELD_OUT_SEED = 42
CHECK_SEED = 44
NETWORK_SEED = 4  # initial weights and order of batches

TRAINING_SCENES = 2400
HELD_OUT_SCENES = 400
# First on the picture with a narrow rim, which is faster, then with the whole
# letterbox, whose grey rows change what the deep layers see.
CROPPED = Schedule(epochs=5, batch=16, peak_rate=3e-3)
WHOLE = Schedule(epochs=6, batch=16, peak_rate=2e-3)

ASSETS = Path(__file__).resolve().parents[2] / "crates/isolde-apps/assets/object-detection"
