"""Checkpoints: everything that a training run needs to go on exactly where it was, in one safetensors file.

A tree of dicts, lists, numbers, texts and arrays is written as the file's tensors and, in its header, a JSON
skeleton that names them. A checksum over both tells a damaged file from a whole one.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from loopnest import io
from loopnest.engine.tape import Tensor


def save(tree: Any, path: str | os.PathLike[str]) -> None:
    """Write `tree`; the file appears whole or not at all.

    Raises TypeError for values that are neither dicts, lists, tuples, numbers, texts, None nor arrays.

    Example:
      >>> import tempfile
      >>> from loopnest.train import checkpoint
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     checkpoint.save({"step": 7, "rates": [0.1, 0.01]}, f"{folder}/a.checkpoint")
      ...     checkpoint.load(f"{folder}/a.checkpoint")
      {'step': 7, 'rates': [0.1, 0.01]}
    """
    arrays, metadata = _packed(tree)
    io.save(arrays, path, metadata)


def dumps(tree: Any) -> bytes:
    """What `save` writes, as bytes. Raises TypeError as it does.

    Example:
      >>> from loopnest.train import checkpoint
      >>> checkpoint.loads(checkpoint.dumps({"step": 7}))
      {'step': 7}
    """
    return io.dumps(*_packed(tree))


def load(path: str | os.PathLike[str]) -> Any:
    """Read what `save` wrote: the same tree, arrays as Tensors, tuples as lists.

    Raises ValueError for a file that is damaged or no checkpoint, OSError if it cannot be read.

    Example:
      >>> import tempfile
      >>> from loopnest import tensor
      >>> from loopnest.train import checkpoint
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     checkpoint.save({"weights": tensor([1.0, 2.0])}, f"{folder}/a.checkpoint")
      ...     checkpoint.load(f"{folder}/a.checkpoint")
      {'weights': tensor([1., 2.])}
    """
    # Read once: another process may put a new file in its place at any moment.
    return loads(Path(path).read_bytes(), os.fspath(path))


def loads(content: bytes, name: str = "the content") -> Any:
    """`load` for bytes, which are called `name` in errors.

    Raises ValueError for what is damaged or no checkpoint.

    Example:
      >>> from loopnest.train import checkpoint
      >>> checkpoint.loads(checkpoint.dumps((1, "two", None)))
      [1, 'two', None]
    """
    arrays = {key: value.numpy() for key, value in io.loads(content, name).items()}
    header = io.header(content)
    if "loopnest" not in header:
        raise ValueError(f"{name} is no checkpoint: it holds weights alone")
    if header.get("sha256") != _digest(header["loopnest"], arrays):
        raise ValueError(f"{name} is damaged: its checksum does not fit its content")
    return _tree(json.loads(header["loopnest"]), arrays)


def _packed(tree: Any) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Arrays and metadata."""
    arrays: dict[str, np.ndarray] = {}
    skeleton = json.dumps(_skeleton(tree, arrays), sort_keys=True)
    return arrays, {"loopnest": skeleton, "sha256": _digest(skeleton, arrays)}


def _digest(skeleton: str, arrays: dict[str, np.ndarray]) -> str:
    made = hashlib.sha256(skeleton.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        made.update(f"{name} {array.dtype.str} {array.shape}".encode())
        made.update(array.tobytes())
    return made.hexdigest()


def _skeleton(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}  # exact, nan and inf included
    if isinstance(value, np.generic):
        return _skeleton(value.item(), arrays)
    if isinstance(value, (Tensor, np.ndarray)):
        name = f"t{len(arrays)}"
        arrays[name] = value.detach().numpy() if isinstance(value, Tensor) else value
        return {"array": name}
    if isinstance(value, dict):
        return {"dict": [[_skeleton(k, arrays), _skeleton(v, arrays)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_skeleton(v, arrays) for v in value]
    raise TypeError(f"checkpoint: cannot keep a {type(value).__name__}")


def _tree(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_tree(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "float":
        return float.fromhex(held)
    if kind == "array":
        return io.from_numpy(arrays[held])
    return {_tree(k, arrays): _tree(v, arrays) for k, v in held}
