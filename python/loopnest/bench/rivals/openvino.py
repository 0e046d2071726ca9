"""OpenVINO: float32 (it would take bfloat16 where the CPU has it), latency hint, images declared NCHW and
NHWC: given NCHW, it reorders at the border."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from openvino.preprocess import PrePostProcessor

from loopnest.bench import onnx_model
from loopnest.bench.cases import Convolution, Recurrent
from loopnest.bench.timing import Candidate, python_repeat

package = "openvino"
core = ov.Core()


def version() -> str:
    return str(ov.get_version()).split("-")[0]


def candidate(model: bytes, inputs: dict[str, Any], threads: int, last: bool = False) -> Candidate:
    """last: the first input and the first output are channels-last in memory."""
    graph = core.read_model(model)
    axes = {4: "NCHW", 5: "NCDHW"}.get(next(iter(inputs.values())).ndim, "")
    if last:
        prepare = PrePostProcessor(graph)
        order = axes[0] + axes[2:] + "C"
        prepare.input(0).tensor().set_layout(ov.Layout(order))
        prepare.input(0).model().set_layout(ov.Layout(axes))
        if len(graph.output(0).partial_shape) == len(axes):  # not the scores of a whole network
            prepare.output(0).tensor().set_layout(ov.Layout(order))
            prepare.output(0).model().set_layout(ov.Layout(axes))
        graph = prepare.build()
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,
    }
    request = core.compile_model(graph, "CPU", config).create_infer_request()
    kept = []
    for name, array in inputs.items():
        array = np.ascontiguousarray(np.moveaxis(array, 1, -1) if last else array)
        kept.append((array, ov.Tensor(array, shared_memory=True)))
        request.set_tensor(name, kept[-1][1])

    def run() -> None:
        request.start_async()
        request.wait()

    def result() -> list[Any]:
        run()
        found = [np.array(t.data) for t in request.output_tensors]
        return [np.moveaxis(found[0], -1, 1), *found[1:]] if last and found[0].ndim > 2 else found

    run.kept = kept  # type: ignore[attr-defined]
    return Candidate(python_repeat(run), result)


def convolution(case: Convolution, threads: int) -> dict[str, Candidate]:
    model, inputs = onnx_model.convolution(case), {"x": case.x}
    found = {"nchw": candidate(model, inputs, threads)}
    if case.x.ndim > 3:
        found["nhwc"] = candidate(model, inputs, threads, last=True)
    return found


def recurrent(case: Recurrent, threads: int) -> dict[str, Candidate]:
    inputs = {"x": case.x}
    if case.one_step:
        inputs |= {name: s[None] for name, s in zip("hc", case.states, strict=False)}
    return {"": candidate(onnx_model.recurrent(case), inputs, threads)}
