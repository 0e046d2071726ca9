"""ONNX Runtime: all graph optimisations, results bound to memory made once. It keeps images in its own order
inside (NCHWc), and weights packed."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort

from loopnest.bench import onnx_model
from loopnest.bench.cases import Convolution, Recurrent
from loopnest.bench.timing import Candidate, python_repeat

package = "onnxruntime"


def version() -> str:
    return str(ort.__version__)


def session(model: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def candidate(model: bytes, inputs: dict[str, Any], threads: int) -> Candidate:
    made = session(model, threads)
    binding, results = made.io_binding(), []
    kept = {name: ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(a)) for name, a in inputs.items()}
    for name, value in kept.items():
        binding.bind_ortvalue_input(name, value)
    for output in made.get_outputs():
        value = ort.OrtValue.ortvalue_from_shape_and_type(output.shape, np.float32)
        binding.bind_ortvalue_output(output.name, value)
        results.append(value)

    def run() -> None:
        made.run_with_iobinding(binding)

    def result() -> list[Any]:
        run()
        return [value.numpy() for value in results]

    run.kept = kept  # type: ignore[attr-defined]
    return Candidate(python_repeat(run), result)


def convolution(case: Convolution, threads: int) -> dict[str, Candidate]:
    return {"": candidate(onnx_model.convolution(case), {"x": case.x}, threads)}


def recurrent(case: Recurrent, threads: int) -> dict[str, Candidate]:
    inputs = {"x": case.x}
    if case.one_step:
        inputs |= {name: s[None] for name, s in zip("hc", case.states, strict=False)}
    return {"": candidate(onnx_model.recurrent(case), inputs, threads)}
