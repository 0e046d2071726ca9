"""Loops over time: LSTM layers on top of each other, in one or two directions, and their backward pass.

The steps are inside the kernel (csrc/ops/lstm): one call runs a layer in one direction through the whole
sequence. Here is the loop over layers and directions. Nothing is copied for the direction that reads
backwards, nor for batch_first: kernels take strides, and a negative stride in time starts at the last step.
"""

import numpy

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from .arena cimport make
from .copying cimport in_c_order
from .kernels cimport (F32, Array, Error, KernelApi, Ladder, Lstm, LstmBackward, kernel_api, raise_error,
                       read, run_kernel)
from .tape cimport (Node, Run, Tensor, Version, Whole, dropout_mask, edge_of, record_parts, recording,
                    settled, version_of, wants, wrap)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* lstm_ladder[2]
cdef const Ladder* lstm_backward_ladder[2]


cdef class Layer:
    """What one layer in one direction was given and has kept for its backward pass."""

    cdef ndarray x, w_ih, w_hh, b_ih, b_hh  # x is (T, N, I); the others contiguous; biases may be None
    cdef ndarray h0, c0                     # (N, H), or None: zeros
    cdef ndarray y                          # (T, N, H), this direction's part of the layer's output
    cdef ndarray gates, cells               # (T, N, 4H) and (T, N, H), in the order of the steps taken
    cdef ndarray lengths                    # (N,) int64, or None
    cdef bint reverse


cdef ndarray in_time_order(ndarray a, bint reverse):
    """(T, N, ...) seen from the last step to the first if `reverse`."""
    return (<object>a)[::-1] if reverse else a


cdef Array* optional(const char* name, ndarray a, Array& out) except? NULL:
    if a is None:
        return NULL
    read("lstm", name, a, out)
    return &out


cdef int forward(Layer layer, ndarray hn, ndarray cn, bint keep) except -1:
    """Runs one layer in one direction; writes layer.y, hn and cn (N, H)."""
    cdef Lstm a
    cdef Array x, w_ih, w_hh, b_ih, b_hh, h0, c0, y, lengths
    cdef Error e
    cdef int64_t shape[3]
    cdef Array* pb_ih = optional("bias_ih", layer.b_ih, b_ih)
    cdef Array* pb_hh = optional("bias_hh", layer.b_hh, b_hh)
    cdef Array* ph0 = optional("h_0", layer.h0, h0)
    cdef Array* pc0 = optional("c_0", layer.c0, c0)
    cdef Array* plengths = optional("lengths", layer.lengths, lengths)
    read("lstm", "input", in_time_order(layer.x, layer.reverse), x)
    read("lstm", "weight_ih", layer.w_ih, w_ih)
    read("lstm", "weight_hh", layer.w_hh, w_hh)
    if not api.lstm_check(a, x, w_ih, w_hh, pb_ih, pb_hh, ph0, pc0, plengths, layer.reverse, e):
        raise_error(e)
    read("lstm", "output", in_time_order(layer.y, layer.reverse), y)
    a.y = y.data
    a.y_t, a.y_n = y.stride[0], y.stride[1]
    a.hn, a.cn = cnp.PyArray_DATA(hn), cnp.PyArray_DATA(cn)
    if keep:
        shape[0], shape[1], shape[2] = a.t, a.n, 4 * a.h
        layer.gates = make(x.dtype, 3, shape)
        shape[2] = a.h
        layer.cells = make(x.dtype, 3, shape)
        a.gates, a.cells = cnp.PyArray_DATA(layer.gates), cnp.PyArray_DATA(layer.cells)
        a.gates_t, a.cells_t = 4 * a.n * a.h, a.n * a.h
    return run_kernel(api, "lstm", lstm_ladder, x.dtype, &a)


cdef int backward(Layer layer, ndarray dy, ndarray dhn, ndarray dcn, ndarray dx, ndarray dw_ih, ndarray dw_hh,
                  ndarray db, ndarray dh0, ndarray dc0) except -1:
    """The gradients of one layer in one direction: dy (T, N, H), dhn, dcn (N, H) or None come in; the others
    are written, or None if they are not wanted."""
    cdef LstmBackward a
    cdef Array x, w_ih, w_hh, h0, c0, y, gates, cells, ady, adhn, adcn, adx, lengths
    cdef Error e
    cdef Array* ph0 = optional("h_0", layer.h0, h0)
    cdef Array* pc0 = optional("c_0", layer.c0, c0)
    cdef Array* plengths = optional("lengths", layer.lengths, lengths)
    cdef Array* pdhn = optional("gradient of h_n", dhn, adhn)
    cdef Array* pdcn = optional("gradient of c_n", dcn, adcn)
    cdef Array* pdy = NULL
    read("lstm", "input", in_time_order(layer.x, layer.reverse), x)
    if dy is not None:
        pdy = optional("gradient of the output", in_time_order(dy, layer.reverse), ady)
    read("lstm", "weight_ih", layer.w_ih, w_ih)
    read("lstm", "weight_hh", layer.w_hh, w_hh)
    read("lstm", "output", in_time_order(layer.y, layer.reverse), y)
    read("lstm", "gates", layer.gates, gates)
    read("lstm", "cells", layer.cells, cells)
    if not api.lstm_backward_check(a, x, w_ih, w_hh, ph0, pc0, plengths, y, gates, cells, pdy, pdhn, pdcn,
                                   layer.reverse, e):
        raise_error(e)
    if dx is not None:
        read("lstm", "gradient of the input", in_time_order(dx, layer.reverse), adx)
        a.dx = adx.data
        a.dx_t, a.dx_n = adx.stride[0], adx.stride[1]
    a.dw_ih = NULL if dw_ih is None else cnp.PyArray_DATA(dw_ih)
    a.dw_hh = NULL if dw_hh is None else cnp.PyArray_DATA(dw_hh)
    a.db = NULL if db is None else cnp.PyArray_DATA(db)
    a.dh0 = NULL if dh0 is None else cnp.PyArray_DATA(dh0)
    a.dc0 = NULL if dc0 is None else cnp.PyArray_DATA(dc0)
    return run_kernel(api, "lstm_backward", lstm_backward_ladder, x.dtype, &a)


@cython.final
@cython.no_gc
cdef class LstmNode(Whole):
    """All layers and directions. edge0 is the input's, edge1 h_0's, edge2 c_0's, `more` are the weights'."""

    cdef list layers  # Layer, directions of layer 0 first
    cdef list masks   # by layer: what its output was multiplied with before the next layer, or None
    cdef int directions
    cdef bint biases, batch_first
    cdef list versions
    cdef vector[int64_t] seen

    cdef int check(self) except -1:
        cdef Version version
        cdef size_t i
        Node.check(self)
        if self.layers is None:
            self.released = True
            return Node.check(self)
        for i in range(self.seen.size()):
            version = self.versions[i]
            if version.value != self.seen[i]:
                raise RuntimeError("one of the variables needed for gradient computation has been modified "
                                   "by an inplace operation (kept by LstmBackward)")
        return 0

    cdef int release(self) except -1:
        self.layers = self.masks = None
        return 0

    cdef bint wanted_below(self, int layer) except -1:
        """Does anything before this layer want a gradient?"""
        cdef int step = (4 if self.biases else 2) * self.directions, i
        if self.edge0 is not None or self.edge1 is not None or self.edge2 is not None:
            return True
        for i in range(layer * step):
            if self.more[i] is not None:
                return True
        return False

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray dy, dhn, dcn, dx, dx2, dh0 = None, dc0 = None, d_ih, d_hh, db
        cdef Layer layer
        cdef int d, k, which, per = 4 if self.biases else 2, count = len(self.layers) // self.directions
        cdef int64_t hidden = cnp.PyArray_DIMS((<Layer>self.layers[0]).w_hh)[1], n
        cdef int64_t shape[3]
        cdef int dtype
        dy, dhn, dcn = self.take()
        layer = self.layers[0]
        dtype = F32 if cnp.PyArray_TYPE(layer.x) == cnp.NPY_FLOAT else 1
        n = cnp.PyArray_DIMS(layer.x)[1]
        if dy is not None:
            if self.batch_first:
                dy = dy.swapaxes(0, 1)
            dy = features_dense(dy)
        dhn = None if dhn is None else numpy.ascontiguousarray(dhn)
        dcn = None if dcn is None else numpy.ascontiguousarray(dcn)
        if self.edge1 is not None or self.edge2 is not None:
            shape[0], shape[1], shape[2] = len(self.layers), n, hidden
            dh0, dc0 = make(dtype, 3, shape), make(dtype, 3, shape)
        for k in range(count - 1, -1, -1):
            dx = None
            for d in range(self.directions):
                which = k * self.directions + d
                layer = self.layers[which]
                dx2 = self.new_input_gradient(layer, dtype, k) if k > 0 or self.edge0 is not None else None
                edges = self.more[which * per:(which + 1) * per]
                if dx2 is None and dh0 is None and not any([e is not None for e in edges]):
                    continue
                d_ih = new_like(layer.w_ih, dtype) if edges[0] is not None else None
                d_hh = new_like(layer.w_hh, dtype) if edges[1] is not None else None
                db = new_like(layer.b_ih, dtype) if self.biases and (edges[2] is not None
                                                                     or edges[3] is not None) else None
                backward(layer, part_of(dy, d, hidden), None if dhn is None else dhn[which],
                         None if dcn is None else dcn[which], dx2, d_ih, d_hh, db,
                         None if dh0 is None else dh0[which], None if dc0 is None else dc0[which])
                run.send(edges[0], d_ih) if d_ih is not None else 0
                run.send(edges[1], d_hh) if d_hh is not None else 0
                if db is not None:
                    run.send(edges[2], db)
                    run.send(edges[3], db)
                dx = dx2 if dx is None else numpy.add(dx, dx2, out=dx)
            if k > 0:
                if not self.wanted_below(k):
                    return 0
                dy = dx if self.masks[k - 1] is None else numpy.multiply(dx, self.masks[k - 1], out=dx)
        if dx is not None and self.edge0 is not None:
            run.send(self.edge0, dx.swapaxes(0, 1) if self.batch_first else dx)
        if dh0 is not None:
            run.send(self.edge1, dh0)
            run.send(self.edge2, dc0)
        return 0

    cdef ndarray new_input_gradient(self, Layer layer, int dtype, int k):
        """(T, N, I), in memory (N, T, I) for the first layer if the input is so."""
        cdef int64_t shape[3]
        cdef int first = 1 if self.batch_first else 0
        shape[first], shape[1 - first] = cnp.PyArray_DIMS(layer.x)[0], cnp.PyArray_DIMS(layer.x)[1]
        shape[2] = cnp.PyArray_DIMS(layer.x)[2]
        cdef ndarray out = make(dtype, 3, shape)
        return out.swapaxes(0, 1) if self.batch_first else out

    def name(self):
        return "LstmBackward"


cdef ndarray new_like(ndarray a, int dtype):
    return make(dtype, cnp.PyArray_NDIM(a), <const int64_t*>cnp.PyArray_DIMS(a))


cdef ndarray part_of(ndarray a, int d, int64_t hidden):
    """The features of direction d in (T, N, D * H)."""
    if a is None or cnp.PyArray_DIMS(a)[2] == hidden:
        return a
    return (<object>a)[:, :, d * hidden:(d + 1) * hidden]


cdef ndarray features_dense(ndarray a):
    """`a` (3 axes), copied if its last axis is not side by side in memory: the kernels want it so."""
    if not cnp.PyArray_ISALIGNED(a):
        return a.copy()
    if cnp.PyArray_DIMS(a)[2] == 1 or cnp.PyArray_STRIDES(a)[2] == cnp.PyArray_ITEMSIZE(a):
        return a
    return in_c_order(a)


cdef ndarray dense(object t, str name):
    if not isinstance(t, Tensor):
        raise TypeError(f"lstm: expected {name} to be a Tensor, got {type(t).__name__}")
    cdef ndarray a = settled(<Tensor>t)
    return a if cnp.PyArray_ISCARRAY_RO(a) else in_c_order(a)


cdef tuple shape_of(ndarray a):
    return tuple([cnp.PyArray_DIMS(a)[i] for i in range(cnp.PyArray_NDIM(a))])


def lstm(Tensor input not None, hx, params, bint has_biases=True, int num_layers=1, double dropout=0.0,
         bint train=False, bint bidirectional=False, bint batch_first=False, lengths=None):
    """LSTM layers over a sequence, as torch._VF.lstm.

    Args:
        input: (T, N, I), (N, T, I) if batch_first, or (T, I) for a single sequence; float32 or float64.
        hx: (h_0, c_0), each (num_layers * D, N, H), D = 2 if bidirectional, else 1; without N for a single
            sequence. None: zeros.
        params: by layer, by direction: weight_ih (4H, I or D * H), weight_hh (4H, H), and, if has_biases,
            bias_ih, bias_hh (4H).
        dropout: on the output of every layer but the last, if train.
        lengths: (N,) int64 array: the valid steps of each sequence, 0 to T. None: all have T.
    Returns:
        output (T, N, D * H) or as the input lies, 0 beyond the lengths; h_n, c_n (num_layers * D, N, H), the
        states after each sequence's last valid step.
    """
    cdef int directions = 2 if bidirectional else 1, per = 4 if has_biases else 2, k, d, which
    cdef ndarray x = settled(input), y, hn, cn, h0 = None, c0 = None, mask, counts = None
    cdef list weights = list(params), layers = [], masks = [], arrays
    cdef int64_t shape[3]
    cdef int64_t t, n, hidden
    cdef int dtype
    cdef bint keep
    cdef Array described
    cdef Layer layer
    if num_layers < 1:
        raise ValueError(f"lstm: expected num_layers of at least 1, got {num_layers}")
    if not 0 <= dropout <= 1:
        raise ValueError(f"lstm: expected a dropout probability in [0, 1], got {dropout}")
    if len(weights) != num_layers * directions * per:
        raise ValueError(f"lstm: expected {num_layers} layers * {directions} directions * {per} = "
                         f"{num_layers * directions * per} weights and biases, got {len(weights)}")
    if cnp.PyArray_NDIM(x) == 2:
        return single(input, hx, weights, has_biases, num_layers, dropout, train, bidirectional)
    if cnp.PyArray_NDIM(x) != 3:
        raise ValueError(f"lstm: expected input of 3 axes {'(N, T, I)' if batch_first else '(T, N, I)'} or 2 "
                         f"axes (T, I), got {input.shape}")
    read("lstm", "input", x, described)
    dtype = described.dtype
    if dtype != F32 and dtype != 1:
        raise TypeError(f"lstm: expected input of dtype float32 or float64, got {input.dtype}")
    arrays = [dense(w, f"params[{i}]") for i, w in enumerate(weights)]
    if cnp.PyArray_NDIM(arrays[1]) != 2:
        raise ValueError(f"lstm: expected weight_hh of shape (4 * hidden_size, hidden_size), got "
                         f"{weights[1].shape}")
    if batch_first:
        x = x.swapaxes(0, 1)
    x = features_dense(x)
    t, n, hidden = cnp.PyArray_DIMS(x)[0], cnp.PyArray_DIMS(x)[1], cnp.PyArray_DIMS(<ndarray>arrays[1])[1]
    if lengths is not None:
        counts = numpy.array(lengths)  # our own: the backward pass reads it as well
    if hx is not None:
        if not isinstance(hx, (tuple, list)) or len(hx) != 2:
            raise TypeError("lstm: expected hx to be a pair (h_0, c_0)")
        h0, c0 = dense(hx[0], "h_0"), dense(hx[1], "c_0")
        for name, state in (("h_0", hx[0]), ("c_0", hx[1])):
            if state.shape != (num_layers * directions, n, hidden):
                raise ValueError(f"lstm: expected {name} of shape {(num_layers * directions, n, hidden)}, "
                                 f"got {state.shape} (input {input.shape})")
    keep = recording() and (wants(input) or any([wants(w) for w in weights])
                            or (hx is not None and (wants(hx[0]) or wants(hx[1]))))
    shape[0], shape[1], shape[2] = num_layers * directions, n, hidden
    hn, cn = make(dtype, 3, shape), make(dtype, 3, shape)
    for k in range(num_layers):
        y = new_output(dtype, t, n, directions * hidden, batch_first)
        for d in range(directions):
            which = k * directions + d
            layer = Layer.__new__(Layer)
            layer.x = x
            layer.w_ih, layer.w_hh = arrays[which * per], arrays[which * per + 1]
            if has_biases:
                layer.b_ih, layer.b_hh = arrays[which * per + 2], arrays[which * per + 3]
            if h0 is not None:
                layer.h0, layer.c0 = (<object>h0)[which], (<object>c0)[which]
            layer.reverse, layer.lengths = d == 1, counts
            layer.y = part_of(y, d, hidden)
            forward(layer, (<object>hn)[which], (<object>cn)[which], keep)
            layers.append(layer)
        mask = None
        x = y
        if train and dropout > 0 and k < num_layers - 1:
            mask = dropout_mask(y, dropout)
            x = numpy.multiply(y, mask)
        masks.append(mask)
    outputs = [wrap(y.swapaxes(0, 1) if batch_first else y), wrap(hn), wrap(cn)]
    if keep:
        remember(outputs, input, hx, weights, arrays, layers, masks, directions, has_biases, batch_first)
    return tuple(outputs)


cdef ndarray new_output(int dtype, int64_t t, int64_t n, int64_t width, bint batch_first):
    """(T, N, width), in memory (N, T, width) if batch_first."""
    cdef int64_t shape[3]
    cdef ndarray out
    shape[0], shape[1], shape[2] = t, n, width
    if not batch_first:
        return make(dtype, 3, shape)
    shape[0], shape[1] = n, t
    out = make(dtype, 3, shape)
    return out.swapaxes(0, 1)


cdef int remember(list outputs, Tensor input, object hx, list weights, list arrays, list layers, list masks,
                  int directions, bint biases, bint batch_first) except -1:
    """Records the node of the three outputs."""
    cdef LstmNode node = LstmNode.__new__(LstmNode)
    cdef Tensor kept
    cdef Version version
    cdef int i
    node.layers, node.masks = layers, masks
    node.directions, node.biases, node.batch_first = directions, biases, batch_first
    node.edge0 = edge_of(input)
    if hx is not None:
        node.edge1, node.edge2 = edge_of(hx[0]), edge_of(hx[1])
    node.more = tuple([edge_of(w) for w in weights])
    # What backward reads must be as it was: the input, the weights, the states, and the output.
    node.versions = []
    for kept in [input, *[w for i, w in enumerate(weights) if not biases or i % 4 < 2], *(hx or ()),
                 outputs[0]]:
        version = version_of(kept)
        node.versions.append(version)
        node.seen.push_back(version.value)
    return record_parts(node, tuple(outputs))


cdef tuple single(Tensor input, object hx, list weights, bint has_biases, int num_layers, double dropout,
                  bint train, bint bidirectional):
    """One sequence (T, I) without a batch axis."""
    if hx is not None:
        if not isinstance(hx, (tuple, list)) or len(hx) != 2 or not all([isinstance(s, Tensor) for s in hx]):
            raise TypeError("lstm: expected hx to be a pair of Tensors (h_0, c_0)")
        if any([s.ndim != 2 for s in hx]):
            raise ValueError(f"lstm: expected h_0 and c_0 of 2 axes for input of 2 axes, got "
                             f"{[s.shape for s in hx]}")
        hx = [s.unsqueeze(1) for s in hx]
    y, h, c = lstm(input.unsqueeze(1), hx, weights, has_biases, num_layers, dropout, train, bidirectional,
                   False)
    return y.squeeze(1), h.squeeze(1), c.squeeze(1)
