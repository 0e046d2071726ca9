"""The best lstm rung against PyTorch's nn.LSTM on the same data, timed in turns in one process.

    python bench/lstm.py                                    # t50 n32 i256 h256, one thread
    python bench/lstm.py --threads 2 't50 n1 i128 h128'
    python bench/lstm.py --train                            # forward and backward
    OMP_NUM_THREADS=1 python bench/lstm.py                  # the same for rivals that only listen to this

PyTorch runs in inference mode (training: with autograd), warmed up, time first and batch first; the better
counts.
"""

from __future__ import annotations

import argparse

import numpy as np

from common import header, interleave, python_repeat
from loopnest import _core, ladder, machine, ops


def forward(args, threads):
    import torch

    call = ops.call("lstm", *args, threads=threads)
    x, rest = torch.from_numpy(args[0]), [torch.from_numpy(a) for a in args[1:]]
    candidates = {"loopnest": call.time}
    for name, batch_first in (("torch", False), ("torch batch first", True)):
        model = torch_model(rest, batch_first)
        data = x.transpose(0, 1).contiguous() if batch_first else x

        def run(model=model, data=data):
            with torch.inference_mode():
                return model(data)

        run()
        candidates[name] = python_repeat(run)
    call.run()
    with torch.inference_mode():
        worst = np.abs(call.result[0] - torch_model(rest, False)(x)[0].numpy()).max()
    print(f"rung {call.rung}, {call.isa}, {threads} thread(s); largest difference from PyTorch {worst:.1e}")
    return candidates, call.flops


def torch_model(weights, batch_first):
    import torch

    hidden, inputs = weights[1].shape[1], weights[0].shape[1]
    model = torch.nn.LSTM(inputs, hidden, batch_first=batch_first)
    model.load_state_dict(
        dict(zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), weights, strict=True))
    )
    return model


def training(args, threads):
    """One layer's forward and backward, all gradients, through both engines, Python included."""
    import torch

    import loopnest

    loopnest.set_num_threads(threads)
    hidden, inputs = args[2].shape[1], args[1].shape[1]
    ours = loopnest.nn.LSTM(inputs, hidden)
    theirs = torch_model([torch.from_numpy(a) for a in args[1:]], False)
    ours.load_state_dict({k: v.detach().numpy() for k, v in theirs.state_dict().items()})
    x = loopnest.tensor(args[0], requires_grad=True)
    tx = torch.from_numpy(args[0]).requires_grad_()

    def step(model, x):
        model.zero_grad()
        x.grad = None
        model(x)[0].sum().backward()

    step(ours, x), step(theirs, tx)
    worst = max(
        float(np.abs(np.asarray(p.grad) - q.grad.numpy()).max())
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True)
    )
    print(f"training, {threads} thread(s); largest difference of a gradient from PyTorch's {worst:.1e}")
    candidates = {
        "loopnest": python_repeat(lambda: step(ours, x)),
        "torch": python_repeat(lambda: step(theirs, tx)),
    }
    return candidates, 3 * ops.call("lstm", *args).flops


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shapes", nargs="*", default=["t50 n32 i256 h256"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--train", action="store_true")
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    print(header())
    for text in options.shapes:
        args, _ = ladder.inputs("lstm", ladder.parse("lstm", text))
        candidates, flops = (training if options.train else forward)(args, options.threads)
        peak = machine.Peak(_core.isas()[-1])
        found = interleave(candidates, peak, options.seconds)
        print(f"{text}   peak alone {options.threads / peak.alone:.0f} GFLOP/s")
        for name, times in found.items():
            print(
                f"   {name:18} {times.best * 1e3:8.3f} ms  (median {times.median * 1e3:8.3f})  "
                f"{flops / times.best / 1e9:6.1f} GFLOP/s  "
                f"{times.of_peak(flops / 1e9 / options.threads):5.1f} % of peak (at its clock)"
            )
        ours = found.pop("loopnest")
        best = min(t.best for t in found.values()) / ours.best
        middle = min(t.median for t in found.values()) / ours.median
        print(f"   PyTorch's time / ours: {best:.2f} (minima), {middle:.2f} (medians)")


if __name__ == "__main__":
    main()
