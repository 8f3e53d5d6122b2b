"""Seeds, amounts and places shared by the training and the check."""

from pathlib import Path

from learning.schedule import Schedule

HEIGHT, WIDTH = 144, 400  # pixels of the network's input
LANES = 4
DIVISOR = 8  # every width of the full-size network over this

# Every set of scenes has its own seed, so no scene is in two sets. The scenes of
# the training and of the held-out set are those of object detection.
TRAINING_SEED = 41
HELD_OUT_SEED = 42
CHECK_SEED = 45
NETWORK_SEED = 3  # initial weights and order of batches

TRAINING_SCENES = 2400
HELD_OUT_SCENES = 300
SCHEDULE = Schedule(epochs=3, batch=8)

ASSETS = Path(__file__).resolve().parents[2] / "crates/isolde-apps/assets/lane-keeping"
