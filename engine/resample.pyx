"""Padding, interpolation and adaptive averages: tables of taps for one kernel (csrc/ops/resample).

The tables of an axis are (begin, index, weight): taps begin[o] to begin[o + 1] - 1 make output o. They are
made in NumPy and remembered, a few hundred of them; they are as long as an axis, not as an image.
"""

from functools import lru_cache

import numpy

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t

from .arena cimport make_channels_innermost
from .copying cimport recorded_constants
from .kernels cimport (F64, Array, Error, KernelApi, Ladder, Resample, Taps, dtype_of, kernel_api,
                       raise_error, read, run_kernel)
from .layout cimport to_channels_last
from .tape cimport Node, Run, Tensor, edge_of, record, recording, settled, wants, wrap

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* resample_ladder[2]

LARGEST = 1 << 32  # longest axis: tables of 64 GB are nobody's intention


@lru_cache(maxsize=512)
def pad_taps(int64_t size, int64_t low, int64_t high, str mode):
    """Padding by `low` and `high` places (cropping where negative); mode as in torch.nn.functional.pad."""
    if size + low + high > LARGEST:
        raise MemoryError(f"pad: an axis of {size + low + high} places")
    place = numpy.arange(-low, size + high)
    if mode == "reflect":
        place = numpy.where(place < 0, -place, place)
        place = numpy.where(place >= size, 2 * (size - 1) - place, place)
    elif mode == "replicate":
        place = numpy.clip(place, 0, max(size - 1, 0))
    elif mode == "circular":  # what is left after cropping goes on
        first = max(-low, 0)
        place = first + (place - first) % max(size - first - max(-high, 0), 1)
    inside = (place >= 0) & (place < size)
    begin = numpy.concatenate([[0], numpy.cumsum(inside)])
    return begin.astype(numpy.int64), place[inside].astype(numpy.int64), numpy.ones(int(inside.sum()))


cdef tuple fixed(object index, object weight):
    """The same number of taps for every output: index and weight are (out, taps); taps of weight 0 are left
    out, so that NaN and infinity stay where they were."""
    keep = weight != 0
    keep[:, 0] |= ~keep.any(1)
    begin = numpy.concatenate([[0], numpy.cumsum(keep.sum(1))])
    return begin.astype(numpy.int64), index[keep].astype(numpy.int64), weight[keep]


@lru_cache(maxsize=512)
def interpolate_taps(int64_t size, int64_t out, str mode, bint align_corners, double scale):
    """Interpolation; scale is that of PyTorch's formulas: input places for one output place."""
    if out > LARGEST:
        raise MemoryError(f"interpolate: an axis of {out} places")
    to = numpy.arange(out)
    if mode in ("nearest", "nearest-exact"):  # in float32, as PyTorch
        shift = numpy.float32(0.5 if mode == "nearest-exact" else 0.0)
        place = numpy.floor((to.astype(numpy.float32) + shift) * numpy.float32(scale)).astype(numpy.int64)
        place = numpy.minimum(place, size - 1)
        return fixed(place[:, None], numpy.ones((out, 1)))
    if align_corners:
        place = to * ((size - 1) / (out - 1) if out > 1 else 0.0)
    else:
        place = (to + 0.5) * scale - 0.5
    if mode == "linear":
        place = numpy.maximum(place, 0.0)
        first = numpy.minimum(place.astype(numpy.int64), size - 1)
        part = numpy.clip(place - first, 0.0, 1.0)
        second = numpy.minimum(first + 1, size - 1)
        part = numpy.where(second == first, 0.0, part)
        return fixed(numpy.stack([first, second], 1), numpy.stack([1 - part, part], 1))
    first = numpy.floor(place).astype(numpy.int64)  # cubic, a = -0.75: Keys 1981
    t = (place - first)[:, None]
    distance = numpy.abs(t - numpy.arange(-1, 3))
    near = ((1.25 * distance - 2.25) * distance) * distance + 1
    far = ((-0.75 * distance + 3.75) * distance - 6.0) * distance + 3.0
    index = numpy.clip(first[:, None] + numpy.arange(-1, 3), 0, size - 1)
    return fixed(index, numpy.where(distance <= 1, near, far))


@lru_cache(maxsize=512)
def average_taps(int64_t size, int64_t out):
    """Adaptive averages: output o is the mean of floor(o * size / out) to ceil((o + 1) * size / out) - 1."""
    if out > LARGEST:
        raise MemoryError(f"adaptive average pool: an axis of {out} places")
    first = numpy.arange(out) * size // max(out, 1)
    end = -(-(numpy.arange(out) + 1) * size // max(out, 1))
    count = end - first
    begin = numpy.concatenate([[0], numpy.cumsum(count)]).astype(numpy.int64)
    index = numpy.arange(begin[-1]) - numpy.repeat(begin[:-1] - first, count)
    return begin, index.astype(numpy.int64), numpy.repeat(1.0 / numpy.maximum(count, 1), count)


@lru_cache(maxsize=512)
def place_taps(int64_t size, int64_t out, int64_t stride, int64_t first):
    """Input i is put to i * stride + first, if that is in the output; other places get nothing (fold)."""
    place = numpy.arange(out) - first
    index = place // stride
    hit = (place % stride == 0) & (index >= 0) & (index < size)
    begin = numpy.concatenate([[0], numpy.cumsum(hit)])
    return begin.astype(numpy.int64), index[hit].astype(numpy.int64), numpy.ones(int(hit.sum()))


@lru_cache(maxsize=512)
def window_taps(int64_t size, int64_t out, int64_t kernel, int64_t stride, int64_t padding, bint padded,
                int64_t divisor):
    """The mean of windows: divided by the places inside the image, with its padding if `padded`; or by
    `divisor`, if that is not 0. A window without any of them is 0."""
    first = numpy.arange(out) * stride - padding
    end = numpy.minimum(first + kernel, size + padding)
    inside, last = numpy.maximum(first, 0), numpy.minimum(end, size)
    count = numpy.maximum(last - inside, 0)
    taken = numpy.maximum(count, 1)  # one tap of weight 0 where there is none: no taps would mean `fill`
    begin = numpy.concatenate([[0], numpy.cumsum(taken)]).astype(numpy.int64)
    index = numpy.arange(begin[-1]) - numpy.repeat(begin[:-1] - numpy.clip(inside, 0, size - 1), taken)
    parts = numpy.maximum(end - first if padded else count, 1) if divisor == 0 else numpy.full(out, divisor)
    weight = numpy.where(count > 0, 1.0 / parts, 0.0)
    return begin, index.astype(numpy.int64), numpy.repeat(weight, taken)


# Tables are told by what they are made from, (maker, *arguments), so that they need not be hashed themselves.
MAKERS = {"pad": pad_taps, "interpolate": interpolate_taps, "average": average_taps,
          "place": place_taps, "window": window_taps}


@lru_cache(maxsize=512)
def tables(tuple how, bint turned, bint double):
    """(begin, index, weight) in the input's dtype; turned around for the backward pass: by input, which
    outputs read it. how[1] is the length of the axis."""
    begin, index, weight = MAKERS[how[0]](*how[1:])
    if turned:
        reader = numpy.repeat(numpy.arange(len(begin) - 1), numpy.diff(begin))
        order = numpy.argsort(index, kind="stable")
        begin = numpy.concatenate([[0], numpy.cumsum(numpy.bincount(index, minlength=how[1]))])
        index, weight = reader[order], weight[order]
    dtype = numpy.float64 if double else numpy.float32
    return (numpy.ascontiguousarray(begin, numpy.int64), numpy.ascontiguousarray(index, numpy.int64),
            numpy.ascontiguousarray(weight, dtype))


cdef int show(const char* name, ndarray a, Array& out) except -1:
    """(N, C, D, H, W). Axes that a lacks have length 1."""
    cdef int rank = cnp.PyArray_NDIM(a), i
    read("resample", name, a, out)
    for i in range(5 - rank):
        out.shape[4 - i], out.stride[4 - i] = 1, 0
    if rank < 5:  # put the axes that there are at the end
        for i in range(rank - 1, 1, -1):
            out.shape[i + 5 - rank], out.stride[i + 5 - rank] = out.shape[i], out.stride[i]
        for i in range(2, 2 + 5 - rank):
            out.shape[i], out.stride[i] = 1, 0
    out.rank = 5
    return 0


cdef bint without_gaps(ndarray a) noexcept:
    """Channels side by side and columns too: as the fast rung wants rows."""
    cdef int last = cnp.PyArray_NDIM(a) - 1
    cdef int64_t size = cnp.PyArray_ITEMSIZE(a), channels = cnp.PyArray_DIMS(a)[1]
    return (cnp.PyArray_ISALIGNED(a) and (channels == 1 or cnp.PyArray_STRIDES(a)[1] == size)
            and (cnp.PyArray_DIMS(a)[last] == 1 or cnp.PyArray_STRIDES(a)[last] == size * channels))


cdef ndarray compute(ndarray x, tuple hows, bint turned, double fill, object out_shape):
    """hows: one for each axis after the channels."""
    cdef Resample a
    cdef Array ax, ay
    cdef Taps taps[3]
    cdef Error e
    cdef ndarray y
    cdef list keep = []
    cdef int64_t shape[5]
    cdef int rank = cnp.PyArray_NDIM(x), i
    if not without_gaps(x):
        x = to_channels_last(x)
    for i in range(rank):
        shape[i] = out_shape[i]
    y = make_channels_innermost(dtype_of(x), rank, shape)
    show("input", x, ax)
    show("result", y, ay)
    double = ax.dtype == F64
    every = (("pad", 1, 0, 0, "constant"),) * (5 - rank) + hows
    for i in range(3):
        begin, index, weight = tables(every[i], turned, double)
        keep += [begin, index, weight]
        read("resample", "begin", begin, taps[i].begin)
        read("resample", "index", index, taps[i].index)
        read("resample", "weight", weight, taps[i].weight)
    if not api.resample_check("resample", a, ax, ay, taps, fill, e):
        raise_error(e)
    if recorded_constants != NULL:
        recorded_constants(keep)
    run_kernel(api, "resample", resample_ladder, ax.dtype, &a)
    return y


@cython.final
@cython.no_gc
cdef class ResampleBackward(Node):
    cdef tuple hows, shape
    cdef str title

    cdef int replay(self, ndarray g, Run run) except -1:
        return run.send(self.edge0, compute(g, self.hows, True, 0.0, self.shape))

    def name(self):
        return self.title


def resample(str title, Tensor input not None, tuple hows, tuple sizes, double fill=0.0):
    """What the tables say: input (N, C, ...) to (N, C, *sizes). hows: for each axis (maker, length, ...).

    title is the node's name. Not for users: loopnest.nn.functional checks the arguments.
    """
    cdef ndarray x = settled(input)
    cdef ResampleBackward node
    cdef Tensor result
    if x.dtype not in (numpy.float32, numpy.float64):
        raise TypeError(f"expected input of dtype float32 or float64, got {x.dtype}")
    result = wrap(compute(x, hows, False, fill, (*input.shape[:2], *sizes)))
    if recording() and wants(input):
        node = ResampleBackward.__new__(ResampleBackward)
        node.hows = hows
        node.shape = input.shape
        node.title = title
        node.edge0 = edge_of(input)
        record(node, result)
    return result
