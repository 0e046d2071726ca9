"""Convolutions over 1, 2 and 3 axes of space, and the transposed ones: what they take, and their nodes.

All of them are one code: `axes` says how many axes of space there are, csrc/ops/conv/check.h fills in the
contract. The backward pass of a transposed convolution is a convolution, and the other way round.
"""

cimport cython
cimport numpy as cnp
from cpython.long cimport PyLong_CheckExact
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from .arena cimport make, make_channels_innermost
from .copying cimport copy_into
from .elementwise cimport column_sums
from .kernels cimport (F32, F64, Array, ConvAnyOptions, ConvArgs, Error, KernelApi, Ladder, kernel_api,
                       raise_error, read, read_dense, run_kernel)
from .tape cimport Node, Run, Tensor, edge_of, keep0, keep1, record, recording, settled, wants, wrap

from .tape import squeeze, unsqueeze

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()

# By the number of axes of space.
cdef const char** FORWARD = ["", "conv1d", "conv2d", "conv3d"]
cdef const char** INPUT = ["", "conv1d_backward_input", "conv2d_backward_input", "conv3d_backward_input"]
cdef const char** WEIGHT = ["", "conv1d_backward_weight", "conv2d_backward_weight", "conv3d_backward_weight"]
cdef const char** TRANSPOSE = ["", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]
cdef tuple SHAPES = ("", "(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)")
cdef tuple ONE = ("", "(C, L)", "(C, H, W)", "(C, D, H, W)")
cdef const Ladder* forward_ladder[4][2]
cdef const Ladder* input_ladder[4][2]
cdef const Ladder* weight_ladder[4][2]

# ------------------------------------------------------------------------------------------------------------
# Arguments

PADDINGS = ("valid", "same", "same_upper", "causal")


cdef int64_t whole(object value, str op, str name) except? -1:
    """A whole number that fits 64 bits; not a bool, not a float."""
    if not PyLong_CheckExact(value):
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise TypeError(f"{op}: expected {name} to be whole numbers, got {value!r}")
        value = value.__index__()
    try:
        return value
    except OverflowError:
        raise ValueError(f"{op}: {name} is too large: {value!r}") from None


cdef int each_of(object value, int axes, int64_t* out, str op, str name) except -1:
    """One number for all axes of space, or one for each."""
    cdef int i
    cdef Py_ssize_t count
    if isinstance(value, (tuple, list)):
        count = len(value)
        if count != axes and count != 1:
            numbers = f"one number or {axes}" if axes > 1 else "one number"
            raise ValueError(f"{op}: expected {name} to be {numbers}, got {value!r}")
        for i in range(axes):
            out[i] = whole(value[i if count == axes else 0], op, name)
        return 0
    out[0] = whole(value, op, name)
    for i in range(1, axes):
        out[i] = out[0]
    return 0


def each(str op, str name, value, int axes):
    """One number for all axes of space, or one for each of the 1 to 3 axes.

    >>> each("conv3d", "stride", (1, 2, 2), 3)
    (1, 2, 2)
    """
    cdef int64_t out[3]
    each_of(value, axes, out, op, name)
    return tuple([out[i] for i in range(axes)])


cdef int rule(str value, int axes, const int64_t* size, const int64_t* kernel, ConvAnyOptions& o,
              str op) except -1:
    """Padding by the name of a rule; size and kernel are those of the axes of space."""
    cdef int64_t reach, total, places
    cdef int i
    if value not in PADDINGS:
        raise ValueError(f"{op}: expected padding to be numbers, pairs (low, high) or one of {PADDINGS}, got "
                         f"{value!r}")
    if value == "causal" and axes != 1:
        raise ValueError(f"{op}: padding='causal' needs one axis, time, which only conv1d has; give the "
                         f"pairs instead, (dilation * (kernel - 1), 0) for the axis that is time")
    for i in range(axes):
        o.padding[2 * i] = o.padding[2 * i + 1] = 0
        # What is out of range is refused by the check.
        if value == "valid" or o.stride[i] < 1 or not 1 <= o.dilation[i] <= 1 << 40 or kernel[i] < 1:
            continue
        reach = o.dilation[i] * (kernel[i] - 1)
        if value == "causal":
            o.padding[0] = reach
            continue
        if value == "same":
            if o.stride[i] != 1:
                raise ValueError(f"{op}: padding='same' needs a stride of 1, got "
                                 f"{tuple([o.stride[k] for k in range(axes)])}; use 'same_upper' (as "
                                 f"TensorFlow and ONNX pad: ceil(size / stride) outputs), or numbers")
            total = reach
        else:
            places = (size[i] - 1) // o.stride[i] if size[i] > 0 else 0
            total = max(places * o.stride[i] + reach + 1 - size[i], 0)
        o.padding[2 * i] = total // 2
        o.padding[2 * i + 1] = total - total // 2
    return 0


cdef int padding_of(object value, int axes, const int64_t* size, const int64_t* kernel, ConvAnyOptions& o,
                    str op) except -1:
    """(low, high) of each axis, from what a convolution takes as padding; o.stride and o.dilation are set."""
    cdef int64_t numbers[3]
    cdef int i, j
    if isinstance(value, str):
        return rule(value, axes, size, kernel, o, op)
    if isinstance(value, (tuple, list)) and any([isinstance(v, (tuple, list)) for v in value]):
        if len(value) != axes or any([isinstance(v, (tuple, list)) and len(v) != 2 for v in value]):
            raise ValueError(f"{op}: expected padding to be numbers or {axes} pairs (low, high), got "
                             f"{value!r}")
        for i in range(axes):
            for j in range(2):
                v = value[i]
                o.padding[2 * i + j] = whole(v[j] if isinstance(v, (tuple, list)) else v, op, "padding")
        return 0
    each_of(value, axes, numbers, op, "padding")
    for i in range(axes):
        o.padding[2 * i] = o.padding[2 * i + 1] = numbers[i]
    return 0


def pads(str op, value, size, kernel, stride, dilation):
    """(low, high) of the first axis of space, of the second, ... in a row, from what a convolution takes:

    a number, one per axis, or (low, high) for some axes or all: ((0, 1), 2); "valid": none; "same":
    dilation * (kernel - 1) in all, the odd one behind, stride 1 only (PyTorch's rule); "same_upper": as many
    as give ceil(size / stride) outputs, the odd one behind (TensorFlow's and ONNX's rule); "causal":
    dilation * (kernel - 1) before and none behind, for one axis of space only.

    >>> pads("conv2d", "same", (9, 9), (4, 3), (1, 1), (1, 2))
    (1, 2, 2, 2)
    >>> pads("conv2d", "same_upper", (9, 8), (3, 3), (2, 2), (1, 1))
    (1, 1, 0, 1)
    >>> pads("conv1d", ((2, 0),), (9,), (3,), (1,), (1,))
    (2, 0)
    """
    cdef ConvAnyOptions o
    cdef int64_t sizes[3]
    cdef int64_t kernels[3]
    cdef int axes = len(kernel), i
    for i in range(axes):
        sizes[i], kernels[i] = size[i], kernel[i]
        o.stride[i], o.dilation[i] = stride[i], dilation[i]
    padding_of(value, axes, sizes, kernels, o, op)
    return tuple([o.padding[i] for i in range(2 * axes)])


# ------------------------------------------------------------------------------------------------------------
# Arrays

cdef bint batched(int axes, Tensor input, str op) except -1:
    """True for (N, C, ...), False for one sample (C, ...)."""
    cdef int rank = cnp.PyArray_NDIM(settled(input))
    if rank != 2 + axes and rank != 1 + axes:
        raise ValueError(f"{op}: expected input of {2 + axes} axes {SHAPES[axes]} or {1 + axes} axes "
                         f"{ONE[axes]}, got {rank} axes: {input.shape}")
    return rank == 2 + axes


cdef ndarray channels_innermost(ndarray a):
    """`a`, copied if its channels are not side by side: the fast rungs want them so."""
    if cnp.PyArray_DIMS(a)[1] == 1 or cnp.PyArray_STRIDES(a)[1] == cnp.PyArray_ITEMSIZE(a):
        return a
    cdef int dtype = F32 if cnp.PyArray_ITEMSIZE(a) == 4 else F64
    cdef ndarray out = make_channels_innermost(dtype, cnp.PyArray_NDIM(a),
                                               <const int64_t*>cnp.PyArray_DIMS(a))
    copy_into(out, a)
    return out


cdef ndarray for_convolution(int axes, ndarray x, Array& w, int64_t groups):
    """`x` with its channels side by side, if that pays: 64 channels of 8 x 28x28 in C order, by 3x3, forward
    and backward 5.9 ms as they lie, 4.0 from a copy; depthwise 6.3 and 0.8. Of few channels a vector of
    places is taken as it lies, and 1x1 copies what it needs in a tile."""
    cdef int64_t taps = 1
    cdef int i
    if w.rank != 2 + axes or cnp.PyArray_DIMS(x)[1] < 8:
        return x
    for i in range(axes):
        taps *= w.shape[2 + i]
    return channels_innermost(x) if taps > 1 or groups > 1 else x


cdef void* contract(int axes, ConvArgs& a) noexcept:
    return <void*>&a.three if axes == 3 else <void*>&a.two


cdef ndarray new_image(int dtype, int axes, const int64_t* shape, Array& out):
    cdef ndarray a = make_channels_innermost(dtype, 2 + axes, shape)
    return read("conv", "result", a, out)


# ------------------------------------------------------------------------------------------------------------
# Convolution

@cython.no_gc
cdef class ConvNode(Node):
    """edge0 is the input's, edge1 the weight's, edge2 the bias's. kept0 is the input (if the weight's
    gradient is wanted), kept1 the weight (if the input's is)."""

    cdef int axes
    cdef ConvAnyOptions options
    cdef int64_t more[3]  # output_padding
    cdef int64_t x_shape[5]
    cdef int64_t w_shape[5]

    cdef int fill_in(self, int axes, ConvAnyOptions& o, Tensor input, Tensor weight, Tensor bias) except -1:
        self.axes = axes
        self.options = o
        memcpy(self.x_shape, cnp.PyArray_DIMS(settled(input)), (2 + axes) * sizeof(int64_t))
        memcpy(self.w_shape, cnp.PyArray_DIMS(settled(weight)), (2 + axes) * sizeof(int64_t))
        self.edge0 = edge_of(input)
        self.edge1 = edge_of(weight)
        if bias is not None:
            self.edge2 = edge_of(bias)
        return 0


@cython.final
@cython.no_gc
cdef class ConvBackward(ConvNode):
    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Array dy
        g = read("conv", "grad_output", channels_innermost(g), dy)
        if self.edge1 is not None or self.edge2 is not None:
            self.weight(dy, run)
        if self.edge0 is not None:
            self.input(dy, run)
        return 0

    cdef int input(self, Array& dy, Run run) except -1:
        cdef ConvArgs a
        cdef Array w, x
        cdef Error e
        cdef ndarray dx, _keep = read("conv", "weight", self.kept1, w)
        if not api.conv_backward_input_check(self.axes, a, self.x_shape, w, dy, self.options, e):
            raise_error(e)
        dx = new_image(dy.dtype, self.axes, self.x_shape, x)
        api.conv_place_x(self.axes, a, x)
        run_kernel(api, INPUT[self.axes], input_ladder[self.axes], dy.dtype, contract(self.axes, a))
        return run.send(self.edge0, dx)

    cdef int weight(self, Array& dy, Run run) except -1:
        cdef ConvArgs a
        cdef Array x, w, b
        cdef Error e
        cdef ndarray dw, db = None, _keep = read("conv", "input", self.kept0, x)
        if not api.conv_backward_weight_check(self.axes, a, x, self.w_shape, dy, self.options, e):
            raise_error(e)
        dw = read("conv", "weight", make(dy.dtype, 2 + self.axes, self.w_shape), w)
        api.conv_place_w(self.axes, a, w)
        if self.edge2 is not None:
            db = read("conv", "bias", make(dy.dtype, 1, self.w_shape), b)
            api.conv_place_bias(self.axes, a, b)
        run_kernel(api, WEIGHT[self.axes], weight_ladder[self.axes], dy.dtype, contract(self.axes, a))
        if self.edge1 is not None:
            run.send(self.edge1, dw)
        if self.edge2 is not None:
            run.send(self.edge2, db)
        return 0

    def name(self):
        return f"Conv{self.axes}dBackward"


cdef Tensor convolve(int axes, Tensor input, Tensor weight, Tensor bias, object stride, object padding,
                     object dilation, object groups):
    cdef str op = FORWARD[axes].decode()
    cdef ConvAnyOptions o
    cdef ConvArgs a
    cdef Array x, w, b, y
    cdef Array* pb = NULL
    cdef Error e
    cdef int64_t y_shape[5]
    cdef ndarray near, _keep_x, _keep_w, _keep_b, result
    cdef ConvBackward node
    cdef Tensor out
    if not batched(axes, input, op):
        return squeeze(convolve(axes, unsqueeze(input, 0), weight, bias, stride, padding, dilation,
                                groups), 0)
    each_of(stride, axes, o.stride, op, "stride")
    each_of(dilation, axes, o.dilation, op, "dilation")
    o.groups = whole(groups, op, "groups")
    _keep_x = read(FORWARD[axes], "input", settled(input), x)
    _keep_w = read(FORWARD[axes], "weight", settled(weight), w)
    near = for_convolution(axes, _keep_x, w, o.groups)
    if near is not _keep_x:
        _keep_x = read(FORWARD[axes], "input", near, x)
    if w.rank == 2 + axes:
        padding_of(padding, axes, x.shape + 2, w.shape + 2, o, op)
    else:  # refused by the check
        padding_of(0, axes, x.shape + 2, x.shape + 2, o, op)
    if bias is not None:
        _keep_b = read_dense(FORWARD[axes], "bias", settled(bias), b)
        pb = &b
    if not api.conv_check(axes, a, x, w, pb, o, y_shape, e):
        raise_error(e)
    result = new_image(x.dtype, axes, y_shape, y)
    api.conv_place_y(axes, a, y)
    run_kernel(api, FORWARD[axes], forward_ladder[axes], x.dtype, contract(axes, a))
    out = wrap(result)
    if recording() and (wants(input) or wants(weight) or (bias is not None and wants(bias))):
        node = ConvBackward.__new__(ConvBackward)
        node.fill_in(axes, o, input, weight, bias)
        if node.edge1 is not None or node.edge2 is not None:
            keep0(node, input)
            node.kept0 = near
        if node.edge0 is not None:
            keep1(node, weight)
        record(node, out)
    return out


def conv1d(Tensor input not None, Tensor weight not None, Tensor bias=None, stride=1, padding=0, dilation=1,
           groups=1):
    """1-D convolution, as torch.nn.functional.conv1d.

    Args:
        input: (N, C_in, L) or (C_in, L), float32 or float64. weight: (C_out, C_in / groups, kL).
        bias: (C_out). stride, dilation: int. padding: see `pads`.
    Returns:
        (N, C_out, L_out), channels innermost in memory.
    """
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(Tensor input not None, Tensor weight not None, Tensor bias=None, stride=1, padding=0, dilation=1,
           groups=1):
    """2-D convolution (no flip), as torch.nn.functional.conv2d.

    Args:
        input: (N, C_in, H, W) or (C_in, H, W), float32 or float64.
        weight: (C_out, C_in / groups, kH, kW). bias: (C_out).
        stride, dilation: int or pair. padding: see `pads`.
    Returns:
        (N, C_out, H_out, W_out), channels-last in memory, with
        H_out = (H + low + high - dilation (kH - 1) - 1) // stride + 1.
    """
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(Tensor input not None, Tensor weight not None, Tensor bias=None, stride=1, padding=0, dilation=1,
           groups=1):
    """3-D convolution, as torch.nn.functional.conv3d.

    Args:
        input: (N, C_in, D, H, W) or (C_in, D, H, W), float32 or float64.
        weight: (C_out, C_in / groups, kD, kH, kW). bias: (C_out).
        stride, dilation: int or three. padding: see `pads`.
    Returns:
        (N, C_out, D_out, H_out, W_out), channels innermost in memory.
    """
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


# ------------------------------------------------------------------------------------------------------------
# Transposed convolution: the contract's x is our output, its y our input

cdef ndarray channel_sums(ndarray g, int dtype):
    """The sum over all axes but the second of g, whose channels lie side by side."""
    cdef Array a
    cdef int64_t c = cnp.PyArray_DIMS(g)[1]
    cdef ndarray rows, block = make(dtype, 1, &c), out = make(dtype, 1, &c)
    rows = (<object>g).transpose((0, *range(2, cnp.PyArray_NDIM(g)), 1)).reshape((-1, c))
    rows = read("conv", "grad_output", rows, a)
    cdef void* pb = cnp.PyArray_DATA(block)
    cdef void* po = cnp.PyArray_DATA(out)
    with nogil:
        column_sums(dtype, a.data, a.shape[0], a.shape[1], a.stride[0], a.stride[1], pb, po)
    return out


@cython.final
@cython.no_gc
cdef class ConvTransposeBackward(ConvNode):
    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Array dy
        g = read("conv", "grad_output", channels_innermost(g), dy)
        if self.edge2 is not None:
            run.send(self.edge2, channel_sums(g, dy.dtype))
        if self.edge1 is not None:
            self.weight(dy, run)
        if self.edge0 is not None:
            self.input(dy, run)
        return 0

    cdef int prepare(self, ConvArgs& a, Array& x, Array& w, Array& dy) except -1:
        """The forward pass's contract once more, and where its x, our gradient, lies."""
        cdef Error e
        cdef int64_t y_shape[5]
        if not api.conv_transpose_check(self.axes, a, x, w, NULL, self.options, self.more, y_shape, e):
            raise_error(e)
        api.conv_place_x(self.axes, a, dy)
        return 0

    cdef int input(self, Array& dy, Run run) except -1:
        cdef ConvArgs a
        cdef Array x, w
        cdef ndarray _keep = read("conv", "weight", self.kept1, w)
        cdef ndarray dx = new_image(dy.dtype, self.axes, self.x_shape, x)
        self.prepare(a, x, w, dy)
        run_kernel(api, FORWARD[self.axes], forward_ladder[self.axes], dy.dtype, contract(self.axes, a))
        return run.send(self.edge0, dx)

    cdef int weight(self, Array& dy, Run run) except -1:
        cdef ConvArgs a
        cdef Array x, w
        cdef ndarray _keep = read("conv", "input", channels_innermost(self.kept0), x)
        cdef ndarray dw = read("conv", "weight", make(dy.dtype, 2 + self.axes, self.w_shape), w)
        self.prepare(a, x, w, dy)
        run_kernel(api, WEIGHT[self.axes], weight_ladder[self.axes], dy.dtype, contract(self.axes, a))
        return run.send(self.edge1, dw)

    def name(self):
        return f"ConvTranspose{self.axes}dBackward"


cdef Tensor transpose(int axes, Tensor input, Tensor weight, Tensor bias, object stride, object padding,
                      object output_padding, object groups, object dilation):
    cdef str op = TRANSPOSE[axes].decode()
    cdef ConvAnyOptions o
    cdef ConvArgs a
    cdef Array x, w, b, y
    cdef Array* pb = NULL
    cdef Error e
    cdef int64_t y_shape[5]
    cdef int64_t more[3]
    cdef int i
    cdef ndarray _keep_x, _keep_w, _keep_b, result
    cdef ConvTransposeBackward node
    cdef Tensor out
    if not batched(axes, input, op):
        return squeeze(transpose(axes, unsqueeze(input, 0), weight, bias, stride, padding, output_padding,
                                 groups, dilation), 0)
    if isinstance(padding, str):
        raise ValueError(f"{op}: expected padding to be numbers, got {padding!r}: a transposed convolution "
                         f"has no rule for it")
    each_of(stride, axes, o.stride, op, "stride")
    each_of(dilation, axes, o.dilation, op, "dilation")
    each_of(output_padding, axes, more, op, "output_padding")
    o.groups = whole(groups, op, "groups")
    _keep_x = read(TRANSPOSE[axes], "input", channels_innermost(settled(input)), x)
    _keep_w = read(TRANSPOSE[axes], "weight", settled(weight), w)
    each_of(padding, axes, y_shape, op, "padding")
    for i in range(axes):
        o.padding[2 * i] = o.padding[2 * i + 1] = y_shape[i]
    if bias is not None:
        _keep_b = read_dense(TRANSPOSE[axes], "bias", settled(bias), b)
        pb = &b
    if not api.conv_transpose_check(axes, a, x, w, pb, o, more, y_shape, e):
        raise_error(e)
    result = new_image(x.dtype, axes, y_shape, y)
    api.conv_place_x(axes, a, y)
    run_kernel(api, INPUT[axes], input_ladder[axes], x.dtype, contract(axes, a))
    out = wrap(result)
    if recording() and (wants(input) or wants(weight) or (bias is not None and wants(bias))):
        node = ConvTransposeBackward.__new__(ConvTransposeBackward)
        node.fill_in(axes, o, input, weight, bias)
        memcpy(node.more, more, sizeof(more))
        if node.edge1 is not None:
            keep0(node, input)
        if node.edge0 is not None or node.edge1 is not None:
            keep1(node, weight)
        record(node, out)
    return out


def conv_transpose1d(Tensor input not None, Tensor weight not None, Tensor bias=None, stride=1, padding=0,
                     output_padding=0, groups=1, dilation=1):
    """Transposed 1-D convolution, as torch.nn.functional.conv_transpose1d: weight (C_in, C_out / groups,
    kL)."""
    return transpose(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(Tensor input not None, Tensor weight not None, Tensor bias=None, stride=1, padding=0,
                     output_padding=0, groups=1, dilation=1):
    """Transposed 2-D convolution, as torch.nn.functional.conv_transpose2d: weight (C_in, C_out / groups, kH,
    kW)."""
    return transpose(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(Tensor input not None, Tensor weight not None, Tensor bias=None, stride=1, padding=0,
                     output_padding=0, groups=1, dilation=1):
    """Transposed 3-D convolution, as torch.nn.functional.conv_transpose3d: weight (C_in, C_out / groups, kD,
    kH, kW)."""
    return transpose(3, input, weight, bias, stride, padding, output_padding, groups, dilation)
