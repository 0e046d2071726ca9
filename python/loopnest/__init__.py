"""loopnest: convolutional and recurrent networks on the CPU, with loop nests you can read, change, measure
and beat.

    loopnest.ops        one operator on plain NumPy arrays, any rung of its ladder: the laboratory
    loopnest.nn         layers and networks, with PyTorch's names
    loopnest.optim      SGD, Adam, AdamW
    loopnest.Tensor     an array that knows where it came from; Tensor.backward()

Example:
  >>> import numpy as np, loopnest
  >>> from loopnest import nn, optim
  >>> net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
  >>> adam = optim.Adam(net.parameters())
  >>> x, y = loopnest.tensor(np.eye(2, dtype=np.float32)), loopnest.tensor(np.array([0, 1]))
  >>> nn.CrossEntropyLoss()(net(x), y).backward()
  >>> adam.step()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as _np

import loopnest._core  # noqa: F401 (first: the engine asks it for the kernels)
from loopnest import autograd as autograd
from loopnest import nn as nn
from loopnest import ops as ops
from loopnest import optim as optim
from loopnest._core import get_num_threads as get_num_threads
from loopnest._core import set_flush_denormal as set_flush_denormal
from loopnest._core import set_num_threads as set_num_threads
from loopnest.engine.tape import Tensor as Tensor
from loopnest.engine.tape import arange as arange
from loopnest.engine.tape import as_tensor as as_tensor
from loopnest.engine.tape import cat as cat
from loopnest.engine.tape import chunk as chunk
from loopnest.engine.tape import clamp as clamp
from loopnest.engine.tape import empty as empty
from loopnest.engine.tape import empty_like as empty_like
from loopnest.engine.tape import enable_grad as enable_grad
from loopnest.engine.tape import exp as exp
from loopnest.engine.tape import flatten as flatten
from loopnest.engine.tape import flip as flip
from loopnest.engine.tape import from_numpy as from_numpy
from loopnest.engine.tape import full as full
from loopnest.engine.tape import is_grad_enabled as is_grad_enabled
from loopnest.engine.tape import log as log
from loopnest.engine.tape import log_softmax as log_softmax
from loopnest.engine.tape import manual_seed as manual_seed
from loopnest.engine.tape import matmul as matmul
from loopnest.engine.tape import no_grad as no_grad
from loopnest.engine.tape import ones as ones
from loopnest.engine.tape import ones_like as ones_like
from loopnest.engine.tape import permute as permute
from loopnest.engine.tape import rand as rand
from loopnest.engine.tape import randint as randint
from loopnest.engine.tape import randn as randn
from loopnest.engine.tape import randperm as randperm
from loopnest.engine.tape import relu as relu
from loopnest.engine.tape import reshape as reshape
from loopnest.engine.tape import set_grad_enabled as set_grad_enabled
from loopnest.engine.tape import sigmoid as sigmoid
from loopnest.engine.tape import softmax as softmax
from loopnest.engine.tape import split as split
from loopnest.engine.tape import sqrt as sqrt
from loopnest.engine.tape import squeeze as squeeze
from loopnest.engine.tape import stack as stack
from loopnest.engine.tape import tanh as tanh
from loopnest.engine.tape import tensor as tensor
from loopnest.engine.tape import transpose as transpose
from loopnest.engine.tape import unbind as unbind
from loopnest.engine.tape import unsqueeze as unsqueeze
from loopnest.engine.tape import where as where
from loopnest.engine.tape import zeros as zeros
from loopnest.engine.tape import zeros_like as zeros_like

if TYPE_CHECKING:
    from loopnest import data as data
    from loopnest import io as io
    from loopnest import ladder as ladder
    from loopnest import machine as machine

    __version__: str

float32 = _np.dtype(_np.float32)
float64 = _np.dtype(_np.float64)
int64 = _np.dtype(_np.int64)

_LATER = ("data", "io", "ladder", "machine")  # imported when they are first asked for


def __getattr__(name: str) -> Any:
    """The parts that would make `import loopnest` slower than it need be."""
    if name == "__version__":
        from importlib.metadata import version

        return version("loopnest")
    if name in _LATER:
        return import_module(f"loopnest.{name}")
    raise AttributeError(f"module 'loopnest' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "__version__"})
