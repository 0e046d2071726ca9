"""translate: the GRU that reads and the GRU that writes, with and without attention."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from twin import Twin

from loopnest import data
from loopnest.systems import translate


class Translator(nn.Module):
    def __init__(
        self, source: int, target: int, attention: bool, width: int = 128, hidden: int = 256
    ) -> None:
        super().__init__()
        self.attention = attention
        self.source, self.target = nn.Embedding(source, width, 0), nn.Embedding(target, width, 0)
        self.encoder = nn.GRU(width, hidden, batch_first=True)
        self.decoder = nn.GRU(width, hidden, batch_first=True)
        self.mix = nn.Linear(2 * hidden if attention else hidden, width)
        self.out = nn.Linear(width, target)

    def forward(self, source, ids):
        states, _ = self.encoder(F.dropout(self.source(source), 0.3, self.training))
        last = (source != 0).sum(1) - 1
        first = states[torch.arange(len(source)), last][None]
        h, _ = self.decoder(F.dropout(self.target(ids), 0.3, self.training), first)
        if self.attention:
            score = (h @ states.transpose(1, 2)).masked_fill((source == 0)[:, None], -1e9)
            h = torch.cat([h, F.softmax(score, -1) @ states], 2)
        return self.out(F.dropout(torch.tanh(self.mix(h)), 0.3, self.training))


def loss(model, batch):
    source, target = batch
    scores = model(source, target[:, :-1])
    return F.cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten(), ignore_index=0)


def twins(place, few: int | None = None) -> list[Twin]:
    pairs = translate.tokens(data.multi30k(place).train)
    language = translate.Language.of(pairs)
    groups = translate.Grouped(language, pairs, few or 64).batches
    batches = [groups[k * (len(groups) - 1) // 8] for k in ((4,) if few else (1, 3, 5, 7))]
    sizes = len(language.source), len(language.target)
    return [
        Twin(
            f"GRU-256 {name}",
            1.5,
            lambda attention=attention: translate.Translator(*sizes, attention),
            lambda attention=attention: Translator(*sizes, attention),
            batches,
            translate.loss_of,
            loss,
            scores=lambda model, batch: model(batch[0], batch[1][:, :-1]),
            clip_norm=1.0,
        )
        for name, attention in (("with attention", True), ("without", False))
    ]
