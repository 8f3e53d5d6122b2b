"""Writes trained parameters as a self-contained ONNX file."""

import onnx
from onnx import TensorProto, helper, numpy_helper

from drawing.signs import CLASS_COUNT
from road_sign.network import WEIGHT_SHAPES
from road_sign.scene import IMAGE_SIZE

OPSET = 13
IR_VERSION = 7  # the file format that belongs to opset 13; readable by old runtimes


def convolution_nodes(name, source):
    """Conv, Relu and MaxPool; the result is called `<name>.pooled`."""
    return [
        helper.make_node("Conv", [source, f"{name}.weight", f"{name}.bias"], [f"{name}.sum"],
                         name=f"{name}.conv", kernel_shape=[5, 5], strides=[1, 1],
                         pads=[0, 0, 0, 0]),
        helper.make_node("Relu", [f"{name}.sum"], [f"{name}.relu"], name=f"{name}.activation"),
        helper.make_node("MaxPool", [f"{name}.relu"], [f"{name}.pooled"], name=f"{name}.pool",
                         kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]),
    ]


def gemm_node(name, source, target):
    """A fully connected layer."""
    return helper.make_node("Gemm", [source, f"{name}.weight", f"{name}.bias"], [target],
                            name=f"{name}.gemm", alpha=1.0, beta=1.0, transB=1)


def graph_nodes():
    """All operators in the order in which they run."""
    return [
        *convolution_nodes("conv1", "input"),
        *convolution_nodes("conv2", "conv1.pooled"),
        helper.make_node("Flatten", ["conv2.pooled"], ["flat"], name="flatten", axis=1),
        gemm_node("fc1", "flat", "fc1.sum"),
        helper.make_node("Relu", ["fc1.sum"], ["fc1.relu"], name="fc1.activation"),
        gemm_node("fc2", "fc1.relu", "fc2.sum"),
        helper.make_node("Relu", ["fc2.sum"], ["fc2.relu"], name="fc2.activation"),
        gemm_node("fc3", "fc2.relu", "logits"),
    ]


def export(parameters, path):
    """Checks the model and writes it; equal parameters give equal bytes."""
    names = [f"{layer}.{kind}" for layer in WEIGHT_SHAPES for kind in ("weight", "bias")]
    graph = helper.make_graph(
        graph_nodes(), "road-sign",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 1, IMAGE_SIZE, IMAGE_SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CLASS_COUNT])],
        [numpy_helper.from_array(parameters[name], name) for name in names])
    model = helper.make_model(graph, producer_name="isolde-road-sign", ir_version=IR_VERSION,
                              opset_imports=[helper.make_opsetid("", OPSET)])
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))
