"""Prints the values that tests/golden.rs holds, with NumPy 2.4.

python3 -m venv v && v/bin/pip install numpy && v/bin/python numpy_values.py
"""

import numpy as np


def samples(n):
    """The generator of golden.rs: Numerical Recipes' 32-bit congruence."""
    state, out = 12345, []
    for _ in range(n):
        state = (1664525 * state + 1013904223) % 2**32
        out.append(30000.0 + state % 10007 / 8)
    return np.array(out)


for n in (1, 2, 3, 10, 59, 300, 1001):
    x = samples(n)
    quantiles = [float(np.quantile(x, q)) for q in (0.0, 0.05, 0.5, 0.95, 0.99, 1.0)]
    sd = float(np.std(x, ddof=1)) if n > 1 else None
    print(n, float(np.mean(x)), sd, quantiles)

# The resampling draws other numbers than Rust's, so only to its own precision.
subject, baseline = samples(60).reshape(2, 30)
rng = np.random.default_rng(1)
index = rng.integers(0, 30, (200_000, 30))
ratios = np.median(subject[index], 1) / np.median(baseline[index], 1)
print(float(np.median(subject) / np.median(baseline)), np.quantile(ratios, [0.025, 0.975]).tolist())
