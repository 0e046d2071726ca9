"""What an experiment gives back, and the one rule that makes a verdict of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from loopnest.extras import require
from loopnest.systems.frame import Picture

RULE = (
    "Every check is a number measured once per seed, and a bound that stands beside it in the source. It "
    "passes if its whole 95 % interval over the seeds (Student's t) is on the right side of the bound, "
    "fails if the whole interval is on the wrong side, and is open otherwise. A claim holds if all of its "
    "checks and all controls pass. It does not hold here if none of its own checks passes, or if a control "
    "fails: then what was seen is not due to what the claim names. In every other case it holds in part."
)
HOLDS, PART, NOT = "holds", "holds in part", "does not hold here"


@dataclass
class Check:
    """One measured number, and the side of the bound on which it must be.

    Attributes:
      what: the number in words.
      values: one per seed; a single one for what chance has no part in.
      bound: what the number must be above, or below with `side="below"`.
      control: it is a control: what would be seen without that which the claim names.
      form: how numbers are written, such as ".1%".
    """

    what: str
    values: Any
    bound: float
    side: str = "above"
    control: bool = False
    form: str = ".1%"

    def __post_init__(self) -> None:
        self.values = [float(v) for v in self.values]  # given as any sequence of numbers
        if not self.values:
            raise ValueError(f"Check {self.what!r}: expected at least one value, got none")
        if self.side not in ("above", "below"):
            raise ValueError(f'Check {self.what!r}: expected side "above" or "below", got {self.side!r}')

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def half(self) -> float:
        """Half of the 95 % interval of the mean over seeds (Student's t); 0 for a single value."""
        return half_interval(self.values)

    @property
    def outcome(self) -> str:
        """ "passes", "fails" or "open"; numbers that are not finite fail."""
        if not np.isfinite(self.values).all():
            return "fails"
        sign = 1 if self.side == "above" else -1
        away = sign * (self.mean - self.bound)
        if away > self.half:
            return "passes"
        return "open" if away >= -self.half and self.half > 0 else "fails"

    @property
    def measured(self) -> str:
        """The mean and half of its interval as text."""
        sure = f" ± {self.half:{self.form}}" if len(self.values) > 1 else ""
        return f"{self.mean:{self.form}}{sure}"

    @property
    def must(self) -> str:
        """The bound as text."""
        return f"{self.side} {self.bound:{self.form}}"


def half_interval(values: list[float]) -> float:
    """Half of the 95 % interval of a mean (Student's t), 0 for a single value.

    >>> round(half_interval([1.0, 2.0, 3.0]), 3)
    2.484
    """
    n = len(values)
    if n < 2:
        return 0.0
    t = float(require("scipy.stats", "data").t.ppf(0.975, n - 1))
    return t * float(np.std(values, ddof=1)) / n**0.5


def verdict(checks: list[Check]) -> str:
    """RULE, as code.

    >>> verdict([Check("gain", [0.2, 0.3, 0.25], 0.05), Check("gain without", [0.0], 0.05, "below", True)])
    'holds'
    """
    own = [check.outcome for check in checks if not check.control]
    controls = [check.outcome for check in checks if check.control]
    if not own or not controls:
        raise ValueError(
            f"verdict: expected checks of the claim and at least one control, got {len(own)} and "
            f"{len(controls)}"
        )
    if "passes" not in own or "fails" in controls:
        return NOT
    return HOLDS if set(own + controls) == {"passes"} else PART


@dataclass
class Finding:
    """What an experiment found.

    Attributes:
      done: what was done, for a reader.
      checks: what was measured; the verdict is computed from nothing else.
      say: the finding in a sentence, with its figures.
      pictures: what people look at.
      notes: what to know before believing it.
      standins: data that was made up because the real set was not there.
    """

    done: str
    checks: list[Check]
    say: str
    pictures: list[Picture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    name: str = ""
    statement: str = ""
    standins: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    seconds: float = 0.0
    drawn: bool = False  # its pictures are in the folder of the run

    @property
    def verdict(self) -> str:
        return verdict(self.checks)

    def facts(self) -> dict[str, Any]:
        """Everything but the pictures, as plain dicts for JSON."""
        return {
            "claim": self.name,
            "statement": self.statement,
            "verdict": self.verdict,
            "done": self.done,
            "say": self.say,
            "checks": [
                {
                    "what": check.what,
                    "control": check.control,
                    "values": check.values,
                    "mean": check.mean,
                    "half": check.half,
                    "side": check.side,
                    "bound": check.bound,
                    "outcome": check.outcome,
                }
                for check in self.checks
            ],
            "notes": self.notes,
            "standins": self.standins,
            "seeds": self.seeds,
            "seconds": self.seconds,
        }
