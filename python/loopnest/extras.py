"""Optional packages: imported where they are used, with an error that says what to install."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str) -> ModuleType:
    """Import `module`, which the optional extra `loopnest[extra]` installs.

    Raises ModuleNotFoundError that names the package and the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise  # the package is there, something under it is not: its own message is the better one
        message = f"{top} is needed here and is not installed: pip install 'loopnest[{extra}]'"
        raise ModuleNotFoundError(message, name=error.name) from None
