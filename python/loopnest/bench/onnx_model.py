"""A case as an ONNX model of one node, for the rivals that read ONNX (package onnx)."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from loopnest.bench.cases import Convolution, Recurrent

OPSET = 17


def _model(
    nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], constants: dict[str, Any]
) -> bytes:
    def described(arrays: dict[str, Any]) -> list[Any]:
        return [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in arrays.items()]

    graph = helper.make_graph(
        nodes,
        "case",
        described(inputs),
        described(outputs),
        [numpy_helper.from_array(np.ascontiguousarray(a), n) for n, a in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def convolution(case: Convolution) -> bytes:
    s = case.shape
    options: dict[str, Any] = {
        "strides": s.stride,
        "dilations": s.dilation,
        "group": s.g,
        "pads": [low for low, _ in s.pads] + [high for _, high in s.pads],
        "kernel_shape": s.kernel,
    }
    if case.transposed:
        options["output_padding"] = case.output_padding
    node = helper.make_node("ConvTranspose" if case.transposed else "Conv", ["x", "w", "b"], ["y"], **options)
    return _model([node], {"x": s.x}, {"y": s.y}, {"w": case.w, "b": case.b})


# Where PyTorch's gates stand in ONNX's order: LSTM i f g o -> i o f c, GRU r z n -> z r h.
ORDER = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}


def recurrent(case: Recurrent) -> bytes:
    """x -> y [t, 1, n, h] and the last states; for a single step the states before it are inputs too."""
    s = case.shape

    def gates(a: Any) -> Any:
        parts = np.split(a, s.gates)
        return np.concatenate([parts[g] for g in ORDER[case.op]])

    constants = {
        "w": gates(case.w_ih)[None],
        "r": gates(case.w_hh)[None],
        "b": np.concatenate([gates(case.b_ih), gates(case.b_hh)])[None],
    }
    state = (1, s.n, s.h)
    names = ["h", "c"][: len(case.states)]
    inputs = {"x": case.x.shape} | (dict.fromkeys(names, state) if case.one_step else {})
    outputs = {"y": (s.t, 1, s.n, s.h)} | {f"{name}n": state for name in names}
    options: dict[str, Any] = {"hidden_size": s.h} | ({"linear_before_reset": 1} if case.op == "gru" else {})
    fed = ["x", "w", "r", "b", *(["", *names] if case.one_step else [])]
    node = helper.make_node(case.op.upper(), fed, list(outputs), **options)
    return _model([node], inputs, outputs, constants)
