"""PyTorch: inference mode, NCHW and channels-last, and weights packed beforehand for oneDNN, as a frozen
torch.compile does it. Training: autograd, NCHW and channels-last."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F

from loopnest.bench.cases import Convolution, Recurrent
from loopnest.bench.timing import Candidate, python_repeat

package = "torch"
mkldnn = torch.ops.mkldnn


def version() -> str:
    return str(torch.__version__)


def _inference(work: Callable[[], Any]) -> Candidate:
    def run() -> Any:
        with torch.inference_mode():
            return work()

    return Candidate(python_repeat(run), lambda: [_first(run()).numpy()])


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, tuple) else found


def _layouts(axes: int) -> dict[str, Any]:
    last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(axes)
    return {"nchw": torch.contiguous_format} | ({"nhwc": last} if last else {})


def _operation(case: Convolution) -> Callable[[Any, Any, Any], Any]:
    """f(x, w, b). Unequal padding: as TCNs do it, padded on both sides and cut behind (F.pad is slower)."""
    s, d = case.shape, len(case.shape.size)
    if case.transposed:
        function = getattr(F, f"conv_transpose{d}d")
        options = (s.stride, s.padding, case.output_padding, s.g, s.dilation)
        return lambda x, w, b: function(x, w, b, *options)
    function = getattr(F, f"conv{d}d")
    if all(low == high for low, high in s.pads):
        return lambda x, w, b: function(x, w, b, s.stride, s.padding, s.dilation, s.g)
    most, length = [max(pair) for pair in s.pads], s.out[0]
    return lambda x, w, b: function(x, w, b, s.stride, most, s.dilation, s.g)[:, :, :length]


def convolution(case: Convolution, threads: int) -> dict[str, Candidate]:
    torch.set_num_threads(threads)
    s, found = case.shape, {}
    x, w, b = (torch.from_numpy(a) for a in (case.x, case.w, case.b))
    call = _operation(case)
    for name, layout in _layouts(x.ndim).items():
        xl, wl = x.contiguous(memory_format=layout), w.contiguous(memory_format=layout)
        found[name] = _inference(partial(call, xl, wl, b))
    most = [max(pair) for pair in s.pads]
    if x.ndim == 3 and not case.transposed:  # as an image of one row, which can be channels-last
        x2 = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        w2 = w.unsqueeze(2).contiguous(memory_format=torch.channels_last)
        where = ((1, *s.stride), (0, *most), (1, *s.dilation), s.g)
        length = s.out[0]
        found["nhwc as 2-D"] = _inference(lambda: F.conv2d(x2, w2, b, *where).squeeze(2)[:, :, :length])
        packed = _pack(w2, (0, *most), (1, *s.stride), (1, *s.dilation), s.g, x2.shape)
        if packed is not None:
            found["nhwc as 2-D packed"] = _inference(
                lambda: mkldnn._convolution_pointwise(
                    x2, packed, b, (0, *most), (1, *s.stride), (1, *s.dilation), s.g, "none", [], ""
                ).squeeze(2)[:, :, :length]
            )
    elif x.ndim == 4 and case.transposed:
        xl = x.contiguous(memory_format=torch.channels_last)
        options = (s.padding, case.output_padding, s.stride, s.dilation, s.g)
        try:
            packed = mkldnn._reorder_convolution_transpose_weight(w, *options, list(xl.shape))
            candidate = _inference(
                lambda: mkldnn._convolution_transpose_pointwise(xl, packed, b, *options, "none", [], "")
            )
            candidate.repeat(1)
            found["nhwc packed"] = candidate
        except RuntimeError:
            pass
    elif not case.transposed:
        xl = x.contiguous(memory_format=_layouts(x.ndim)["nhwc"])
        packed = _pack(w, s.padding, s.stride, s.dilation, s.g, xl.shape)
        if packed is not None:
            found["nhwc packed"] = _inference(
                lambda: mkldnn._convolution_pointwise(
                    xl, packed, b, s.padding, s.stride, s.dilation, s.g, "none", [], ""
                )
            )
    return found


def _pack(w: Any, padding: Any, stride: Any, dilation: Any, groups: int, size: Any) -> Any:
    """oneDNN's own order of the weights, or None where this build of PyTorch does not give it."""
    try:
        return mkldnn._reorder_convolution_weight(w, padding, stride, dilation, groups, list(size))
    except (RuntimeError, AttributeError):
        return None


def convolution_train(case: Convolution, threads: int) -> dict[str, Candidate]:
    torch.set_num_threads(threads)
    found, call = {}, _operation(case)
    for name, layout in _layouts(case.x.ndim).items():
        x, w, b, dy = (torch.from_numpy(a) for a in (case.x, case.w, case.b, case.dy))
        x, w, dy = (a.clone().contiguous(memory_format=layout) for a in (x, w, dy))
        found[name] = _train(call, x, w, b.clone(), dy, case.input_gradient, lambda g: g)
    if case.x.ndim == 3 and not case.transposed:
        found["nhwc as 2-D"] = _train_as_2d(case)
    return found


def _train(
    call: Any, x: Any, w: Any, b: Any, dy: Any, wants_dx: bool, shape: Callable[[Any], Any]
) -> Candidate:
    wanted = [t.requires_grad_() for t in ((x, w, b) if wants_dx else (w, b))]

    def run() -> Any:
        return torch.autograd.grad(call(x, w, b), wanted, dy)

    def result() -> list[Any]:
        *dx, dw, db = run()
        return [shape(dx[0]).numpy() if dx else None, shape(dw).numpy(), db.numpy()]

    return Candidate(python_repeat(run), result)


def _train_as_2d(case: Convolution) -> Candidate:
    s = case.shape
    x, w, dy = (
        torch.from_numpy(a).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        for a in (case.x, case.w, case.dy)
    )
    where = ((1, *s.stride), (0, max(s.pads[0])), (1, *s.dilation), s.g)

    def call(x: Any, w: Any, b: Any) -> Any:
        return F.conv2d(x, w, b, *where)[:, :, :, : s.out[0]]

    return _train(
        call, x, w, torch.from_numpy(case.b).clone(), dy, case.input_gradient, lambda g: g.squeeze(2)
    )


def _layer(case: Recurrent, batch_first: bool = False, dtype: Any = None) -> Any:
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[case.op]
    model = kind(case.shape.i, case.shape.h, batch_first=batch_first, dtype=dtype)
    model.load_state_dict(_weights(case, "_l0"))
    return model


def _weights(case: Recurrent, end: str = "") -> dict[str, Any]:
    return {
        f"weight_ih{end}": torch.from_numpy(case.w_ih),
        f"weight_hh{end}": torch.from_numpy(case.w_hh),
        f"bias_ih{end}": torch.from_numpy(case.b_ih),
        f"bias_hh{end}": torch.from_numpy(case.b_hh),
    }


def recurrent(case: Recurrent, threads: int) -> dict[str, Candidate]:
    torch.set_num_threads(threads)
    x, found = torch.from_numpy(case.x), {}
    states = [torch.from_numpy(s).unsqueeze(0) for s in case.states]
    hx = (states[0] if len(states) == 1 else tuple(states)) if case.one_step else None
    layer, turned = _layer(case), _layer(case, batch_first=True)
    xb = x.transpose(0, 1).contiguous()
    found["layer"] = _inference(lambda: layer(x, hx))
    if case.shape.n > 1:
        found["layer, batch first"] = Candidate(
            _inference(lambda: turned(xb, hx)).repeat,
            lambda: [_inference(lambda: turned(xb, hx)).result()[0].transpose(1, 0, 2)],
        )
    if case.one_step:
        kind = {"lstm": torch.nn.LSTMCell, "gru": torch.nn.GRUCell, "rnn": torch.nn.RNNCell}[case.op]
        cell = kind(case.shape.i, case.shape.h)
        cell.load_state_dict(_weights(case))
        flat = [s[0] for s in states]
        found["cell"] = _inference(lambda: cell(x[0], flat[0] if len(flat) == 1 else tuple(flat)))
    if case.op == "lstm":
        packed = _packed_lstm(case, x, states)
        if packed:
            found["packed"] = packed
    return found


def _packed_lstm(case: Recurrent, x: Any, states: list[Any]) -> Candidate | None:
    """oneDNN's LSTM with weights in its own order, as a frozen torch.compile calls it."""
    s = case.shape
    h, c = states if case.one_step else [torch.zeros(1, s.n, s.h) for _ in range(2)]
    bias = torch.from_numpy(case.b_ih), torch.from_numpy(case.b_hh)
    try:
        weights = mkldnn._reorder_mkldnn_rnn_layer_weight(
            torch.from_numpy(case.w_ih), torch.from_numpy(case.w_hh), s.h, False, True, False, list(x.shape)
        )
        run = lambda: torch.ops.aten.mkldnn_rnn_layer(  # noqa: E731
            x, *weights, *bias, h[0], c[0], False, [], 2, s.h, 1, True, False, False, False
        )
        candidate = _inference(run)
        return candidate if case.error(candidate.result()) < 1e-3 else None
    except (RuntimeError, AttributeError):
        return None


def recurrent_train(case: Recurrent, threads: int) -> dict[str, Candidate]:
    torch.set_num_threads(threads)
    found = {}
    for name, batch_first in (("time first", False), ("batch first", True)):
        layer = _layer(case, batch_first)
        x, dy = torch.from_numpy(case.x), torch.from_numpy(case.dy)
        if batch_first:
            x, dy = x.transpose(0, 1).contiguous(), dy.transpose(0, 1).contiguous()
        x = x.clone().requires_grad_()
        wanted = [x, *layer.parameters()]

        def run(layer: Any = layer, x: Any = x, dy: Any = dy, wanted: Any = wanted) -> Any:
            return torch.autograd.grad(layer(x)[0], wanted, dy)

        def result(run: Any = run, turned: bool = batch_first) -> list[Any]:
            dx, *rest = run()
            return [(dx.transpose(0, 1) if turned else dx).numpy(), *(r.numpy() for r in rest)]

        found[name] = Candidate(python_repeat(run), result)
    return found
