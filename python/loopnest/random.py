"""Random numbers: the default generator's state, and generators of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopnest.engine.tape import default_generator
from loopnest.engine.tape import manual_seed as manual_seed

__all__ = ["Generator", "get_rng_state", "manual_seed", "set_rng_state"]


class Generator:
    """A source of random numbers of its own, as torch.Generator: rand, randperm, DataLoader ... take it.

    Attributes:
      numpy: the numpy.random.Generator (PCG64) behind it.

    Example:
      >>> import loopnest
      >>> g = loopnest.Generator().manual_seed(3)
      >>> state = g.get_state()
      >>> first = loopnest.randperm(5, generator=g).tolist()
      >>> g.set_state(state)
      >>> loopnest.randperm(5, generator=g).tolist() == first
      True
    """

    numpy: np.random.Generator

    def __init__(self, device: str = "cpu") -> None:
        self.manual_seed(int(np.random.SeedSequence().generate_state(1)[0]))

    def manual_seed(self, seed: int) -> Generator:
        """Start anew; the same seed gives the same numbers."""
        self._seed = int(seed)
        self.numpy = np.random.default_rng(self._seed)
        return self

    def seed(self) -> int:
        """Start anew with a seed that nobody chose; returns it."""
        return self.manual_seed(int(np.random.SeedSequence().generate_state(1)[0])).initial_seed()

    def initial_seed(self) -> int:
        """The seed that the generator last started from."""
        return self._seed

    def get_state(self) -> dict[str, Any]:
        """What set_state takes: names, and integers of up to 128 bits, which JSON can hold."""
        return self.numpy.bit_generator.state  # type: ignore[return-value]

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on where get_state() was asked; ValueError for anything else."""
        _restore(self.numpy, state)


def _restore(generator: np.random.Generator, state: dict[str, Any]) -> None:
    try:
        generator.bit_generator.state = state
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(f"set_state: expected what get_state() gave, got {state!r:.100}") from error


def get_rng_state() -> dict[str, Any]:
    """The state of the default generator, behind rand, randn, dropout and initial weights.

    Example:
      >>> import loopnest
      >>> state = loopnest.get_rng_state()
      >>> first = loopnest.rand(3).tolist()
      >>> loopnest.set_rng_state(state)
      >>> loopnest.rand(3).tolist() == first
      True
    """
    return default_generator().bit_generator.state  # type: ignore[return-value]


def set_rng_state(state: dict[str, Any]) -> None:
    """Put the default generator where get_rng_state() found it.

    Example:
      >>> import loopnest
      >>> state = loopnest.get_rng_state()
      >>> first = loopnest.randn(3).tolist()
      >>> loopnest.set_rng_state(state)
      >>> loopnest.randn(3).tolist() == first
      True
    """
    _restore(default_generator(), state)
