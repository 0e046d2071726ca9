"""The others, one file each, every one in its best configurations.

A rival's module has `package` (what is installed), and functions that turn a case into candidates by the name
of the configuration: `convolution`, `convolution_train`, `recurrent`, `recurrent_train`, each (case, threads)
-> {configuration: Candidate}. A function that is not there is something the rival cannot do; a case that it
cannot do raises `Impossible` with the reason.
"""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = ("torch", "onnxruntime", "openvino", "litert", "jax")


class Impossible(Exception):
    """The rival cannot do this case; the text says why."""


def load(name: str) -> tuple[ModuleType | None, str]:
    """(the rival's module, its version), or (None, why it is missing). ValueError for an unknown name."""
    if name not in NAMES:
        raise ValueError(f"there is no rival {name!r}; there are {', '.join(NAMES)}")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except ImportError as error:
        return None, f"not installed ({error}): pip install 'loopnest[rivals]'"
    return module, module.version()
