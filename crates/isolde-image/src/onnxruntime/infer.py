"""Runs a network with ONNX Runtime, by Isolde's application contract.

Beside it lie network.onnx and inputs.npy, whose first dimension counts the inputs.
"""

import gc
import json
import os
import time
from pathlib import Path

import numpy
import onnxruntime

FOLDER = Path(__file__).parent
# Most values of an output that are told, so that a line stays short.
MOST_VALUES = 256


def number(name, default):
    return int(os.environ.get(name) or default)


def load(threads):
    """The network, to be run by so many threads and no more."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    return onnxruntime.InferenceSession(
        FOLDER / "network.onnx", options, providers=["CPUExecutionProvider"]
    )


def spread(outputs):
    """All values of the outputs one after the other, or some at even distances."""
    flat = numpy.concatenate([output.ravel() for output in outputs])
    kept = min(flat.size, MOST_VALUES)
    places = numpy.arange(kept, dtype=numpy.int64) * flat.size // kept
    return flat[places].astype(float).tolist()


def tell(**line):
    # A value that is not finite is an error, not a line.
    print(json.dumps(line, allow_nan=False), flush=True)


def main():
    session = load(number("ISOLDE_THREADS", 1))
    name = session.get_inputs()[0].name
    inputs = numpy.load(FOLDER / "inputs.npy", mmap_mode="r")
    tell(isolde="ready")
    count = number("ISOLDE_WARM_UP", 0) + number("ISOLDE_INFERENCES", len(inputs))
    gc.disable()
    for place in range(count):
        input = place % len(inputs)
        # Copied before the clock runs: a page that is first touched costs time.
        values = {name: numpy.array(inputs[input])}
        started = time.perf_counter_ns()
        outputs = session.run(None, values)
        took = time.perf_counter_ns() - started
        tell(inference_ns=took, input=input, output=spread(outputs))


main()
