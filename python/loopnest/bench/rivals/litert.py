"""LiteRT (TensorFlow Lite) with XNNPACK. A model of one node is written here as a flatbuffer, by the schema
that the package brings along: no TensorFlow is needed. 1-D as an image of one row; no 3-D, which XNNPACK does
not have."""

from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from loopnest.bench.cases import Convolution
from loopnest.bench.rivals import Impossible
from loopnest.bench.timing import Candidate, python_repeat

package = "ai-edge-litert"


def version() -> str:
    return package_version(package)


class Builder:
    """Tensors, buffers and operators of one subgraph."""

    def __init__(self) -> None:
        self.tensors: list[Any] = []
        self.buffers = [schema.BufferT()]
        self.operators: list[Any] = []
        self.codes: list[Any] = []

    def tensor(self, shape: Any, data: Any = None) -> int:
        t = schema.TensorT()
        t.shape = np.asarray(shape, np.int32)
        t.type = (
            schema.TensorType.INT32
            if data is not None and data.dtype.kind == "i"
            else schema.TensorType.FLOAT32
        )
        t.name = f"t{len(self.tensors)}".encode()
        t.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            t.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(t)
        return len(self.tensors) - 1

    def constant(self, data: Any) -> int:
        return self.tensor(data.shape, data)

    def operator(self, code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> None:
        made = schema.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode, made.version = code, min(code, 127), 1
        self.codes.append(made)
        op = schema.OperatorT()
        op.opcodeIndex = len(self.codes) - 1
        op.inputs, op.outputs = np.asarray(inputs, np.int32), np.asarray(outputs, np.int32)
        op.builtinOptionsType, op.builtinOptions = kind, options
        self.operators.append(op)

    def finish(self, x: int, y: int) -> bytes:
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.asarray([x], np.int32), np.asarray([y], np.int32)
        model = schema.ModelT()
        model.version, model.operatorCodes = 3, self.codes
        model.subgraphs, model.buffers = [graph], self.buffers
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _images(case: Convolution) -> tuple[Any, ...]:
    """x NHWC, w [oc, kh, kw, ic / g], stride, pads, dilation, out: of two directions."""
    s = case.shape
    if len(s.size) == 3:
        raise Impossible("XNNPACK has no 3-D convolution")
    one = len(s.size) == 1
    x, w = (a[:, :, None] if one else a for a in (case.x, case.w))
    lead = ((1,), ((0, 0),), (1,), (1,)) if one else ((), (), (), ())
    stride, pads, dilation, out = (
        (*a, *b) for a, b in zip(lead, (s.stride, s.pads, s.dilation, s.out), strict=True)
    )
    order = (1, 2, 3, 0) if case.transposed else (0, 2, 3, 1)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)), w.transpose(order), stride, pads, dilation, out


def _same(size: Any, out: Any, kernel: Any, stride: Any, dilation: Any) -> tuple[tuple[int, int], ...]:
    """TensorFlow's "SAME" padding for these sizes."""
    total = [
        max((o - 1) * s + d * (k - 1) + 1 - i, 0)
        for i, o, k, s, d in zip(size, out, kernel, stride, dilation, strict=True)
    ]
    return tuple((t // 2, t - t // 2) for t in total)


def _write(case: Convolution) -> tuple[bytes, Any]:
    x, w, stride, pads, dilation, out = _images(case)
    s, b = case.shape, Builder()
    given = b.tensor(x.shape)
    n, ih, iw, ic = x.shape
    y = b.tensor((n, *out, s.oc))
    bias = b.constant(case.b)
    if case.transposed:
        kernel = w.shape[1:3]
        if s.g != 1 or dilation != (1, 1):
            raise Impossible("LiteRT's transposed convolution has no groups and no dilation")
        # TRANSPOSE_CONV knows SAME and VALID only, by the output's size.
        options = schema.TransposeConvOptionsT()
        options.strideH, options.strideW = stride
        whole = tuple((i - 1) * t + k for i, t, k in zip((ih, iw), stride, kernel, strict=True))
        if whole == tuple(out) and pads == ((0, 0), (0, 0)):
            options.padding = schema.Padding.VALID
        elif _same(out, (ih, iw), kernel, stride, dilation) == tuple(pads):
            options.padding = schema.Padding.SAME
        else:
            raise Impossible("LiteRT's transposed convolution has no such padding")
        b.operator(
            schema.BuiltinOperator.TRANSPOSE_CONV,
            [b.constant(np.asarray((n, *out, s.oc), np.int32)), b.constant(w), given, bias],
            [y],
            schema.BuiltinOptions.TransposeConvOptions,
            options,
        )
        b.codes[-1].version = 3
        return b.finish(given, y), x
    source = given
    kernel = w.shape[1:3]
    if tuple(pads) == ((0, 0), (0, 0)):
        padding = schema.Padding.VALID
    elif _same((ih, iw), out, kernel, stride, dilation) == tuple(pads):
        padding = schema.Padding.SAME
    else:  # its own operator; XNNPACK takes it into the convolution
        padding = schema.Padding.VALID
        shape = (n, *(i + sum(p) for i, p in zip((ih, iw), pads, strict=True)), ic)
        source = b.tensor(shape)
        table = np.asarray([(0, 0), *pads, (0, 0)], np.int32)
        b.operator(
            schema.BuiltinOperator.PAD,
            [given, b.constant(table)],
            [source],
            schema.BuiltinOptions.PadOptions,
            schema.PadOptionsT(),
        )
    deep = s.g > 1 and s.g == s.ic
    options = schema.DepthwiseConv2DOptionsT() if deep else schema.Conv2DOptionsT()
    options.padding = padding
    options.strideH, options.strideW = stride
    options.dilationHFactor, options.dilationWFactor = dilation
    if deep:  # [1, kh, kw, oc]
        options.depthMultiplier = s.oc // s.ic
        w = w.transpose(3, 1, 2, 0)
    b.operator(
        schema.BuiltinOperator.DEPTHWISE_CONV_2D if deep else schema.BuiltinOperator.CONV_2D,
        [source, b.constant(np.ascontiguousarray(w)), bias],
        [y],
        schema.BuiltinOptions.DepthwiseConv2DOptions if deep else schema.BuiltinOptions.Conv2DOptions,
        options,
    )
    return b.finish(given, y), x


def convolution(case: Convolution, threads: int) -> dict[str, Candidate]:
    model, x = _write(case)
    interpreter = Interpreter(model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    output = interpreter.get_output_details()[0]["index"]

    def result() -> list[Any]:
        interpreter.invoke()
        y = np.moveaxis(interpreter.get_tensor(output), -1, 1)
        return [y[:, :, 0] if case.x.ndim == 3 else y]

    return {"": Candidate(python_repeat(interpreter.invoke), result)}
