"""A training step of a character model (forward, backward, Adam), beside the same model in PyTorch.

    python bench/char_rnn.py                       # LSTM, GRU and RNN, one thread
    python bench/char_rnn.py --threads 2 GRU

Two layers of 128 over 50 steps of 50 sequences, 65 characters (one-hot by an embedding of 65 numbers), as in
Karpathy's char-rnn. Both sides take turns in one process; minimum and median.
"""

from __future__ import annotations

import argparse

import numpy as np

from common import header, interleave, python_repeat
from loopnest import _core, machine

HIDDEN, LAYERS, STEPS, BATCH, CHARACTERS = 128, 2, 50, 50, 65


def step_of(lib, tensor, cell: str, x: np.ndarray, y: np.ndarray):
    """One training step as a function, in loopnest or torch: the same lines serve both."""
    embed = lib.nn.Embedding(CHARACTERS, CHARACTERS)
    layers = getattr(lib.nn, cell)(CHARACTERS, HIDDEN, LAYERS)
    head, loss_of = lib.nn.Linear(HIDDEN, CHARACTERS), lib.nn.CrossEntropyLoss()
    wanted = [p for m in (embed, layers, head) for p in m.parameters()]
    optimizer = lib.optim.Adam(wanted, lr=2e-3)
    x, y = tensor(x), tensor(y.reshape(-1))

    def step():
        optimizer.zero_grad()
        hidden, _ = layers(embed(x))
        loss = loss_of(head(hidden.reshape(STEPS * BATCH, HIDDEN)), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cells", nargs="*", default=["LSTM", "GRU", "RNN"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    import torch

    import loopnest

    loopnest.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    print(header())
    rng = np.random.default_rng(0)
    x, y = (rng.integers(0, CHARACTERS, (STEPS, BATCH)) for _ in range(2))
    for cell in options.cells:
        steps = {
            "loopnest": step_of(loopnest, loopnest.tensor, cell, x, y),
            "torch": step_of(torch, torch.tensor, cell, x, y),
        }
        candidates = {name: python_repeat(step) for name, step in steps.items()}
        found = interleave(candidates, machine.Peak(_core.isas()[-1]), options.seconds)
        for name, times in found.items():
            print(f"{cell:5} {name:9} {times.best * 1e3:8.3f} ms  (median {times.median * 1e3:8.3f})")
        ratios = [getattr(found["torch"], k) / getattr(found["loopnest"], k) for k in ("best", "median")]
        print(f"{cell:5} PyTorch's time / ours: {ratios[0]:.2f} (minima), {ratios[1]:.2f} (medians)")


if __name__ == "__main__":
    main()
