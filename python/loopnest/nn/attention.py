"""Attention of a decoder over what an encoder has read: Bahdanau's and Luong's."""

import math
from typing import Any

from loopnest.engine.tape import Tensor, matmul, softmax, tanh
from loopnest.nn._check import integer
from loopnest.nn.linear import Linear
from loopnest.nn.module import Module

KINDS = ("dot", "general", "additive")


class Attention(Module):
    """Weights over the places of a memory, one row per query, and the weighted mean of the memory.

      dot        score = q . m                                  Luong, Pham and Manning 2015
      general    score = q . (W m)                              the same
      additive   score = v . tanh(W_q q + W_m m)                Bahdanau, Cho and Bengio 2015

    PyTorch has no such layer.

    Args:
      query_size: numbers in a query. memory_size: numbers in a place of the memory; None: as many.
      kind: "dot" (needs equal sizes), "general" or "additive"; "luong" and "bahdanau" are other names of
        the last two.
      hidden_size: width of the sum of "additive"; None: query_size.
      scale: divide the scores by sqrt(query_size) (Vaswani and others 2017).

    Shapes: query (N, D) or (N, Q, D), memory (N, S, M), key_padding_mask (N, S) of bool, True where nothing
    is.
    Returns (context (N, M) or (N, Q, M), weights (N, S) or (N, Q, S)). A row without any place gets zeros.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> look = nn.Attention(2)
      >>> memory = loopnest.tensor([[[1000.0, 0.0], [0.0, 1000.0]]])
      >>> context, weights = look(loopnest.tensor([[1.0, 0.0]]), memory)
      >>> weights.tolist(), context.tolist()
      ([[1.0, 0.0]], [[1000.0, 0.0]])
    """

    def __init__(
        self,
        query_size: int,
        memory_size: int | None = None,
        kind: str = "dot",
        hidden_size: int | None = None,
        scale: bool = False,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        kind = {"luong": "general", "bahdanau": "additive"}.get(kind, kind)
        if kind not in KINDS:
            raise ValueError(f"Attention: expected kind {', '.join(map(repr, KINDS))}, got {kind!r}")
        self.query_size = integer("Attention", "query_size", query_size)
        self.memory_size = integer(
            "Attention", "memory_size", query_size if memory_size is None else memory_size
        )
        self.kind, self.scale = kind, scale
        if kind == "dot" and self.query_size != self.memory_size:
            raise ValueError(
                f'Attention: "dot" needs equal sizes, got {self.query_size} and {self.memory_size}; '
                f'use "general"'
            )
        if kind == "general":
            self.memory_proj = Linear(self.memory_size, self.query_size, bias=False, dtype=dtype)
        if kind == "additive":
            width = query_size if hidden_size is None else hidden_size
            width = integer("Attention", "hidden_size", width)
            self.query_proj = Linear(self.query_size, width, dtype=dtype)
            self.memory_proj = Linear(self.memory_size, width, bias=False, dtype=dtype)
            self.v = Linear(width, 1, bias=False, dtype=dtype)

    def prepare(self, memory: Tensor) -> Tensor:
        """What the scores need of the memory: compute it once for all steps of a decoder, pass it as
        `keys`."""
        return memory if self.kind == "dot" else self.memory_proj(memory)

    def forward(
        self,
        query: Tensor,
        memory: Tensor,
        key_padding_mask: Tensor | None = None,
        keys: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """query, memory -> (context, weights); keys: of prepare(memory), if there are any yet."""
        if memory.ndim != 3 or memory.shape[2] != self.memory_size:
            raise ValueError(
                f"Attention: expected memory of shape (N, S, {self.memory_size}), got {memory.shape}"
            )
        if query.ndim not in (2, 3) or query.shape[-1] != self.query_size or len(query) != len(memory):
            raise ValueError(
                f"Attention: expected query of shape ({len(memory)}, {self.query_size}) or "
                f"({len(memory)}, Q, {self.query_size}), got {query.shape}"
            )
        if query.ndim == 2:
            context, weights = self(query.unsqueeze(1), memory, key_padding_mask, keys)
            return context.squeeze(1), weights.squeeze(1)
        keys = self.prepare(memory) if keys is None else keys
        if self.kind == "additive":
            both = self.query_proj(query).unsqueeze(2) + keys.unsqueeze(1)  # (N, Q, S, hidden)
            score = self.v(tanh(both)).squeeze(-1)
        else:
            score = matmul(query, keys.transpose(1, 2))
        if self.scale:
            score = score / math.sqrt(self.query_size)
        if key_padding_mask is None:
            weights = softmax(score, -1)
        else:
            if key_padding_mask.shape != memory.shape[:2]:
                raise ValueError(
                    f"Attention: expected key_padding_mask of shape {memory.shape[:2]}, got "
                    f"{key_padding_mask.shape}"
                )
            nothing = key_padding_mask.unsqueeze(1)
            # Not -infinity: a row without any place would be NaN.
            weights = softmax(score.masked_fill(nothing, -1e30), -1).masked_fill(nothing, 0.0)
        return matmul(weights, memory), weights

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.memory_size}, kind={self.kind!r}"
