"""C8: which of four symbols came first, asked after the last of many: only memory tells.

The same GRU with its hidden state put back to zero before every step is the control: nothing else differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import loopnest
from loopnest import nn
from loopnest.systems import faceoff
from loopnest.systems.claims import draw
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.claims.nets import LastState, Memoryless
from loopnest.systems.frame import Picture

HIDDEN, FAR = 32, 20
MAKERS = {
    "GRU": lambda: LastState(nn.GRU(4, HIDDEN, batch_first=True), HIDDEN, 4, 3.0),
    "plain RNN": lambda: LastState(nn.RNN(4, HIDDEN, batch_first=True), HIDDEN, 4),
    "GRU, state cut": lambda: LastState(Memoryless(nn.GRU(4, HIDDEN, batch_first=True)), HIDDEN, 4, 3.0),
}


def run(lab: Lab) -> Finding:
    spans = (2, 5, 10, FAR)
    right: dict[str, dict[float, list[float]]] = {name: {t: [] for t in spans} for name in MAKERS}
    kept: Any = None
    for seed in lab.seeds:
        for name, make in MAKERS.items():
            for steps in spans:
                many = lab.few(600, 160)
                model = lab.practise(seed, make, faceoff.first_of(steps, 64), many, rate=6e-3)
                x, y = faceoff.first_of(steps, 1000)(np.random.default_rng(9))
                right[name][steps].append(lab.accuracy(model, x, y))
                if name == "GRU" and steps == FAR:
                    kept = kept or model
    gru, plain, cut = (np.array(right[name][FAR]) for name in MAKERS)
    return Finding(
        done=f"Rows of random symbols of four kinds; the first is to be named after the last. {HIDDEN} "
        "hidden numbers; a network for every length, trained on rows that never repeat.",
        checks=[
            Check(f"GRU: first of {FAR} symbols named", gru, 0.9),
            Check(f"GRU with its state less without, {FAR} symbols", gru - cut, 0.5),
            Check(
                "GRU with its state less without, 5 symbols",
                np.subtract(right["GRU"][5], right["GRU, state cut"][5]),
                0.5,
            ),
            Check("GRU, state cut: named (chance 25 %)", cut, 0.35, "below", control=True),
        ],
        say=f"The GRU names the first of {FAR} symbols in {gru.mean():.0%}, with its state cut in "
        f"{cut.mean():.0%} (chance 25 %). The plain RNN, whose memory has no gates, in {plain.mean():.0%}.",
        pictures=[
            Picture(
                "c08",
                "The first symbol, carried in the hidden state",
                "Left: how often the first of T symbols is named after the last. Right: the hidden state "
                f"of the GRU over {FAR} steps in its main directions, 40 rows; the colour is the first "
                "symbol. What came in first keeps the paths apart to the end.",
                picture(kept, right),
            )
        ],
    )


def picture(model: LastState, right: dict[str, dict[float, list[float]]]):
    figure, axes = draw.mosaic([["lines", "paths", "end"]], 9.4, 3.2, width_ratios=[1.25, 1.5, 0.8])
    draw.lines(axes["lines"], right, "first of T named", "T", ["GRU, state cut"], chance=0.25)
    axes["lines"].set_xticks(list(right["GRU"]))
    x, y = faceoff.first_of(FAR, 40)(np.random.default_rng(3))
    with loopnest.no_grad():
        states = model.rnn(loopnest.tensor(x))[0].numpy()
    centred = states[:, -1] - states[:, -1].mean(0)
    main = np.linalg.svd(centred, full_matrices=False)[2][:2]
    at = (states - states[:, -1].mean(0)) @ main.T
    for k in range(len(y)):
        color = draw.SERIES[y[k]]
        axes["paths"].plot(range(1, FAR + 1), at[k, :, 0], color=color, alpha=0.5, lw=1)
        axes["end"].scatter(*at[k, -1], color=color, s=14, lw=0, alpha=0.8)
    axes["paths"].set(title="hidden state, main direction", xlabel="step", yticks=[])
    axes["end"].set_title("after the last step")
    draw.frame(axes["end"])
    return figure
