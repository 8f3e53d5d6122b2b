"""Writes a trained network as a self-contained ONNX file.

Batch normalisation is folded into the convolutions before it: only weights and
biases are left. Equal parameters give equal bytes.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from learning.layers import EPSILON, pair, same_padding

OPSET = 17
IR_VERSION = 8  # the file format that belongs to opset 17


class Graph:
    """Writes down the operations of a network as ONNX nodes; a value is its name here."""

    def __init__(self, parameters, statistics):
        self.parameters, self.statistics = parameters, statistics
        self.nodes, self.weights, self.outputs = [], {}, []
        self.counted = {}

    def _node(self, operator, inputs, name=None, **attributes):
        """Appends a node; returns the name of its output."""
        if name is None:
            self.counted[operator] = self.counted.get(operator, 0) + 1
            name = f"{operator.lower()}{self.counted[operator]}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def _weight(self, name, values):
        self.weights[name] = np.ascontiguousarray(values, np.float32)
        return name

    def _activate(self, x, activation):
        if activation == "relu":
            return self._node("Relu", [x], f"{x}.relu")
        if activation == "relu6":
            bounds = [self._weight("zero", 0.0), self._weight("six", 6.0)]
            return self._node("Clip", [x, *bounds], f"{x}.relu6")
        if activation == "silu":
            sigmoid = self._node("Sigmoid", [x], f"{x}.sigmoid")
            return self._node("Mul", [x, sigmoid], f"{x}.silu")
        return x

    def _folded(self, name, norm):
        """Weight [height, width, in, out] and bias with the normalisation in them."""
        weight, bias = self.parameters[name + ".weight"], self.parameters[name + ".bias"]
        if not norm:
            return weight, bias
        variance = self.statistics[name + ".variance"].astype(np.float64)
        scale = self.parameters[name + ".scale"] / np.sqrt(variance + EPSILON)
        return weight * scale, bias - self.statistics[name + ".mean"] * scale

    def _conv(self, x, name, weight, bias, kernel, stride, padding, dilation, group):
        inputs = [x, self._weight(name + ".weight", weight), self._weight(name + ".bias", bias)]
        return self._node("Conv", inputs, name, kernel_shape=pair(kernel), strides=pair(stride),
                          pads=padding * 2, dilations=pair(dilation), group=group)

    def conv(self, x, name, channels, kernel=3, stride=1, padding=None, dilation=1,
             norm=True, activation=None):
        padding = same_padding(kernel, dilation) if padding is None else pair(padding)
        weight, bias = self._folded(name, norm)
        x = self._conv(x, name, weight.transpose(3, 2, 0, 1), bias, kernel, stride, padding,
                       dilation, 1)
        return self._activate(x, activation)

    def depthwise(self, x, name, kernel=3, stride=1, activation=None):
        weight, bias = self._folded(name, True)
        weight = weight.transpose(2, 0, 1)[:, None]
        x = self._conv(x, name, weight, bias, kernel, stride, same_padding(kernel), 1,
                       len(weight))
        return self._activate(x, activation)

    def linear(self, x, name, outputs):
        inputs = [x, self._weight(name + ".weight", self.parameters[name + ".weight"].T),
                  self._weight(name + ".bias", self.parameters[name + ".bias"])]
        return self._node("Gemm", inputs, name, alpha=1.0, beta=1.0, transB=1)

    def max_pool(self, x, kernel, stride, padding=0):
        return self._node("MaxPool", [x], kernel_shape=pair(kernel), strides=pair(stride),
                          pads=[padding] * 4)

    def average_pool(self, x, kernel, stride, padding=0):
        return self._node("AveragePool", [x], kernel_shape=pair(kernel), strides=pair(stride),
                          pads=[padding] * 4, count_include_pad=1)

    def global_average(self, x):
        return self._node("Flatten", [self._node("GlobalAveragePool", [x])], axis=1)

    def concat(self, parts):
        return self._node("Concat", parts, axis=1)

    def add(self, x, y):
        return self._node("Add", [x, y])

    def _resize(self, x, factor, **attributes):
        scales = self._weight(f"enlarge{factor}", [1, 1, factor, factor])
        return self._node("Resize", [x, "", scales], **attributes)

    def nearest(self, x, factor):
        return self._resize(x, factor, mode="nearest", nearest_mode="floor",
                            coordinate_transformation_mode="asymmetric")

    def bilinear(self, x, factor):
        return self._resize(x, factor, mode="linear",
                            coordinate_transformation_mode="half_pixel")

    def output(self, x, name):
        """Gives the last node's result the name of an output."""
        node = self.nodes[-1]
        if node.output[0] != x:
            raise ValueError(f"output {name} is not the result of the node written last")
        node.output[0] = name
        self.outputs.append(name)
        return name


def write(network, trained, path, name, input_shape, output_shapes, metadata):
    """Checks the model and writes it.

    `trained` is (parameters, statistics), `input_shape` [1, channels, height,
    width], `output_shapes` a dict in the order of the outputs, `metadata` how a
    picture becomes the input: `isolde.colour`, `isolde.normalise`, `isolde.resize`.
    """
    graph = Graph(*trained)
    network(graph, "input")
    if sorted(graph.outputs) != sorted(output_shapes):
        raise ValueError(f"the network has outputs {graph.outputs}")
    described = helper.make_graph(
        graph.nodes, name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
         for output, shape in output_shapes.items()],
        [numpy_helper.from_array(values, key) for key, values in graph.weights.items()])
    model = helper.make_model(described, producer_name=f"isolde-{name}", ir_version=IR_VERSION,
                              opset_imports=[helper.make_opsetid("", OPSET)])
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
