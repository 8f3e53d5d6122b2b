"""Sets of road scenes, drawn by several processes."""

import numpy as np

from drawing.scene import render

WIDTH, HEIGHT = 640, 360  # pixels of a scene drawn for training


def frame(seed, index, width=WIDTH, height=HEIGHT):
    """The scene of a seed and an index, whatever was drawn before."""
    return render(np.random.default_rng([seed, index]), width, height)


def converted(convert, seed, index):
    """`convert` of one scene; runs in a process of its own."""
    return convert(frame(seed, index))


def frames(pool, convert, seed, count):
    """`convert` of the first `count` scenes under a seed: one list per value it returns."""
    jobs = [(convert, seed, index) for index in range(count)]
    return [list(values) for values in zip(*pool.starmap(converted, jobs, chunksize=25))]
