"""conv2d rungs against the FMA peak of this machine, measured in the same run, weights packed beforehand.

    python bench/conv2d.py                                  # the best rung, the ResNet-50 layers, one thread
    python bench/conv2d.py --rung tile --isa avx2 'n1 ic64 ih56 iw56 oc64 kh3 kw3 p1'
    python bench/conv2d.py --torch                          # PyTorch's configurations beside it

Layers run in turns of 5 ms. "of peak": against multiply-adds in registers measured right after each turn, at
the clock that it left behind (median of turns). "of peak alone": the best run against the best of
multiply-adds and nothing else; a CPU may clock those higher (machine.Peak). Padding is not counted as work.
"""

from __future__ import annotations

import argparse
import json

from common import header, interleave, python_repeat
from loopnest import _core, ladder, machine, ops

LAYERS = [
    "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1",
    "n1 ic128 ih28 iw28 oc128 kh3 kw3 p1",
    "n1 ic256 ih14 iw14 oc256 kh3 kw3 p1",
    "n1 ic512 ih7 iw7 oc512 kh3 kw3 p1",
    "n1 ic64 ih56 iw56 oc256 kh1 kw1",
    "n1 ic1024 ih14 iw14 oc256 kh1 kw1",
]


def torch_candidates(args, options, threads):
    """PyTorch in inference mode: NCHW, channels-last, and channels-last with weights packed beforehand."""
    import torch

    torch.set_num_threads(threads)
    x, w, b = (torch.from_numpy(a.copy()) for a in args)
    last = x.contiguous(memory_format=torch.channels_last)
    settings = [options[k] for k in ("stride", "padding", "dilation", "groups")]
    packed = torch.ops.mkldnn._reorder_convolution_weight(
        w, settings[1], settings[0], settings[2], settings[3], list(last.shape)
    )

    def run(x, w):
        with torch.inference_mode():
            torch.nn.functional.conv2d(x, w, b, *settings)

    def run_packed():
        with torch.inference_mode():
            torch.ops.mkldnn._convolution_pointwise(
                last, packed, b, settings[1], settings[0], settings[2], settings[3], "none", [], ""
            )

    return {
        "torch nchw": python_repeat(lambda: run(x, w)),
        "torch nhwc": python_repeat(lambda: run(last, w)),
        "torch nhwc packed": python_repeat(run_packed),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shapes", nargs="*", default=LAYERS)
    parser.add_argument("--rung")
    parser.add_argument("--isa", default=_core.isas()[-1])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each shape")
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    print(header())
    rows = []
    for text in options.shapes:
        args, keywords = ladder.inputs("conv2d", ladder.parse("conv2d", text))
        call = ops.call(
            "conv2d", *args, **keywords, rung=options.rung, isa=options.isa, threads=options.threads
        )
        candidates, peak = {"loopnest": call.time}, machine.Peak(options.isa)
        if options.torch:
            candidates |= torch_candidates(args, keywords, options.threads)
        found = interleave(candidates, peak, options.seconds)
        where = f"rung {call.rung}, {options.isa}, {options.threads} thread(s)"
        print(f"{text}   {where}, peak alone {options.threads / peak.alone:.0f} GFLOP/s")
        for name, times in found.items():
            row = {
                "shape": text,
                "who": name,
                "us": times.best * 1e6,
                "us_median": times.median * 1e6,
                "gflops": call.flops / times.best / 1e9,
                "percent": times.of_peak(call.flops / 1e9 / options.threads),
                "percent_alone": 100 * call.flops / 1e9 / options.threads * peak.alone / times.best,
            }
            rows.append(row)
            print(
                f"   {name:18} {row['us']:9.1f} us  (median {row['us_median']:9.1f})  "
                f"{row['gflops']:6.1f} GFLOP/s  {row['percent']:5.1f} % of peak, "
                f"{row['percent_alone']:5.1f} % of peak alone"
            )
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine.describe(), "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
