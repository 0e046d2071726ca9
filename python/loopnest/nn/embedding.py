"""Embedding and EmbeddingBag."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn import functional, init
from loopnest.nn._check import check_device, flag, float_dtype, integer, number
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter, memory


class _Table(Module):
    """A table of num_embeddings rows, and what Embedding and EmbeddingBag do alike."""

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Any,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        self.num_embeddings = integer(who, "num_embeddings", num_embeddings)
        self.embedding_dim = integer(who, "embedding_dim", embedding_dim)
        self.max_norm = (
            None if max_norm is None else number(who, "max_norm", max_norm, lambda v: v > 0, "> 0")
        )
        self.norm_type = number(who, "norm_type", norm_type, lambda v: v > 0, "> 0")
        self.scale_grad_by_freq = flag(who, "scale_grad_by_freq", scale_grad_by_freq)
        if flag(who, "sparse", sparse):
            raise ValueError(f"{who}: sparse gradients are not supported; leave sparse out")
        self.sparse = sparse
        self.padding_idx = padding_idx
        if padding_idx is not None:
            n = self.num_embeddings
            self.padding_idx = integer(who, "padding_idx", padding_idx, at_least=-n, at_most=n - 1) % n
        check_device(who, device)
        shape = (self.num_embeddings, self.embedding_dim)
        if weight is None:
            self.weight = Parameter(np.empty(shape, float_dtype(who, dtype)))
            self.reset_parameters()
        elif weight.shape != shape:
            raise ValueError(f"{who}: expected _weight of shape {shape}, got {weight.shape}")
        else:
            self.weight = Parameter(weight)

    def reset_parameters(self) -> None:
        """New random rows; zeros at padding_idx."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            memory(self.weight)[self.padding_idx] = 0
            self.weight.bump_version()

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        text += "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        text += "" if self.max_norm is None else f", max_norm={self.max_norm}"
        text += "" if self.norm_type == 2 else f", norm_type={self.norm_type}"
        return text + (", scale_grad_by_freq=True" if self.scale_grad_by_freq else "")


def _given(who: str, embeddings: Any) -> np.ndarray:
    table = memory(embeddings)
    if table.ndim != 2:
        raise ValueError(f"{who}: expected a table of 2 axes (rows, width), got shape {table.shape}")
    return table


class Embedding(_Table):
    """A table of num_embeddings rows, looked up by integer; arguments and weights as torch.nn.Embedding.

    Args:
      padding_idx: this row starts as zeros and gets no gradient; negative: counted from the end.
      max_norm: rows that are looked up and whose norm (norm_type) is larger are first scaled down to it, in
        the table itself.
      scale_grad_by_freq: a row's gradient is divided by how often it was looked up in one call.
      sparse: not supported; must be False.
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
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            device,
            dtype,
        )
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
        table = _given("Embedding", embeddings)
        rest = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        made = cls(table.shape[0], table.shape[1], *rest, dtype=table.dtype)
        made.load_state_dict({"weight": table})
        made.weight.requires_grad_(not freeze)
        return made

    def forward(self, input: Tensor) -> Tensor:
        """int64 (...) -> (..., embedding_dim)."""
        return functional.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
        )


class EmbeddingBag(_Table):
    """Sums, means or maxima of bags of rows of a table, without keeping the rows; arguments and weights as
    torch.nn.EmbeddingBag.

    Args:
      mode: "mean", "sum" or "max". include_last_offset: the last offset is the end of the last bag.
      padding_idx: this index is left out of bags; its row starts as zeros and gets no gradient.
      max_norm, norm_type, scale_grad_by_freq, sparse: as for Embedding.
      _weight: the table itself.

    Shapes: input int64 (B, L), a bag in each row, or (M,) with offsets (B,), where the bags begin;
      per_sample_weights as input, for mode "sum"; output (B, embedding_dim). An empty bag gives zeros.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> words, starts = loopnest.tensor([1, 2, 4, 5, 4]), loopnest.tensor([0, 2])
      >>> nn.EmbeddingBag(10, 3, mode="sum")(words, starts).shape
      (2, 3)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Any = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if mode not in ("mean", "sum", "max"):
            raise ValueError(f"EmbeddingBag: expected mode 'mean', 'sum' or 'max', got {mode!r}")
        super().__init__(
            num_embeddings,
            embedding_dim,
            padding_idx,
            max_norm,
            norm_type,
            scale_grad_by_freq,
            sparse,
            _weight,
            device,
            dtype,
        )
        self.mode = mode
        self.include_last_offset = flag("EmbeddingBag", "include_last_offset", include_last_offset)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Any,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> "EmbeddingBag":
        """An EmbeddingBag with a copy of a table (num_embeddings, embedding_dim). freeze: it is not
        trained."""
        table = _given("EmbeddingBag", embeddings)
        made = cls(
            table.shape[0],
            table.shape[1],
            max_norm,
            norm_type,
            scale_grad_by_freq,
            mode,
            sparse,
            None,
            include_last_offset,
            padding_idx,
            dtype=table.dtype,
        )
        made.load_state_dict({"weight": table})
        made.weight.requires_grad_(not freeze)
        return made

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """int64 (B, L), or (M,) with offsets -> (B, embedding_dim)."""
        return functional.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, mode={self.mode!r}"
