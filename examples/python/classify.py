"""A dense network of two layers in plain Python, by the application contract."""

import json
import os
import time

INPUTS, HIDDEN, CLASSES = 64, 32, 4


def noise(seed):
    """Numbers from -1 to 1 by Numerical Recipes' congruence."""
    while True:
        seed = (1664525 * seed + 1013904223) % 2**32
        yield seed / 2**31 - 1


def matrix(rows, columns, seed):
    numbers = noise(seed)
    return [[next(numbers) / columns**0.5 for _ in range(columns)] for _ in range(rows)]


def infer(layers, vector):
    for number, layer in enumerate(layers):
        vector = [sum(w * x for w, x in zip(row, vector)) for row in layer]
        if number + 1 < len(layers):
            vector = [max(0.0, x) for x in vector]
    return vector


def tell(**line):
    print(json.dumps(line), flush=True)


layers = [matrix(HIDDEN, INPUTS, 1), matrix(CLASSES, HIDDEN, 2)]
inputs = matrix(8, INPUTS, 3)
tell(isolde="ready")

count = int(os.environ.get("ISOLDE_WARM_UP", 0)) + int(os.environ.get("ISOLDE_INFERENCES", 50))
for place in range(count):
    number = place % len(inputs)
    started = time.perf_counter_ns()
    output = infer(layers, inputs[number])
    took = time.perf_counter_ns() - started
    tell(inference_ns=took, input=number, output=output)
