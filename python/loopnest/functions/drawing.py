"""Random numbers of several distributions, new ones and in place: torch's names.

They come from loopnest's generator (manual_seed), or from a loopnest.Generator given as `generator`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from loopnest.engine import custom, tensor_ops
from loopnest.engine.tape import Tensor, default_generator, randint


def _source(generator: Any) -> np.random.Generator:
    if generator is None:
        return default_generator()
    inner = getattr(generator, "numpy", None)
    if not isinstance(inner, np.random.Generator):
        raise TypeError(f"expected generator to be a loopnest.Generator, got {type(generator).__name__}")
    return inner


def _fill(self: Tensor, values: Any) -> Tensor:
    return self.copy_(Tensor(np.asarray(values).astype(self.dtype)))


def _need_floats(who: str, x: Tensor) -> None:
    if x.dtype.kind != "f":
        raise TypeError(f"{who}: expected a tensor of float32 or float64, got {x.dtype}")


def uniform_(self: Tensor, low: float = 0.0, high: float = 1.0, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with random numbers, uniform in [low, high); returns self.

    Example:
      >>> import loopnest
      >>> x = loopnest.zeros(100).uniform_(-1, 1)
      >>> (x >= -1).all().item(), (x < 1).all().item()
      (True, True)
    """
    return _fill(self, _source(generator).uniform(low, high, self.shape))


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with random numbers of a normal distribution; returns self.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2, 3).normal_(mean=0, std=0.1).shape
      (2, 3)
    """
    return _fill(self, _source(generator).normal(mean, std, self.shape))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with 1, with probability p (a number, or a Tensor that broadcasts), or 0;
    returns self.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(3).bernoulli_(1.0)
      tensor([1., 1., 1.])
    """
    chance = custom.numbers(p) if isinstance(p, Tensor) else np.asarray(p)
    if not ((chance >= 0) & (chance <= 1)).all():
        raise ValueError(f"bernoulli_: expected p between 0 and 1, got {p}")
    return _fill(self, _source(generator).random(self.shape) < chance)


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with numbers of the density lambd exp(-lambd x); returns self.

    Example:
      >>> import loopnest
      >>> bool((loopnest.zeros(9).exponential_() >= 0).all())
      True
    """
    _need_floats("exponential_", self)
    if not lambd > 0:
        raise ValueError(f"exponential_: expected lambd > 0, got {lambd}")
    return _fill(self, _source(generator).exponential(1 / lambd, self.shape))


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with numbers of trials until one succeeds, each with probability p; returns
    self.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2).geometric_(0.999999)
      tensor([1., 1.])
    """
    if not 0 < p < 1:
        raise ValueError(f"geometric_: expected p between 0 and 1, got {p}")
    return _fill(self, _source(generator).geometric(p, self.shape))


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with exp of normal numbers of this mean and standard deviation; returns self.

    Example:
      >>> import loopnest
      >>> bool((loopnest.zeros(9).log_normal_() > 0).all())
      True
    """
    _need_floats("log_normal_", self)
    if not std > 0:
        raise ValueError(f"log_normal_: expected std > 0, got {std}")
    return _fill(self, _source(generator).lognormal(mean, std, self.shape))


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with numbers of Cauchy's distribution; returns self.

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2).cauchy_().shape
      (2,)
    """
    _need_floats("cauchy_", self)
    if not sigma > 0:
        raise ValueError(f"cauchy_: expected sigma > 0, got {sigma}")
    return _fill(self, median + sigma * _source(generator).standard_cauchy(self.shape))


def random_(self: Tensor, from_: int = 0, to: int | None = None, *, generator: Any = None) -> Tensor:
    """Overwrites the elements with whole numbers from_ ... to - 1, random_(to) for 0 ... to - 1; by default
    all that the dtype has, of a float's those that it holds exactly. Returns self.

    Example:
      >>> import loopnest
      >>> bool((loopnest.zeros(50).random_(3) < 3).all())
      True
    """
    low, high = int(from_), to
    if to is None and from_ != 0:
        low, high = 0, from_
    if high is None:
        bits = np.finfo(self.dtype).nmant + 1 if self.dtype.kind == "f" else 0
        high = 2**bits if bits else 2 if self.dtype.kind == "b" else int(np.iinfo(self.dtype).max)
    if not low < high:
        raise ValueError(f"random_: expected from_ < to, got {low} and {high}")
    return _fill(self, _source(generator).integers(low, high, self.shape))


def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Counts whose expected values are the elements, which are at least 0.

    Example:
      >>> import loopnest
      >>> loopnest.poisson(loopnest.zeros(2))
      tensor([0., 0.])
    """
    rates = custom.numbers(input)
    if not (rates >= 0).all():
        raise ValueError("poisson: expected expected values of at least 0")
    return Tensor(np.asarray(_source(generator).poisson(rates)).astype(input.dtype))


def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """How many of `count` trials succeed, each with probability prob; both broadcast.

    Example:
      >>> import loopnest
      >>> loopnest.binomial(loopnest.tensor([3.0]), loopnest.ones(1))
      tensor([3.])
    """
    trials, chance = custom.numbers(count), custom.numbers(prob)
    if not ((chance >= 0) & (chance <= 1)).all() or not (trials >= 0).all():
        raise ValueError("binomial: expected counts of at least 0 and probabilities between 0 and 1")
    return Tensor(
        np.asarray(_source(generator).binomial(trials.astype(np.int64), chance)).astype(count.dtype)
    )


def randint_like(input: Tensor, low: int, high: int | None = None, *, dtype: Any = None) -> Tensor:
    """Whole numbers low ... high - 1 (0 ... low - 1 without high), of input's shape and dtype.

    Example:
      >>> import loopnest
      >>> loopnest.randint_like(loopnest.zeros(2), 1)
      tensor([0., 0.])
    """
    return randint(low, high, input.shape).to(input.dtype if dtype is None else dtype)


def logspace(start: float, end: float, steps: int, base: float = 10.0, *, dtype: Any = None) -> Tensor:
    """base ** x for `steps` numbers x, equally far apart, from start to end.

    Example:
      >>> import loopnest
      >>> loopnest.logspace(0, 2, 3)
      tensor([  1.,  10., 100.])
    """
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"logspace: expected finite ends, got {start} and {end}")
    return Tensor(
        (float(base) ** np.linspace(start, end, steps)).astype(np.float32 if dtype is None else dtype)
    )


METHODS = (
    "uniform_",
    "normal_",
    "bernoulli_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "cauchy_",
    "random_",
)
tensor_ops.attach(**{name: globals()[name] for name in METHODS})
