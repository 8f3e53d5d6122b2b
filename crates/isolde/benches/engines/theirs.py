"""Loads an ONNX file in ONNX Runtime, infers once, then times inferences.

python3 theirs.py NETWORK THREADS INFERENCES: prints `first` after the first
inference, then the nanoseconds of each that follows, one a line.
"""

import gc
import sys
import time

import numpy
import onnxruntime

path, threads, inferences = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
wanted = session.get_inputs()[0]
values = numpy.random.default_rng(0).uniform(-1, 1, wanted.shape).astype(numpy.float32)
inputs = {wanted.name: values}
session.run(None, inputs)
print("first", flush=True)
gc.disable()
for _ in range(inferences):
    start = time.perf_counter_ns()
    session.run(None, inputs)
    print(time.perf_counter_ns() - start)
