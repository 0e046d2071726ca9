"""Before training: do all ranks have the same parameters?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from loopnest.distributed.group import Group
from loopnest.engine.tape import Tensor
from loopnest.nn.parameter import memory

Entry = list[Any]  # name, shape, dtype, requires_grad


def same_everywhere(group: Group, what: str, tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Raises ValueError, on every rank, that names the first rank and tensor that differ from rank 0's."""
    mine = [[name, list(t.shape), t.dtype.str, bool(t.requires_grad)] for name, t in tensors]
    digest = np.frombuffer(hashlib.sha256(json.dumps(mine).encode()).digest(), np.uint8)
    every = np.empty((group.size, len(digest)), np.uint8)
    group.wait([group.facts.Iallgather(digest.copy(), every)], f"the others' {what}s")
    if np.all(every == every[0]):
        return
    lists = group.gather_values(mine)
    for rank, theirs in enumerate(lists):
        if theirs != lists[0]:
            raise ValueError(f"data-parallel training: {_difference(what, rank, theirs, lists[0])}")


def _difference(what: str, rank: int, theirs: list[Entry], first: list[Entry]) -> str:
    for index, (a, b) in enumerate(zip(theirs, first, strict=False)):
        if a != b:
            return (
                f"expected the same {what}s on every rank, but number {index} is {_say(a)} on rank {rank}, "
                f"{_say(b)} on rank 0"
            )
    longer, other = (theirs, first) if len(theirs) > len(first) else (first, theirs)
    holder, without = (rank, 0) if longer is theirs else (0, rank)
    return (
        f"expected the same {what}s on every rank, but rank {rank} has {len(theirs)}, rank 0 {len(first)}: "
        f"{_say(longer[len(other)])} of rank {holder} is not on rank {without}"
    )


def _say(entry: Entry) -> str:
    name, shape, dtype, trained = entry
    return f"{name!r}: {tuple(shape)} {np.dtype(dtype)}" + ("" if trained else ", not trained")


def copy_from_first(group: Group, tensors: Iterable[Tensor]) -> None:
    """Every rank gets rank 0's values, in place."""
    for t in tensors:
        if t.numel():
            group.broadcast_array(memory(t))
            t.bump_version()
