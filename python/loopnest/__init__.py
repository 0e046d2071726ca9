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

import loopnest._core
import loopnest.functions.in_place  # noqa: F401 (its methods of Tensor)
from loopnest import autograd as autograd
from loopnest import cuda as cuda
from loopnest import linalg as linalg
from loopnest import nn as nn
from loopnest import ops as ops
from loopnest import optim as optim
from loopnest._core import get_num_threads as get_num_threads
from loopnest._core import set_flush_denormal as set_flush_denormal
from loopnest._core import set_num_threads as set_num_threads
from loopnest._precision import get_precision as get_precision
from loopnest._precision import precision as precision
from loopnest._precision import set_precision as set_precision
from loopnest.engine import tensor_ops as _more
from loopnest.engine.tape import Tensor as Tensor
from loopnest.engine.tape import arange as arange
from loopnest.engine.tape import as_tensor as as_tensor
from loopnest.engine.tape import cat as cat
from loopnest.engine.tape import chunk as chunk
from loopnest.engine.tape import clamp as clamp
from loopnest.engine.tape import concat as concat
from loopnest.engine.tape import empty as empty
from loopnest.engine.tape import empty_like as empty_like
from loopnest.engine.tape import enable_grad as enable_grad
from loopnest.engine.tape import exp as exp
from loopnest.engine.tape import expand as expand
from loopnest.engine.tape import flatten as flatten
from loopnest.engine.tape import flip as flip
from loopnest.engine.tape import from_numpy as from_numpy
from loopnest.engine.tape import full as full
from loopnest.engine.tape import inference_mode as inference_mode
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
from loopnest.engine.tensor_ops import allclose as allclose
from loopnest.engine.tensor_ops import amax as amax
from loopnest.engine.tensor_ops import amin as amin
from loopnest.engine.tensor_ops import argsort as argsort
from loopnest.engine.tensor_ops import bernoulli as bernoulli
from loopnest.engine.tensor_ops import bincount as bincount
from loopnest.engine.tensor_ops import bmm as bmm
from loopnest.engine.tensor_ops import ceil as ceil
from loopnest.engine.tensor_ops import cos as cos
from loopnest.engine.tensor_ops import count_nonzero as count_nonzero
from loopnest.engine.tensor_ops import cumsum as cumsum
from loopnest.engine.tensor_ops import diagonal as diagonal
from loopnest.engine.tensor_ops import dot as dot
from loopnest.engine.tensor_ops import einsum as einsum
from loopnest.engine.tensor_ops import equal as equal
from loopnest.engine.tensor_ops import expm1 as expm1
from loopnest.engine.tensor_ops import eye as eye
from loopnest.engine.tensor_ops import floor as floor
from loopnest.engine.tensor_ops import full_like as full_like
from loopnest.engine.tensor_ops import gather as gather
from loopnest.engine.tensor_ops import index_add as index_add
from loopnest.engine.tensor_ops import index_select as index_select
from loopnest.engine.tensor_ops import isclose as isclose
from loopnest.engine.tensor_ops import isfinite as isfinite
from loopnest.engine.tensor_ops import isinf as isinf
from loopnest.engine.tensor_ops import isnan as isnan
from loopnest.engine.tensor_ops import linspace as linspace
from loopnest.engine.tensor_ops import log1p as log1p
from loopnest.engine.tensor_ops import log2 as log2
from loopnest.engine.tensor_ops import log10 as log10
from loopnest.engine.tensor_ops import logical_and as logical_and
from loopnest.engine.tensor_ops import logical_not as logical_not
from loopnest.engine.tensor_ops import logical_or as logical_or
from loopnest.engine.tensor_ops import logical_xor as logical_xor
from loopnest.engine.tensor_ops import logsumexp as logsumexp
from loopnest.engine.tensor_ops import masked_fill as masked_fill
from loopnest.engine.tensor_ops import masked_select as masked_select
from loopnest.engine.tensor_ops import maximum as maximum
from loopnest.engine.tensor_ops import minimum as minimum
from loopnest.engine.tensor_ops import mm as mm
from loopnest.engine.tensor_ops import movedim as movedim
from loopnest.engine.tensor_ops import multinomial as multinomial
from loopnest.engine.tensor_ops import mv as mv
from loopnest.engine.tensor_ops import narrow as narrow
from loopnest.engine.tensor_ops import nonzero as nonzero
from loopnest.engine.tensor_ops import norm as norm
from loopnest.engine.tensor_ops import outer as outer
from loopnest.engine.tensor_ops import prod as prod
from loopnest.engine.tensor_ops import rand_like as rand_like
from loopnest.engine.tensor_ops import randn_like as randn_like
from loopnest.engine.tensor_ops import reciprocal as reciprocal
from loopnest.engine.tensor_ops import repeat_interleave as repeat_interleave
from loopnest.engine.tensor_ops import roll as roll
from loopnest.engine.tensor_ops import rsqrt as rsqrt
from loopnest.engine.tensor_ops import scatter as scatter
from loopnest.engine.tensor_ops import scatter_add as scatter_add
from loopnest.engine.tensor_ops import select as select
from loopnest.engine.tensor_ops import sign as sign
from loopnest.engine.tensor_ops import sin as sin
from loopnest.engine.tensor_ops import sort as sort
from loopnest.engine.tensor_ops import take_along_dim as take_along_dim
from loopnest.engine.tensor_ops import tile as tile
from loopnest.engine.tensor_ops import topk as topk
from loopnest.engine.tensor_ops import tril as tril
from loopnest.engine.tensor_ops import triu as triu
from loopnest.engine.tensor_ops import trunc as trunc
from loopnest.engine.tensor_ops import unflatten as unflatten
from loopnest.engine.tensor_ops import unique as unique
from loopnest.environment import Size as Size
from loopnest.environment import asarray as asarray
from loopnest.environment import can_cast as can_cast
from loopnest.environment import channels_last as channels_last
from loopnest.environment import channels_last_3d as channels_last_3d
from loopnest.environment import contiguous_format as contiguous_format
from loopnest.environment import device as device
from loopnest.environment import finfo as finfo
from loopnest.environment import from_dlpack as from_dlpack
from loopnest.environment import frombuffer as frombuffer
from loopnest.environment import get_default_dtype as get_default_dtype
from loopnest.environment import iinfo as iinfo
from loopnest.environment import initial_seed as initial_seed
from loopnest.environment import is_complex as is_complex
from loopnest.environment import is_floating_point as is_floating_point
from loopnest.environment import is_nonzero as is_nonzero
from loopnest.environment import is_same_size as is_same_size
from loopnest.environment import preserve_format as preserve_format
from loopnest.environment import promote_types as promote_types
from loopnest.environment import result_type as result_type
from loopnest.environment import seed as seed
from loopnest.functions.compositions import addcdiv as addcdiv
from loopnest.functions.compositions import addcmul as addcmul
from loopnest.functions.compositions import addmm as addmm
from loopnest.functions.compositions import clamp_max as clamp_max
from loopnest.functions.compositions import clamp_min as clamp_min
from loopnest.functions.compositions import clip as clip
from loopnest.functions.compositions import cumprod as cumprod
from loopnest.functions.compositions import diag as diag
from loopnest.functions.compositions import hstack as hstack
from loopnest.functions.compositions import lerp as lerp
from loopnest.functions.compositions import median as median
from loopnest.functions.compositions import nan_to_num as nan_to_num
from loopnest.functions.compositions import normal as normal
from loopnest.functions.compositions import vstack as vstack
from loopnest.functions.drawing import binomial as binomial
from loopnest.functions.drawing import logspace as logspace
from loopnest.functions.drawing import poisson as poisson
from loopnest.functions.drawing import randint_like as randint_like
from loopnest.functions.indexing import argwhere as argwhere
from loopnest.functions.indexing import diagonal_scatter as diagonal_scatter
from loopnest.functions.indexing import index_copy as index_copy
from loopnest.functions.indexing import index_fill as index_fill
from loopnest.functions.indexing import index_put as index_put
from loopnest.functions.indexing import masked_scatter as masked_scatter
from loopnest.functions.indexing import put as put
from loopnest.functions.indexing import scatter_reduce as scatter_reduce
from loopnest.functions.indexing import select_scatter as select_scatter
from loopnest.functions.indexing import slice_scatter as slice_scatter
from loopnest.functions.indexing import take as take
from loopnest.functions.methods import abs as abs
from loopnest.functions.methods import add as add
from loopnest.functions.methods import argmax as argmax
from loopnest.functions.methods import argmin as argmin
from loopnest.functions.methods import clone as clone
from loopnest.functions.methods import is_tensor as is_tensor
from loopnest.functions.methods import max as max
from loopnest.functions.methods import mean as mean
from loopnest.functions.methods import min as min
from loopnest.functions.methods import mul as mul
from loopnest.functions.methods import neg as neg
from loopnest.functions.methods import numel as numel
from loopnest.functions.methods import pow as pow
from loopnest.functions.methods import scalar_tensor as scalar_tensor
from loopnest.functions.methods import square as square
from loopnest.functions.methods import std as std
from loopnest.functions.methods import sub as sub
from loopnest.functions.methods import sum as sum
from loopnest.functions.methods import var as var
from loopnest.functions.pointwise import absolute as absolute
from loopnest.functions.pointwise import acos as acos
from loopnest.functions.pointwise import acosh as acosh
from loopnest.functions.pointwise import arccos as arccos
from loopnest.functions.pointwise import arccosh as arccosh
from loopnest.functions.pointwise import arcsin as arcsin
from loopnest.functions.pointwise import arcsinh as arcsinh
from loopnest.functions.pointwise import arctan as arctan
from loopnest.functions.pointwise import arctan2 as arctan2
from loopnest.functions.pointwise import arctanh as arctanh
from loopnest.functions.pointwise import asin as asin
from loopnest.functions.pointwise import asinh as asinh
from loopnest.functions.pointwise import atan as atan
from loopnest.functions.pointwise import atan2 as atan2
from loopnest.functions.pointwise import atanh as atanh
from loopnest.functions.pointwise import bitwise_and as bitwise_and
from loopnest.functions.pointwise import bitwise_left_shift as bitwise_left_shift
from loopnest.functions.pointwise import bitwise_not as bitwise_not
from loopnest.functions.pointwise import bitwise_or as bitwise_or
from loopnest.functions.pointwise import bitwise_right_shift as bitwise_right_shift
from loopnest.functions.pointwise import bitwise_xor as bitwise_xor
from loopnest.functions.pointwise import copysign as copysign
from loopnest.functions.pointwise import cosh as cosh
from loopnest.functions.pointwise import deg2rad as deg2rad
from loopnest.functions.pointwise import digamma as digamma
from loopnest.functions.pointwise import div as div
from loopnest.functions.pointwise import divide as divide
from loopnest.functions.pointwise import eq as eq
from loopnest.functions.pointwise import erf as erf
from loopnest.functions.pointwise import erfc as erfc
from loopnest.functions.pointwise import erfinv as erfinv
from loopnest.functions.pointwise import exp2 as exp2
from loopnest.functions.pointwise import fix as fix
from loopnest.functions.pointwise import float_power as float_power
from loopnest.functions.pointwise import floor_divide as floor_divide
from loopnest.functions.pointwise import fmax as fmax
from loopnest.functions.pointwise import fmin as fmin
from loopnest.functions.pointwise import fmod as fmod
from loopnest.functions.pointwise import frac as frac
from loopnest.functions.pointwise import gcd as gcd
from loopnest.functions.pointwise import ge as ge
from loopnest.functions.pointwise import greater as greater
from loopnest.functions.pointwise import greater_equal as greater_equal
from loopnest.functions.pointwise import gt as gt
from loopnest.functions.pointwise import heaviside as heaviside
from loopnest.functions.pointwise import hypot as hypot
from loopnest.functions.pointwise import isneginf as isneginf
from loopnest.functions.pointwise import isposinf as isposinf
from loopnest.functions.pointwise import isreal as isreal
from loopnest.functions.pointwise import lcm as lcm
from loopnest.functions.pointwise import ldexp as ldexp
from loopnest.functions.pointwise import le as le
from loopnest.functions.pointwise import less as less
from loopnest.functions.pointwise import less_equal as less_equal
from loopnest.functions.pointwise import lgamma as lgamma
from loopnest.functions.pointwise import logaddexp as logaddexp
from loopnest.functions.pointwise import logaddexp2 as logaddexp2
from loopnest.functions.pointwise import logit as logit
from loopnest.functions.pointwise import lt as lt
from loopnest.functions.pointwise import multiply as multiply
from loopnest.functions.pointwise import ne as ne
from loopnest.functions.pointwise import negative as negative
from loopnest.functions.pointwise import nextafter as nextafter
from loopnest.functions.pointwise import not_equal as not_equal
from loopnest.functions.pointwise import positive as positive
from loopnest.functions.pointwise import rad2deg as rad2deg
from loopnest.functions.pointwise import remainder as remainder
from loopnest.functions.pointwise import rsub as rsub
from loopnest.functions.pointwise import sgn as sgn
from loopnest.functions.pointwise import signbit as signbit
from loopnest.functions.pointwise import sinc as sinc
from loopnest.functions.pointwise import sinh as sinh
from loopnest.functions.pointwise import subtract as subtract
from loopnest.functions.pointwise import tan as tan
from loopnest.functions.pointwise import true_divide as true_divide
from loopnest.functions.pointwise import xlogy as xlogy
from loopnest.functions.products import addbmm as addbmm
from loopnest.functions.products import addmv as addmv
from loopnest.functions.products import addr as addr
from loopnest.functions.products import baddbmm as baddbmm
from loopnest.functions.products import cdist as cdist
from loopnest.functions.products import chain_matmul as chain_matmul
from loopnest.functions.products import cross as cross
from loopnest.functions.products import ger as ger
from loopnest.functions.products import inner as inner
from loopnest.functions.products import kron as kron
from loopnest.functions.products import matrix_power as matrix_power
from loopnest.functions.products import pdist as pdist
from loopnest.functions.products import tensordot as tensordot
from loopnest.functions.products import vdot as vdot
from loopnest.functions.rearranging import adjoint as adjoint
from loopnest.functions.rearranging import as_strided as as_strided
from loopnest.functions.rearranging import atleast_1d as atleast_1d
from loopnest.functions.rearranging import atleast_2d as atleast_2d
from loopnest.functions.rearranging import atleast_3d as atleast_3d
from loopnest.functions.rearranging import block_diag as block_diag
from loopnest.functions.rearranging import broadcast_shapes as broadcast_shapes
from loopnest.functions.rearranging import broadcast_tensors as broadcast_tensors
from loopnest.functions.rearranging import broadcast_to as broadcast_to
from loopnest.functions.rearranging import cartesian_prod as cartesian_prod
from loopnest.functions.rearranging import column_stack as column_stack
from loopnest.functions.rearranging import combinations as combinations
from loopnest.functions.rearranging import concatenate as concatenate
from loopnest.functions.rearranging import diag_embed as diag_embed
from loopnest.functions.rearranging import diagflat as diagflat
from loopnest.functions.rearranging import dsplit as dsplit
from loopnest.functions.rearranging import dstack as dstack
from loopnest.functions.rearranging import fliplr as fliplr
from loopnest.functions.rearranging import flipud as flipud
from loopnest.functions.rearranging import hsplit as hsplit
from loopnest.functions.rearranging import meshgrid as meshgrid
from loopnest.functions.rearranging import moveaxis as moveaxis
from loopnest.functions.rearranging import ravel as ravel
from loopnest.functions.rearranging import rot90 as rot90
from loopnest.functions.rearranging import split_with_sizes as split_with_sizes
from loopnest.functions.rearranging import swapaxes as swapaxes
from loopnest.functions.rearranging import swapdims as swapdims
from loopnest.functions.rearranging import t as t
from loopnest.functions.rearranging import tensor_split as tensor_split
from loopnest.functions.rearranging import tril_indices as tril_indices
from loopnest.functions.rearranging import triu_indices as triu_indices
from loopnest.functions.rearranging import unravel_index as unravel_index
from loopnest.functions.rearranging import vander as vander
from loopnest.functions.rearranging import vsplit as vsplit
from loopnest.functions.statistics import aminmax as aminmax
from loopnest.functions.statistics import bucketize as bucketize
from loopnest.functions.statistics import corrcoef as corrcoef
from loopnest.functions.statistics import cov as cov
from loopnest.functions.statistics import cummax as cummax
from loopnest.functions.statistics import cummin as cummin
from loopnest.functions.statistics import cumulative_trapezoid as cumulative_trapezoid
from loopnest.functions.statistics import diff as diff
from loopnest.functions.statistics import dist as dist
from loopnest.functions.statistics import histc as histc
from loopnest.functions.statistics import isin as isin
from loopnest.functions.statistics import kthvalue as kthvalue
from loopnest.functions.statistics import logcumsumexp as logcumsumexp
from loopnest.functions.statistics import mode as mode
from loopnest.functions.statistics import msort as msort
from loopnest.functions.statistics import nanmean as nanmean
from loopnest.functions.statistics import nanmedian as nanmedian
from loopnest.functions.statistics import nanquantile as nanquantile
from loopnest.functions.statistics import nansum as nansum
from loopnest.functions.statistics import quantile as quantile
from loopnest.functions.statistics import renorm as renorm
from loopnest.functions.statistics import searchsorted as searchsorted
from loopnest.functions.statistics import std_mean as std_mean
from loopnest.functions.statistics import trace as trace
from loopnest.functions.statistics import trapezoid as trapezoid
from loopnest.functions.statistics import trapz as trapz
from loopnest.functions.statistics import unique_consecutive as unique_consecutive
from loopnest.functions.statistics import var_mean as var_mean
from loopnest.linalg import det as det
from loopnest.linalg import inverse as inverse
from loopnest.linalg import logdet as logdet
from loopnest.linalg import slogdet as slogdet
from loopnest.nn.functional import adaptive_avg_pool1d as adaptive_avg_pool1d
from loopnest.nn.functional import adaptive_max_pool1d as adaptive_max_pool1d
from loopnest.nn.functional import alpha_dropout as alpha_dropout
from loopnest.nn.functional import avg_pool1d as avg_pool1d
from loopnest.nn.functional import bilinear as bilinear
from loopnest.nn.functional import celu as celu
from loopnest.nn.functional import channel_shuffle as channel_shuffle
from loopnest.nn.functional import conv1d as conv1d
from loopnest.nn.functional import conv2d as conv2d
from loopnest.nn.functional import conv3d as conv3d
from loopnest.nn.functional import conv_transpose1d as conv_transpose1d
from loopnest.nn.functional import conv_transpose2d as conv_transpose2d
from loopnest.nn.functional import conv_transpose3d as conv_transpose3d
from loopnest.nn.functional import cosine_similarity as cosine_similarity
from loopnest.nn.functional import dropout as dropout
from loopnest.nn.functional import feature_alpha_dropout as feature_alpha_dropout
from loopnest.nn.functional import group_norm as group_norm
from loopnest.nn.functional import hardshrink as hardshrink
from loopnest.nn.functional import layer_norm as layer_norm
from loopnest.nn.functional import max_pool1d as max_pool1d
from loopnest.nn.functional import max_pool2d as max_pool2d
from loopnest.nn.functional import max_pool3d as max_pool3d
from loopnest.nn.functional import pairwise_distance as pairwise_distance
from loopnest.nn.functional import pixel_shuffle as pixel_shuffle
from loopnest.nn.functional import pixel_unshuffle as pixel_unshuffle
from loopnest.nn.functional import prelu as prelu
from loopnest.nn.functional import rms_norm as rms_norm
from loopnest.nn.functional import selu as selu
from loopnest.nn.functional import threshold as threshold
from loopnest.random import Generator as Generator
from loopnest.random import get_rng_state as get_rng_state
from loopnest.random import set_rng_state as set_rng_state
from loopnest.receptive import ReceptiveField as ReceptiveField
from loopnest.receptive import receptive_field as receptive_field
from loopnest.streaming import Stream as Stream
from loopnest.streaming import stream as stream

if TYPE_CHECKING:
    from loopnest import data as data
    from loopnest import decode as decode
    from loopnest import distributed as distributed
    from loopnest import io as io
    from loopnest import ladder as ladder
    from loopnest import machine as machine
    from loopnest import metrics as metrics
    from loopnest import train as train

    __version__: str

all, any, round = _more.all_, _more.any_, _more.round_

float32 = _np.dtype(_np.float32)
float64 = _np.dtype(_np.float64)
int64 = _np.dtype(_np.int64)
int32 = _np.dtype(_np.int32)
int16 = _np.dtype(_np.int16)
int8 = _np.dtype(_np.int8)
uint8 = _np.dtype(_np.uint8)
bool = _np.dtype(_np.bool_)
float, double, long, int, short = float32, float64, int64, int32, int16  # PyTorch's other names
pi, e, inf, nan = _np.pi, _np.e, _np.inf, _np.nan

_LATER = (
    "bench",
    "data",
    "decode",
    "distributed",
    "io",
    "ladder",
    "machine",
    "metrics",
    "models",
    "planning",
    "train",
)  # imported when they are first asked for


def __getattr__(name: str) -> Any:
    """The parts that would make `import loopnest` slower than it need be."""
    if name == "__version__":
        from importlib.metadata import version

        return version("loopnest")
    if name == "compile":
        from loopnest.planning import compile

        return compile
    if name in _LATER:
        return import_module(f"loopnest.{name}")
    raise AttributeError(f"module 'loopnest' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, "__version__"})
