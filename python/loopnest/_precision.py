"""The precision setting: how much rounding the chooser may trade for speed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from loopnest import _core


def set_precision(name: str) -> None:
    """Says how much rounding the chooser may trade for speed; "fast" unless this is called.

    "fast"   any rung: 3x3 convolutions with stride 1 may run as Winograd F(4x4, 3x3), whose error is 1e-6 to
             4e-6 of the largest output for 64 to 512 input channels, where adding up the products has
             about 1e-6, and sequences under kernels of length 3 as F(4, 3), 1e-6; small integers do not stay
             exact
    "high"   of Winograd's, only F(2x2, 3x3): on random numbers no more error than adding up the products (its
             sums are shorter), and none for small integers
    "exact"  only rungs that add up the products of the textbook's formula, in any order: the bound of
             `reference.bound.conv2d_bound` holds, and an infinity or NaN in the input reaches those outputs
             only that read it (Winograd spreads it over a tile of outputs)

    It holds for the whole process, for calls made from now on, backward passes included. A rung asked for by
    name runs whatever the setting; `loopnest.ladder.explain` says which rungs it ruled out. ValueError for
    other names.

    >>> import loopnest
    >>> loopnest.get_precision()
    'fast'
    >>> with loopnest.precision("exact"):
    ...     "winograd" in loopnest.ladder.explain("conv2d", "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1")["rung"]
    False
    """
    if not isinstance(name, str):
        raise TypeError(f'set_precision: expected "fast", "high" or "exact", got {type(name).__name__}')
    _core.set_precision(name)


def get_precision() -> str:
    """What `set_precision` has set: "fast", "high" or "exact".

    Example:
      >>> import loopnest
      >>> loopnest.get_precision() in ("fast", "high", "exact")
      True
    """
    return _core.get_precision()


@contextmanager
def precision(name: str) -> Iterator[None]:
    """`set_precision(name)` for the length of a `with` block; the setting before is restored behind it.

    >>> import loopnest
    >>> with loopnest.precision("high"):
    ...     loopnest.get_precision()
    'high'
    >>> loopnest.get_precision()
    'fast'
    """
    before = get_precision()
    set_precision(name)
    try:
        yield
    finally:
        set_precision(before)
