"""Batch, instance, group, layer and RMS normalisation: from PyTorch's shapes to the kernel's (N, S, C)."""

import numpy

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from cpython.ref cimport Py_REFCNT
from libc.stdint cimport int64_t

from .arena cimport make, make_as, owns_memory
from .copying cimport in_c_order
from .kernels cimport (Array, Error, KernelApi, Ladder, Norm, NormOptions, bytes_of, kernel_api, raise_error,
                       read, read_dense, run_kernel)
from .layout cimport merge, show_channels, to_channels_last
from .tape cimport (Later, Node, Run, Tensor, edge_of, is_dense, keep0, keep1, record, recording, repeated,
                    settle, settled, wait_for, wants, wrap)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* norm_ladder[2]
cdef const Ladder* norm_backward_ladder[2]


cdef bint show(const char* op, const char* name, ndarray a, int tail, Array& out) except -1:
    """(N, S, C) of (N, C, ...), or, if tail > 0, rows (R, 1, D) of an array whose last `tail` axes are D."""
    cdef int rank = cnp.PyArray_NDIM(a)
    cdef int64_t rows, step, length, one
    if tail == 0:
        return show_channels(op, name, a, out)
    read(op, name, a, out)
    if not merge(out, rank - tail, rank, &length, &one) or not merge(out, 0, rank - tail, &rows, &step):
        return False
    if cnp.PyArray_SIZE(a) and length > 1 and one != 1:
        return False
    out.rank = 3
    out.shape[0], out.shape[1], out.shape[2] = rows, 1, length
    out.stride[0], out.stride[1], out.stride[2] = step, 0, 1
    return True


cdef ndarray fit(const char* op, const char* name, ndarray a, int tail, Array& out):
    """`a`, or a copy of it that lies as the kernel wants it; described in `out`."""
    # Of an expanded array (steps of 0) there is no "in the same order".
    if not cnp.PyArray_ISALIGNED(a) or repeated(a):
        a = in_c_order(a)
    if show(op, name, a, tail, out):
        return a
    a = in_c_order(a) if tail else to_channels_last(a)
    if not show(op, name, a, tail, out):
        raise ValueError(f"{op.decode()}: cannot read an array of shape {(<object>a).shape}")
    return a


cdef enum:
    RELU = 1  # ActRelu of csrc/abi.h


cdef ndarray compute(ndarray input, ndarray weight, ndarray bias, NormOptions& options, int tail,
                     ndarray stats, bint only_stats, ndarray add, bint relu):
    """The result, a new array that lies as `input`: relu(norm(input) + add). None if `only_stats`.

    input: as `fit` gives it. stats: (2, sets), written unless options.given. add: lies as the result.
    """
    cdef const char* op = "norm"
    cdef Norm a
    cdef Array x, y, w, b, mean, var
    cdef Array* pw = NULL
    cdef Array* pb = NULL
    cdef Error e
    cdef int64_t stats_shape[2]
    cdef ndarray out = input
    show(op, "input", input, tail, x)
    if weight is not None:
        read(op, "weight", weight, w)
        flat(w)
        pw = &w
    if bias is not None:
        read(op, "bias", bias, b)
        flat(b)
        pb = &b
    if not api.norm_check(op, a, x, pw, pb, options, stats_shape, e):
        raise_error(e)
    describe_stats(stats, stats_shape, mean, var)
    if not only_stats:
        out = make_as(input)
    if not show(op, "result", out, tail, y):
        raise ValueError(f"{op.decode()}: cannot write an array that lies as the input, of strides "
                         f"{(<object>input).strides}")
    if not api.norm_place_y(op, a, y, e) or not api.norm_place_stats(op, a, mean, var, e):
        raise_error(e)
    if only_stats:
        a.y = NULL
        out = None
    if add is not None:
        a.add = cnp.PyArray_DATA(add)
    if relu:
        a.activation = RELU
    run_kernel(api, op, norm_ladder, x.dtype, &a)
    return out


@cython.final
@cython.no_gc
cdef class NormLater(Later):
    """relu(norm(x) + add), when it is asked for. weight and bias are copies: nobody else can change them."""

    cdef NormOptions options
    cdef ndarray x, weight, bias, stats, add_to

    cdef ndarray compute(self, bint relu):
        return compute(self.x, self.weight, self.bias, self.options, 0, self.stats, False, self.add_to, relu)

    cdef Later plus(self, ndarray other):
        cdef NormLater sum
        if self.add_to is not None:
            return None
        sum = NormLater.__new__(NormLater)
        sum.options, sum.x, sum.weight, sum.bias = self.options, self.x, self.weight, self.bias
        sum.stats, sum.add_to = self.stats, other
        return sum


cdef NormLater postpone(ndarray x, ndarray weight, ndarray bias, NormOptions& options, ndarray stats):
    cdef NormLater later = NormLater.__new__(NormLater)
    later.options = options
    later.options.given = True
    later.x, later.stats = x, stats
    later.weight = None if weight is None else weight.copy()
    later.bias = None if bias is None else bias.copy()
    return later


@cython.final
@cython.no_gc
cdef class NormBackward(Node):
    """kept0 is x, kept1 the weight, kept2 mean and var, (2, sets)."""

    cdef NormOptions options
    cdef int tail
    cdef tuple affine_shape
    cdef str title
    cdef bint late  # the result was not computed at once
    cdef ndarray bias

    cdef bint clips(self) noexcept:
        return self.late

    cdef int replay(self, ndarray g, Run run) except -1:
        return self.back(g, run, False)

    cdef int replay_clipped(self, ndarray g, ndarray y, Run run) except -1:
        return self.back(g, run, True)

    cdef int back(self, ndarray g, Run run, bint clipped) except -1:
        """clipped: g is the gradient of ReLU of the result."""
        cdef const char* op = "norm_backward"
        cdef Norm a
        cdef Array x, w, dy, dx, mean, var
        cdef Array* pw = NULL
        cdef Error e
        cdef int64_t stats_shape[2]
        cdef ndarray keep_x, _w, out = None, dw = None, db = None
        keep_x = fit(op, "input", self.kept0, self.tail, x)
        g = fit(op, "grad_output", g, self.tail, dy)
        if self.kept1 is not None:
            _w = read_dense(op, "weight", self.kept1, w)
            flat(w)
            pw = &w
        if not api.norm_check(op, a, x, pw, NULL, self.options, stats_shape, e):
            raise_error(e)
        describe_stats(self.kept2, stats_shape, mean, var)
        if not api.norm_place_y(op, a, dy, e) or not api.norm_place_stats(op, a, mean, var, e):
            raise_error(e)
        if self.edge0 is not None:
            out = make_as(keep_x)
            show(op, "result", out, self.tail, dx)
            if not api.norm_place_dx(op, a, dx, e):
                raise_error(e)
        if self.edge1 is not None:
            dw = make(x.dtype, 1, &a.c)
            a.dweight = cnp.PyArray_DATA(dw)
        if self.edge2 is not None:
            db = make(x.dtype, 1, &a.c)
            a.dbias = cnp.PyArray_DATA(db)
        if clipped:
            a.activation = RELU
            if self.bias is not None:
                a.bias = cnp.PyArray_DATA(self.bias)
        run_kernel(api, op, norm_backward_ladder, x.dtype, &a)
        if out is not None:
            run.send(self.edge0, out)
        if dw is not None:
            run.send(self.edge1, dw if len(self.affine_shape) == 1 else dw.reshape(self.affine_shape))
        if db is not None:
            run.send(self.edge2, db if len(self.affine_shape) == 1 else db.reshape(self.affine_shape))
        return 0

    def name(self):
        return self.title


cdef int flat(Array& a) except -1:
    """A dense array as one axis."""
    cdef int64_t length = 1
    cdef int i
    for i in range(a.rank):
        length *= a.shape[i]
    a.rank = 1
    a.shape[0] = length
    a.stride[0] = 1
    return 0


cdef int describe_stats(ndarray stats, const int64_t* shape, Array& mean, Array& var) except -1:
    """`stats` is (2, sets): mean and var of the kernel."""
    cdef int64_t sets = shape[0] * shape[1]
    read("norm", "mean", stats, mean)
    mean.rank = 2
    mean.shape[0], mean.shape[1] = shape[0], shape[1]
    mean.stride[0], mean.stride[1] = shape[1], 1
    var = mean
    var.data = <char*>mean.data + sets * bytes_of(mean.dtype)
    return 0


cdef ndarray small(Tensor t):
    """A weight or bias, dense."""
    cdef ndarray a
    if t is None:
        return None
    a = settled(t)
    return a if cnp.PyArray_ISCARRAY_RO(a) else a.copy()


cdef tuple normalise(str title, Tensor input, Tensor weight, Tensor bias, NormOptions& options, int tail,
                     ndarray stats, bint alone):
    """(result, mean and var as (2, sets)).

    stats: given ones, or None. alone: nobody but the tensor holds the input's memory, so that it cannot
    change before the result is computed.
    """
    cdef Array x
    cdef int64_t pair[2]
    cdef ndarray given = settled(input), keep_x, w = small(weight), b = small(bias)
    cdef NormBackward node
    cdef NormLater later = None
    cdef Tensor result
    cdef bint recorded = recording() and (wants(input) or (weight is not None and wants(weight))
                                          or (bias is not None and wants(bias)))
    cdef bint late
    keep_x = fit("norm", "input", given, tail, x)
    if stats is None:
        pair[0], pair[1] = 2, (1 if options.over_n else x.shape[0]) * options.groups
        stats = make(x.dtype, 2, pair)
    late = (recorded and options.over_n and cnp.PyArray_SIZE(keep_x) > 0 and is_dense(keep_x)
            and (alone or keep_x is not given))
    if late:
        if not options.given:
            compute(keep_x, w, b, options, tail, stats, True, None, False)
        later = postpone(keep_x, w, b, options, stats)
        result = wrap(keep_x)
        wait_for(result, later)
    else:
        result = wrap(compute(keep_x, w, b, options, tail, stats, False, None, False))
    if recorded:
        node = NormBackward.__new__(NormBackward)
        node.title = title
        node.options = options
        node.tail = tail
        node.late = late
        if late:  # not the Later itself: it goes with its tensor
            node.bias = later.bias
        node.affine_shape = (x.shape[2],)
        node.edge0 = edge_of(input)
        keep0(node, input)
        if keep_x is not given:
            node.kept0 = keep_x
        if weight is not None:
            node.affine_shape = weight.shape
            node.edge1 = edge_of(weight)
            keep1(node, weight)
        if bias is not None:
            node.affine_shape = bias.shape
            node.edge2 = edge_of(bias)
        node.kept2 = stats
        record(node, result)
    return result, stats


cdef int need_channels(str op, Tensor input, int least) except -1:
    cdef int rank = cnp.PyArray_NDIM(input.held)
    if rank < least or rank > 8:
        raise ValueError(f"{op}: expected input of {least} to 8 axes (N, C, ...), got {rank} axes: "
                         f"{input.shape}")
    return 0


cdef int need_vector(str op, str name, object t, Tensor input) except -1:
    """A Tensor of input's dtype, one number for each channel; or None."""
    if t is None:
        return 0
    if not isinstance(t, Tensor):
        raise TypeError(f"{op}: expected {name} to be a Tensor or None, got {type(t).__name__}")
    channels = input.shape[1]
    if (<Tensor>t).shape != (channels,):
        raise ValueError(f"{op}: expected {name} of shape ({channels},), one number for each channel of "
                         f"input {input.shape}, got {(<Tensor>t).shape}")
    if (<Tensor>t).dtype != input.dtype:
        raise TypeError(f"{op}: {name} is {(<Tensor>t).dtype} but input is {input.dtype}; convert one of "
                        "them with to(dtype)")
    return 0


cdef double checked_eps(str op, double eps) except -1:
    if not eps >= 0:
        raise ValueError(f"{op}: expected eps of at least 0, got {eps}")
    return eps


cdef int update(Tensor running, object new, double momentum) except -1:
    """running = (1 - momentum) * running + momentum * new, in place."""
    cdef ndarray a = settled(running)  # nothing that waits can read it: it has no node
    a *= a.dtype.type(1 - momentum)
    a += a.dtype.type(momentum) * new
    running.bump_version()
    return 0


cdef Tensor channelwise(str op, Tensor input, object running_mean, object running_var, Tensor weight,
                        Tensor bias, bint from_input, double momentum, double eps, bint over_n):
    """Batch norm (over_n) and instance norm."""
    cdef NormOptions options
    cdef ndarray stats = None, found
    cdef tuple made
    cdef int64_t count, images
    cdef PyObject* array
    cdef bint alone
    settle(input)
    array = <PyObject*>input.held  # as an object it would be counted twice
    alone = Py_REFCNT(<object>array) == 1 and owns_memory(input.held)
    need_channels(op, input, 2)
    for name, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight),
                    ("bias", bias)):
        need_vector(op, name, t, input)
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{op}: expected running_mean and running_var, or neither")
    if not from_input and running_mean is None:
        raise ValueError(f"{op}: expected running_mean and running_var, since no statistics are to be taken "
                         "from the input")
    if not momentum >= 0:  # false for NaN as well
        raise ValueError(f"{op}: expected momentum of at least 0, got {momentum}")
    options.eps = checked_eps(op, eps)
    options.groups = max(1, input.shape[1])
    options.centre = True
    options.over_n = over_n or not from_input
    options.given = not from_input
    images = input.shape[0]
    count = input.numel() // max(1, input.shape[1])
    if from_input:
        count = count if over_n else count // max(1, images)
        if count == 1:
            raise ValueError(f"{op}: expected more than 1 value per channel when training, got input size "
                             f"{input.shape}")
    else:
        stats = numpy.stack([settled(<Tensor>running_mean), settled(<Tensor>running_var)])
    title = "BatchNormBackward" if over_n else "InstanceNormBackward"
    made = normalise(title, input, weight, bias, options, 0, stats, alone)
    if from_input and running_mean is not None and input.numel():
        found = made[1].reshape(2, -1, input.shape[1]).mean(axis=1, dtype=numpy.float64)
        update(running_mean, found[0], momentum)
        update(running_var, found[1] * (count / (count - 1)), momentum)
    return made[0]


def batch_norm(Tensor input not None, running_mean, running_var, Tensor weight=None, Tensor bias=None,
               bint training=False, double momentum=0.1, double eps=1e-5):
    """Every channel normalised over the batch and all places, as torch.nn.functional.batch_norm.

    Args:
        input: (N, C, ...), float32 or float64. running_mean, running_var, weight, bias: (C) or None.
        training: statistics are the batch's, and move the running ones (in place) by `momentum`, the variance
            as that of a sample (divided by count - 1); otherwise the running ones are used.
    """
    return channelwise("batch_norm", input, running_mean, running_var, weight, bias, training, momentum, eps,
                       True)


def instance_norm(Tensor input not None, running_mean=None, running_var=None, Tensor weight=None,
                  Tensor bias=None, bint use_input_stats=True, double momentum=0.1, double eps=1e-5):
    """Every channel of every image normalised over its places, as torch.nn.functional.instance_norm."""
    return channelwise("instance_norm", input, running_mean, running_var, weight, bias, use_input_stats,
                       momentum, eps, False)


def group_norm(Tensor input not None, int64_t num_groups, Tensor weight=None, Tensor bias=None,
               double eps=1e-5):
    """Every group of neighbouring channels of every image normalised, as torch.nn.functional.group_norm."""
    cdef NormOptions options
    need_channels("group_norm", input, 2)
    if num_groups < 1 or input.shape[1] % num_groups:
        raise ValueError(f"group_norm: expected num_groups that divides the channels, got {num_groups} "
                         f"groups for {input.shape[1]} channels")
    need_vector("group_norm", "weight", weight, input)
    need_vector("group_norm", "bias", bias, input)
    options.eps = checked_eps("group_norm", eps)
    options.groups = num_groups
    options.centre = True
    options.over_n = options.given = False
    return normalise("GroupNormBackward", input, weight, bias, options, 0, None, False)[0]


cdef tuple need_tail(str op, Tensor input, object normalized_shape, Tensor weight, Tensor bias):
    cdef tuple shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or input.shape[-len(shape):] != shape or cnp.PyArray_NDIM(input.held) > 8:
        raise ValueError(f"{op}: expected normalized_shape to be the last axes of input {input.shape}, got "
                         f"{shape}")
    for name, t in (("weight", weight), ("bias", bias)):
        if t is None:
            continue
        if t.shape != shape:
            raise ValueError(f"{op}: expected {name} of shape {shape} (normalized_shape), got {t.shape}")
        if t.dtype != input.dtype:
            raise TypeError(f"{op}: {name} is {t.dtype} but input is {input.dtype}; convert one of them with "
                            "to(dtype)")
    return shape


def layer_norm(Tensor input not None, normalized_shape, Tensor weight=None, Tensor bias=None,
               double eps=1e-5):
    """The last axes normalised, as torch.nn.functional.layer_norm. weight, bias: of normalized_shape."""
    cdef NormOptions options
    cdef tuple shape = need_tail("layer_norm", input, normalized_shape, weight, bias)
    options.eps = checked_eps("layer_norm", eps)
    options.groups = 1
    options.centre = True
    options.over_n = options.given = False
    return normalise("LayerNormBackward", input, weight, bias, options, len(shape), None, False)[0]


def rms_norm(Tensor input not None, normalized_shape, Tensor weight=None, eps=None):
    """The last axes divided by their root mean square, as torch.nn.functional.rms_norm."""
    cdef NormOptions options
    cdef tuple shape = need_tail("rms_norm", input, normalized_shape, weight, None)
    options.eps = checked_eps("rms_norm", float(numpy.finfo(input.dtype).eps) if eps is None else eps)
    options.groups = 1
    options.centre = options.over_n = options.given = False
    return normalise("RmsNormBackward", input, weight, None, options, len(shape), None, False)[0]
