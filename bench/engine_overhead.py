"""What recording and replaying one operator costs beyond its kernels. The aim: at most 2 microseconds.

    taskset -c 0 python bench/engine_overhead.py

For each operator: a chain of 100 on tiny tensors, forward with grad and then backward, divided by 100; less
the kernels of one link (forward, and backward by every input), timed by loopnest.ops without Python.
Of both the minimum over many repeats, in turns. Packing weights counts as kernel: a training step has
to pack them anew each time.
"""

import argparse
import json
import time

import numpy as np
from loopnest.engine import conv, tape

import loopnest
from loopnest import ops

LENGTH = 100


def randn(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def channels_last(*shape):
    n, c, h, w = shape
    return randn(n, h, w, c).transpose(0, 3, 1, 2)


def leaves(array):
    return [tape.tensor(array, requires_grad=True) for _ in range(LENGTH)]


def cases():
    """name -> (a function that makes the chain's last tensor, leaves, the kernels of one link)"""
    x, image, kernel, bias = randn(4, 16), channels_last(1, 8, 6, 6), randn(8, 8, 3, 3) * 0.1, randn(8)
    weight, bias16 = randn(16, 16) * 0.1, randn(16)

    def chain(step, start, *weights):
        start = tape.tensor(start, requires_grad=True)
        columns = [leaves(w) for w in weights]
        links = list(zip(*columns, strict=True)) if columns else [()] * LENGTH

        def forward():
            y = start
            for link in links:
                y = step(y, *link)
            return y

        return forward, [start, *(w for c in columns for w in c)]

    yield "relu", chain(tape.relu, x), [("relu", (x,)), ("relu_backward", (x, x))]
    yield "tanh", chain(tape.tanh, x), [("tanh", (x,)), ("tanh_backward", (x, x))]
    yield "x * 0.5", chain(lambda y: y * 0.5, x), []
    yield "x + w", chain(lambda y, w: y + w, x, x), []
    yield "x * w", chain(lambda y, w: y * w, x, x), []
    yield "reshape", chain(lambda y: y.reshape(8, 8), x), []
    yield (
        "linear",
        chain(tape.linear, x, weight, bias16),
        [("linear", (x, weight, bias16)), ("gemm", (x, weight)), ("gemm", (x.T, x))],
    )
    yield (
        "conv2d 3x3",
        chain(lambda y, w, b: conv.conv2d(y, w, b, padding=1), image, kernel, bias),
        [
            ("conv2d", (image, kernel, bias, 1, 1)),
            ("conv2d_backward_input", (image.shape, kernel, image, 1, 1)),
            ("conv2d_backward_weight", (image, kernel.shape, image, 1, 1)),
        ],
    )


def measure(repeats):
    """Rows of name, microseconds per link in all, of these in the kernels."""
    rows = []
    for title, (forward, parameters), kernels in cases():
        calls = [ops.call(name, *arguments) for name, arguments in kernels]
        last = forward()
        ones = tape.ones_like(last.detach())
        last.backward(ones)
        whole, bare = [], []
        for _ in range(repeats):
            for p in parameters:
                p.grad = None
            start = time.perf_counter()
            forward().backward(ones)
            whole.append((time.perf_counter() - start) / LENGTH)
            bare.append(sum(min(c.time(20)) + min(c.time_prepare(20), default=0) for c in calls))
        rows.append({"operator": title, "all_us": min(whole) * 1e6, "kernels_us": min(bare) * 1e6})
        rows[-1]["overhead_us"] = rows[-1]["all_us"] - rows[-1]["kernels_us"]
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    loopnest.set_num_threads(1)
    rows = measure(options.repeats)
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print("microseconds per operator, forward with grad + backward")
    print(f"{'operator':12} {'in all':>8} {'kernels':>8} {'overhead':>9}")
    for r in rows:
        print(f"{r['operator']:12} {r['all_us']:8.2f} {r['kernels_us']:8.2f} {r['overhead_us']:9.2f}")


if __name__ == "__main__":
    main()
