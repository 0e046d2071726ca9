"""Embedding."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn import functional, init
from loopnest.nn._check import check_device, float_dtype, integer
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter, memory


def _refuse(max_norm: float | None, scale_grad_by_freq: bool, sparse: bool) -> None:
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise ValueError(
            "Embedding: max_norm, scale_grad_by_freq and sparse are not supported; leave them out"
        )


class Embedding(Module):
    """A table of num_embeddings rows, looked up by integer; arguments and weights as torch.nn.Embedding.

    Args:
      padding_idx: this row starts as zeros and gets no gradient; negative: counted from the end.
      max_norm, scale_grad_by_freq, sparse: PyTorch's options that are not supported; must keep their
        defaults.
      _weight, _freeze: the table itself, and whether it is not trained.

    Shapes: input int64 of any shape; weight (num_embeddings, embedding_dim); output (*input.shape,
    embedding_dim). The weight starts normal, mean 0, standard deviation 1. forward raises IndexError for an
    index outside the table.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Embedding(10, 4, padding_idx=0)(loopnest.tensor(np.array([[1, 2, 0]]))).shape == (1, 3, 4)
      True
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Any = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = integer("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = integer("Embedding", "embedding_dim", embedding_dim)
        _refuse(max_norm, scale_grad_by_freq, sparse)
        self.padding_idx = padding_idx
        if padding_idx is not None:
            n = self.num_embeddings
            self.padding_idx = (
                integer("Embedding", "padding_idx", padding_idx, at_least=-n, at_most=n - 1) % n
            )
        check_device("Embedding", device)
        shape = (self.num_embeddings, self.embedding_dim)
        if _weight is None:
            self.weight = Parameter(np.empty(shape, float_dtype("Embedding", dtype)))
            self.reset_parameters()
        elif _weight.shape != shape:
            raise ValueError(f"Embedding: expected _weight of shape {shape}, got {_weight.shape}")
        else:
            self.weight = Parameter(_weight)
        self.weight.requires_grad_(not _freeze)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> "Embedding":
        """An Embedding with a copy of a table (num_embeddings, embedding_dim). freeze: it is not trained."""
        _refuse(max_norm, scale_grad_by_freq, sparse)
        table = memory(embeddings)
        if table.ndim != 2:
            raise ValueError(f"Embedding: expected a table of 2 axes (rows, width), got shape {table.shape}")
        made = cls(table.shape[0], table.shape[1], padding_idx=padding_idx, dtype=table.dtype)
        made.load_state_dict({"weight": table})
        made.weight.requires_grad_(not freeze)
        return made

    def reset_parameters(self) -> None:
        """New random rows; zeros at padding_idx."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            memory(self.weight)[self.padding_idx] = 0
            self.weight.bump_version()

    def forward(self, input: Tensor) -> Tensor:
        """int64 (...) -> (..., embedding_dim)."""
        return functional.embedding(input, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        return text if self.padding_idx is None else text + f", padding_idx={self.padding_idx}"
