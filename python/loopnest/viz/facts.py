"""Facts as JSON: the plain dicts of climbs, machines and tours, which may hold NumPy arrays and numbers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np


def to_json(facts: dict[str, Any]) -> str:
    """The facts as strict JSON: arrays as lists, float32 with six digits, what is not finite as null."""
    return json.dumps(_plain(facts), indent=1, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist() if value.dtype.kind != "f" else [_plain(one) for one in value])
    if isinstance(value, np.floating):
        return _plain(float(f"{float(value):.6g}"))
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    return str(value) if isinstance(value, Path) else value
