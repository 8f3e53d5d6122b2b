"""How often intervals for the ratio of two environments hold the true ratio.

Launch medians of two environments in n blocks: a drift common to a block (heat)
and an error of each launch, normal or heavy-tailed (Student's t, 2 degrees of
freedom). Prints for each case the share of runs in which the 95 % interval holds
the true ratio of 1.05:
A  ratio of medians, percentile bootstrap over blocks (what isolde-stats does)
G  geometric mean of the paired ratios, likewise
C  median of the paired ratios, likewise
"""

import numpy as np

TRUE, RUNS, RESAMPLES, NOISE = 1.05, 1500, 600, 0.02
rng = np.random.default_rng(1)


def coverage(n, drift, heavy):
    hits = np.zeros(3)
    for _ in range(RUNS):
        heat = np.cumsum(rng.normal(0, drift / np.sqrt(n), n))
        error = NOISE * (rng.standard_t(2, (2, n)) if heavy else rng.normal(0, 1, (2, n)))
        baseline, subject = np.exp(heat + error[0]), TRUE * np.exp(heat + error[1])
        index, paired = rng.integers(0, n, (RESAMPLES, n)), subject / baseline
        a = np.median(subject[index], 1) / np.median(baseline[index], 1)
        g = np.exp(np.log(paired)[index].mean(1))
        c = np.median(paired[index], 1)
        for k, drawn in enumerate((a, g, c)):
            low, high = np.quantile(drawn, [0.025, 0.975])
            hits[k] += low <= TRUE <= high
    return hits / RUNS


for heavy in (False, True):
    for drift in (0.0, 0.05):
        for n in (5, 8, 10, 20, 50):
            a, g, c = coverage(n, drift, heavy)
            print(f"heavy={heavy} drift={drift} n={n}: A {a:.3f} G {g:.3f} C {c:.3f}")
