# The pools of two dimensions, largest and mean. Part of tape.pyx.

cdef const char** pool_names = ["max_pool2d", "avg_pool2d"]
cdef const char** pool_backward_names = ["max_pool2d_backward", "avg_pool2d_backward"]
cdef const Ladder* pool_ladder[2][2]
cdef const Ladder* pool_backward_ladder[2][2]


cdef inline ndarray channels_last(ndarray a):
    """`a` (4 axes), copied if its channels are not side by side: the fast rungs want them so."""
    if cnp.PyArray_DIMS(a)[1] == 1 or cnp.PyArray_STRIDES(a)[1] == cnp.PyArray_ITEMSIZE(a):
        return a
    cdef ndarray out = make_channels_last(dtype_of(a), <const int64_t*>cnp.PyArray_DIMS(a))
    copy_into(out, a)
    return out


cdef ndarray need_4d(const char* op, Tensor input, bint* unbatched):
    """The array of an image batch (N, C, H, W); one image (C, H, W) gets an N of 1."""
    cdef ndarray x = settled(input)
    unbatched[0] = cnp.PyArray_NDIM(x) == 3
    if not unbatched[0] and cnp.PyArray_NDIM(x) != 4:
        raise ValueError(f"{op.decode()}: expected input of 4 axes (N, C, H, W) or 3 axes (C, H, W), got "
                         f"{cnp.PyArray_NDIM(x)} axes: {input.shape}")
    return x


@cython.final
@cython.no_gc
cdef class Pool2dBackward(Node):
    """kept0 is the places of the maxima, as taps (bytes) or as indices; None for the average."""

    cdef Pool2dOptions options
    cdef int64_t x_shape[4]
    cdef bint average

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Pool2d a
        cdef Array dy, dx
        cdef Error e
        cdef int64_t y_shape[4]
        cdef ndarray out
        cdef const char* op = pool_backward_names[self.average]
        g = channels_last(g)
        g = read(op, "grad_output", g, dy)
        out = make_channels_last(dy.dtype, self.x_shape)
        read(op, "result", out, dx)
        if (not api.pool2d_check(op, a, self.x_shape, self.options, y_shape, e)
                or not api.pool2d_place_x(op, a, dx, e) or not api.pool2d_place_y(op, a, dy, e)):
            raise_error(e)
        if not self.average:
            place_maxima(op, a, self.kept0)
        run_kernel(api, op, pool_backward_ladder[self.average], dy.dtype, &a)
        return run.send(self.edge0, out)

    def name(self):
        return "AvgPool2dBackward" if self.average else "MaxPool2dBackward"


cdef int place_maxima(const char* op, Pool2d& a, ndarray places) except -1:
    cdef Array indices
    cdef Error e
    cdef bint done
    if cnp.PyArray_ITEMSIZE(places) == 1:
        done = api.pool2d_place_taps(op, a, <uint8_t*>cnp.PyArray_DATA(places), e)
    else:
        read(op, "indices", places, indices)
        done = api.pool2d_place_indices(op, a, indices, e)
    if not done:
        raise_error(e)
    return 0


cdef object pool2d(Tensor input, Pool2dOptions& o, bint average, bint return_indices):
    cdef const char* op = pool_names[average]
    cdef Pool2d a
    cdef Array x, y
    cdef Error e
    cdef int64_t y_shape[4]
    cdef ndarray keep, out, places = None
    cdef Pool2dBackward node
    cdef Tensor result
    cdef bint recorded = grad_mode and wants(input)
    keep = read(op, "input", settled(input), x)
    if not api.pool2d_check(op, a, x.shape, o, y_shape, e) or not api.pool2d_place_x(op, a, x, e):
        raise_error(e)
    keep = read(op, "input", channels_last(keep), x)
    out = make_channels_last(x.dtype, y_shape)
    read(op, "result", out, y)
    if not api.pool2d_place_x(op, a, x, e) or not api.pool2d_place_y(op, a, y, e):
        raise_error(e)
    if not average and (return_indices or recorded):
        if return_indices or o.kernel_size[0] * o.kernel_size[1] >= no_tap:
            places = make_channels_last(I64, y_shape)
        else:
            places = make_bytes(cnp.PyArray_SIZE(out))
        place_maxima(op, a, places)
    run_kernel(api, op, pool_ladder[average], x.dtype, &a)
    result = wrap(out)
    if recorded:
        node = Pool2dBackward.__new__(Pool2dBackward)
        node.options = o
        node.average = average
        memcpy(node.x_shape, x.shape, sizeof(node.x_shape))
        node.edge0 = edge_of(input)
        node.kept0 = places
        record(node, result)
    return (result, wrap(places)) if return_indices else result


def max_pool2d(Tensor input not None, kernel_size, stride=None, padding=0, dilation=1, bint ceil_mode=False,
               bint return_indices=False):
    """The largest element of each window, as torch.nn.functional.max_pool2d.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, stride, padding, dilation: int or pair; stride is kernel_size if it is left out.
    Returns:
        (N, C, H_out, W_out), or with return_indices also the places of the maxima in their planes, int64.
    """
    cdef Pool2dOptions o
    cdef bint unbatched
    cdef Tensor bare
    need_4d("max_pool2d", input, &unbatched)
    if unbatched:
        out = max_pool2d(unsqueeze(input, 0), kernel_size, stride, padding, dilation, ceil_mode,
                         return_indices)
        return (squeeze(out[0], 0), squeeze(out[1], 0)) if return_indices else squeeze(out, 0)
    pair_of(kernel_size, o.kernel_size, "max_pool2d", "kernel_size")
    pair_of(kernel_size if stride is None or stride == () or stride == [] else stride, o.stride, "max_pool2d",
            "stride")
    pair_of(padding, o.padding, "max_pool2d", "padding")
    pair_of(dilation, o.dilation, "max_pool2d", "dilation")
    o.ceil_mode = ceil_mode
    # Dilated windows can lie in padding alone, and ReLU would make 0 of their -inf.
    if not return_indices and o.dilation[0] == 1 and o.dilation[1] == 1:
        bare = before_relu(input)
        if bare is not None:
            return after_relu(input, pool2d(bare, o, False, False))
    return pool2d(input, o, False, return_indices)


def avg_pool2d(Tensor input not None, kernel_size, stride=None, padding=0, bint ceil_mode=False,
               bint count_include_pad=True, divisor_override=None):
    """The mean of each window, as torch.nn.functional.avg_pool2d.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, stride, padding: int or pair; stride is kernel_size if it is left out.
        count_include_pad: padding counts as zeros. divisor_override: divide by this instead.
    """
    cdef Pool2dOptions o
    cdef bint unbatched
    cdef int64_t divisor[2]
    need_4d("avg_pool2d", input, &unbatched)
    if unbatched:
        return squeeze(avg_pool2d(unsqueeze(input, 0), kernel_size, stride, padding, ceil_mode,
                                  count_include_pad, divisor_override), 0)
    pair_of(kernel_size, o.kernel_size, "avg_pool2d", "kernel_size")
    pair_of(kernel_size if stride is None or stride == () or stride == [] else stride, o.stride, "avg_pool2d",
            "stride")
    pair_of(padding, o.padding, "avg_pool2d", "padding")
    o.ceil_mode = ceil_mode
    o.count_include_pad = count_include_pad
    if divisor_override is not None:
        pair_of(divisor_override, divisor, "avg_pool2d", "divisor_override")
        if divisor[0] == 0:
            raise ValueError("avg_pool2d: divisor_override must not be 0")
        o.divisor_override = divisor[0]
    return pool2d(input, o, True, False)
