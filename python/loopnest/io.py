"""Weights on disk: safetensors, read and written by any framework. Never pickle: loading runs no code.

Needs the `safetensors` package, which is imported at the first use: pip install 'loopnest[io]'.
"""

import contextlib
import fcntl
import glob
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor, from_numpy
from loopnest.extras import require
from loopnest.nn.parameter import memory


def save(
    state_dict: Mapping[str, Any], path: str | os.PathLike[str], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a state_dict to a safetensors file.

    The file appears whole or not at all: it is written under another name beside it, forced to the disk, and
    renamed, so that a crash leaves the older file as it was. Not for optimizers: their state holds numbers
    and options too.

    Args:
      state_dict: name -> Tensor or NumPy array.
      metadata: texts to keep in the file's header.

    Raises TypeError for values that are no arrays, OSError if the disk refuses.

    Example:
      >>> import tempfile, loopnest.io
      >>> from loopnest import nn
      >>> model = nn.Linear(3, 2)
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     loopnest.io.save(model.state_dict(), f"{folder}/model.safetensors")
      ...     model.load_state_dict(loopnest.io.load(f"{folder}/model.safetensors"))
      <All keys matched successfully>
    """
    write_whole(Path(path), dumps(state_dict, metadata))


def dumps(state_dict: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """What `save` writes, as bytes. Raises TypeError for values that are no arrays.

    Example:
      >>> import loopnest.io
      >>> loopnest.io.loads(loopnest.io.dumps({"w": loopnest.tensor([1.0, 2.0])}))
      {'w': tensor([1., 2.])}
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"save: expected state_dict to be dict-like, got {type(state_dict).__name__}")
    arrays = {}
    for name, value in state_dict.items():
        if not isinstance(name, str) or not isinstance(value, (Tensor, np.ndarray)):
            raise TypeError(
                f"save: expected names with Tensors or arrays, got {name!r}: {type(value).__name__}"
            )
        if value.dtype.kind not in "biuf":
            raise TypeError(f"save: expected numbers, got {name!r}: an array of dtype {value.dtype}")
        arrays[name] = np.ascontiguousarray(memory(value)).reshape(tuple(value.shape))
    library = require("safetensors.numpy", "io")
    return bytes(library.save(arrays, metadata=None if metadata is None else dict(metadata)))


def write_whole(target: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, and is on the disk when this returns.

    It is written under another name beside `target` and renamed. A process that was killed meanwhile leaves
    that file: the next to write takes it away, unless its writer still holds its lock.

    Example:
      >>> import tempfile
      >>> from pathlib import Path
      >>> from loopnest.io import write_whole
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     write_whole(Path(folder) / "a.txt", b"whole")
      ...     (Path(folder) / "a.txt").read_bytes()
      b'whole'
    """
    _sweep(target)
    beside = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(beside, "xb") as file:
            with contextlib.suppress(OSError):  # no locks on this file system: then nobody sweeps, either
                fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name, too, is on the disk when this returns
    finally:
        os.close(folder)


def _sweep(target: Path) -> None:
    """Takes away what killed processes have left of `target`: parts a minute old that nobody has locked."""
    for part in target.parent.glob(f".{glob.escape(target.name)}.*.part"):
        with contextlib.suppress(OSError), open(part, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if time.time() - os.fstat(file.fileno()).st_mtime > 60 or _dead(part.name):
                part.unlink()


def _dead(part: str) -> bool:
    """Was it this machine's process of that number, and is there none now?"""
    try:
        os.kill(int(part.split(".")[-2].split("-")[0]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError):
        pass
    return False


def load(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a safetensors file into name -> Tensor, for load_state_dict.

    Raises ValueError for a file that is damaged or no safetensors file, OSError if it cannot be read.

    Example:
      >>> import loopnest.io, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     loopnest.io.save({"w": loopnest.tensor([1.0, 2.0])}, f"{folder}/w.safetensors")
      ...     loopnest.io.load(f"{folder}/w.safetensors")
      {'w': tensor([1., 2.])}
    """
    return loads(Path(path).read_bytes(), os.fspath(path))


def loads(content: bytes, name: str = "the content") -> dict[str, Tensor]:
    """`load` for bytes. Raises ValueError that calls them `name` if they are damaged or no safetensors.

    Example:
      >>> import loopnest.io
      >>> loopnest.io.loads(loopnest.io.dumps({"w": loopnest.tensor([1.0, 2.0])}))["w"]
      tensor([1., 2.])
    """
    library, errors = require("safetensors.numpy", "io"), require("safetensors", "io")
    try:
        arrays = library.load(content)
    except (errors.SafetensorError, KeyError, AttributeError, TypeError) as error:
        raise ValueError(
            f"load: {name} is not a whole safetensors file that NumPy can hold: {error}"
        ) from error
    return {
        name: from_numpy(array if array.flags.writeable else array.copy()) for name, array in arrays.items()
    }


def header(content: bytes) -> dict[str, str]:
    """The metadata of whole safetensors content (`loads` tells whether it is): 8 bytes length, then JSON.

    Example:
      >>> import loopnest.io
      >>> loopnest.io.header(loopnest.io.dumps({}, {"made": "today"}))
      {'made': 'today'}
    """
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length]).get("__metadata__") or {})


def metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that `save` kept in a safetensors file's header; empty if there are none.

    Raises ValueError for a file that is damaged or no safetensors file, OSError if it cannot be read.

    Example:
      >>> import loopnest.io, tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     loopnest.io.save({"w": loopnest.zeros(2)}, f"{folder}/w.safetensors", {"made": "today"})
      ...     loopnest.io.metadata(f"{folder}/w.safetensors")
      {'made': 'today'}
    """
    errors = require("safetensors", "io")
    try:
        with errors.safe_open(path, "numpy") as file:
            return dict(file.metadata() or {})
    except errors.SafetensorError as error:
        raise ValueError(f"metadata: {os.fspath(path)} is not a whole safetensors file: {error}") from error
