"""The two networks of the tour: the same digit across space and across time."""

from __future__ import annotations

from loopnest import nn


def cnn() -> nn.Sequential:
    """Sees the whole digit at once: (n, 1, 8, 8) -> (n, 10) scores."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 10),
    )


class RowReader(nn.Module):
    """Reads the digit row by row and answers after the last: (n, 8, 8) -> (n, 10) scores."""

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 10)

    def forward(self, x):
        states, _ = self.lstm(x)  # [n, 8, hidden]
        return self.head(states[:, -1])
