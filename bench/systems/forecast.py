"""forecast: a GRU and a TCN on windows of a series."""

from __future__ import annotations

from torch import nn
from torch.nn import functional as F
from twin import Twin, cut

from loopnest import data
from loopnest.systems import forecast


class GRU(nn.Module):
    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        last = x[:, -1:]
        states, _ = self.rnn((x - last).unsqueeze(-1))
        return (last + self.out(states[:, -1]))[:, 0]


class TCN(nn.Module):
    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [nn.Conv1d(1 if d == 1 else channels, channels, 3, dilation=d) for d in (1, 2, 4)]
        )
        self.out = nn.Linear(channels, 1)

    def forward(self, x):
        last = x[:, -1:]
        h = (x - last).unsqueeze(1)
        for conv in self.convs:
            h = F.relu(conv(F.pad(h, (2 * conv.dilation[0], 0))))
        return (last + self.out(h[:, :, -1]))[:, 0]


def squared(model, batch):
    x, y = batch
    return F.mse_loss(model(x), y)


def twins(place, few: int | None = None) -> list[Twin]:
    windows = forecast.Cut(data.series("airline", place), forecast.TASKS["airline"])
    batches = cut((windows.x, windows.y), few or 32, 2)
    return [
        Twin(name, None, ours, theirs, batches, forecast.loss_of, squared, settings={"lr": 3e-3})
        for name, ours, theirs in (("GRU-32", forecast.GRU, GRU), ("TCN-24", forecast.TCN, TCN))
    ]
