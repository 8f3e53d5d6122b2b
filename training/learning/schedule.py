"""How long and how fast to learn; apart from the optimiser so that a check needs no JAX."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Schedule:
    """Epochs, pictures per batch and the learning rate over the steps."""

    epochs: int
    batch: int
    peak_rate: float = 2e-3
    warmup: float = 0.05  # share of the steps over which the rate climbs to its peak
    decay: float = 1e-4  # decoupled weight decay, relative to the rate

    def rate_at(self, step, steps):
        """Linear warm-up, then half a cosine down to zero."""
        warmup = self.warmup * steps
        if step < warmup:
            return self.peak_rate * step / warmup
        return self.peak_rate * 0.5 * (1 + np.cos(np.pi * (step - warmup) / (steps - warmup)))
