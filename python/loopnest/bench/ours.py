"""loopnest's own candidates. Those whose names begin with "python" go through the public API of layers and
tensors; the others are the kernel alone, timed in C++, weights packed beforehand."""

from __future__ import annotations

from typing import Any

import numpy as np

import loopnest
from loopnest import ops
from loopnest.bench.cases import Convolution, Recurrent, channels_last
from loopnest.bench.rivals import Impossible
from loopnest.bench.timing import Candidate, python_repeat


def version() -> str:
    return str(loopnest.__version__)


def _there(op: str) -> None:
    """Impossible, if the operator has not been written yet."""
    if not hasattr(ops, op):
        raise Impossible(f"{op}: not there yet")


def _options(case: Convolution) -> dict[str, Any]:
    s = case.shape
    options: dict[str, Any] = {"stride": s.stride, "dilation": s.dilation, "groups": s.g}
    equal = all(low == high for low, high in s.pads)
    options["padding"] = s.padding if equal else s.pads
    if case.transposed:
        options["output_padding"] = case.output_padding
    return options


def convolution(case: Convolution, threads: int) -> dict[str, Candidate]:
    _there(case.shape.op)
    # In loopnest's own memory, which starts at a multiple of 64 bytes, as rivals copy it to theirs. NumPy's
    # starts at one of 16: every vector would straddle two lines, a third of a depthwise layer's speed.
    x = loopnest.tensor(channels_last(case.x) if case.shape.ic > 4 else case.x).numpy()
    loopnest.set_num_threads(threads)  # at most; a call takes as many as its work is worth
    call = ops.call(case.shape.op, x, case.w, case.b, **_options(case))
    call.run()
    return {f"{call.rung}@{call.isa}": Candidate(call.time, lambda: [call.result])}


def convolution_train(case: Convolution, threads: int) -> dict[str, Candidate]:
    op = case.shape.op
    function = getattr(loopnest.nn.functional, op, None)
    if function is None:
        raise Impossible(f"{op}: not there yet")
    loopnest.set_num_threads(threads)
    x, w, b, dy = (
        loopnest.tensor(a) for a in (channels_last(case.x), case.w, case.b, channels_last(case.dy))
    )
    x.requires_grad = case.input_gradient
    w.requires_grad = b.requires_grad = True
    options = _options(case)

    def run() -> None:
        x.grad = w.grad = b.grad = None
        function(x, w, b, **options).backward(dy)

    def result() -> list[Any]:
        run()
        return [x.grad.numpy() if case.input_gradient else None, w.grad.numpy(), b.grad.numpy()]

    return {"python": Candidate(python_repeat(run), result)}


def _layer(case: Recurrent) -> Any:
    kind = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}[case.op]
    if not hasattr(loopnest.nn, kind):
        raise Impossible(f"{kind}: not there yet")
    layer = getattr(loopnest.nn, kind)(case.shape.i, case.shape.h)
    weights = {"weight_ih": case.w_ih, "weight_hh": case.w_hh, "bias_ih": case.b_ih, "bias_hh": case.b_hh}
    layer.load_state_dict({f"{name}_l0": a for name, a in weights.items()})
    return layer


def _sequence(case: Recurrent) -> dict[str, Candidate]:
    _there(case.op)
    states = case.states if case.one_step else ()
    call = ops.call(case.op, case.x, case.w_ih, case.w_hh, case.b_ih, case.b_hh, *states)
    call.run()
    return {f"{call.rung}@{call.isa}": Candidate(call.time, lambda: [call.result[0]])}


def recurrent(case: Recurrent, threads: int) -> dict[str, Candidate]:
    loopnest.set_num_threads(threads)
    found = _sequence(case)
    if not case.one_step:
        return found
    layer = _layer(case).eval()
    states = [loopnest.tensor(np.ascontiguousarray(s[None])) for s in case.states]
    state = tuple(states) if len(states) > 1 else states[0]
    x = loopnest.tensor(case.x[0])

    def run() -> Any:
        return layer.step(x, state)  # never recorded: no_grad would add its own time and nothing else

    sequence = loopnest.tensor(case.x)
    compiled = loopnest.compile(layer, sequence, state)
    found["python compiled"] = Candidate(
        python_repeat(lambda: compiled(sequence, state)), lambda: [compiled(sequence, state)[0].numpy()]
    )
    found["python step"] = Candidate(python_repeat(run), lambda: [run()[0].numpy()])
    return found


def recurrent_train(case: Recurrent, threads: int) -> dict[str, Candidate]:
    loopnest.set_num_threads(threads)
    layer = _layer(case)
    x, dy = loopnest.tensor(case.x, requires_grad=True), loopnest.tensor(case.dy)
    wanted = list(layer.parameters())

    def run() -> None:
        x.grad = None
        for parameter in wanted:
            parameter.grad = None
        layer(x)[0].backward(dy)

    def result() -> list[Any]:
        run()
        return [t.grad.numpy() for t in (x, *wanted)]

    return {"python": Candidate(python_repeat(run), result)}
