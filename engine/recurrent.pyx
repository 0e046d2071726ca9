"""Loops over layers and directions of recurrent layers with one state: Elman's network and the GRU.

The steps are inside the kernels (csrc/ops/rnn, csrc/ops/gru), as in engine/sequence.pyx for the LSTM.
"""

import numpy

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from .arena cimport make
from .copying cimport in_c_order
from .kernels cimport (F32, F64, Array, Error, Gru, GruBackward, KernelApi, Ladder, Rnn, RnnBackward,
                       kernel_api, raise_error, read, run_kernel)
from .sequence cimport features_dense, in_time_order, new_like, new_output, part_of
from .tape cimport (Node, Run, Tensor, Version, Whole, dropout_mask, edge_of, record_parts, recording,
                    settled, version_of, wants, wrap)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* rnn_ladder[2]
cdef const Ladder* rnn_backward_ladder[2]
cdef const Ladder* gru_ladder[2]
cdef const Ladder* gru_backward_ladder[2]

cdef enum Kind:
    RNN_TANH, RNN_RELU, GRU, GRU_BEFORE

KINDS = {"RNN_TANH": RNN_TANH, "RNN_RELU": RNN_RELU, "GRU": GRU, "GRU_BEFORE": GRU_BEFORE}


cdef class Layer:
    """What one layer in one direction was given and has kept for its backward pass."""

    cdef int kind
    cdef ndarray x, w_ih, w_hh, b_ih, b_hh  # x is (T, N, I); the others contiguous; biases may be None
    cdef ndarray h0                         # (N, H), or None: zeros
    cdef ndarray lengths                    # (N,) int64, or None
    cdef ndarray y                          # (T, N, H), this direction's part of the layer's output
    cdef ndarray gates                      # (T, N, 4H) of a GRU, in the order of the steps taken
    cdef bint reverse


cdef Array* optional(const char* op, const char* name, ndarray a, Array& out) except? NULL:
    if a is None:
        return NULL
    read(op, name, a, out)
    return &out


cdef int forward(Layer layer, ndarray hn, bint keep) except -1:
    """Runs one layer in one direction; writes layer.y and hn (N, H)."""
    if layer.kind == GRU or layer.kind == GRU_BEFORE:
        return forward_gru(layer, hn, keep)
    cdef Rnn a
    cdef Array x, w_ih, w_hh, b_ih, b_hh, h0, lengths, y
    cdef Error e
    cdef Array* pb_ih = optional("rnn", "bias_ih", layer.b_ih, b_ih)
    cdef Array* pb_hh = optional("rnn", "bias_hh", layer.b_hh, b_hh)
    cdef Array* ph0 = optional("rnn", "h_0", layer.h0, h0)
    cdef Array* plengths = optional("rnn", "lengths", layer.lengths, lengths)
    read("rnn", "input", in_time_order(layer.x, layer.reverse), x)
    read("rnn", "weight_ih", layer.w_ih, w_ih)
    read("rnn", "weight_hh", layer.w_hh, w_hh)
    if not api.rnn_check(a, x, w_ih, w_hh, pb_ih, pb_hh, ph0, plengths, layer.kind == RNN_RELU, layer.reverse,
                         e):
        raise_error(e)
    read("rnn", "output", in_time_order(layer.y, layer.reverse), y)
    a.y, a.y_t, a.y_n = y.data, y.stride[0], y.stride[1]
    a.hn = cnp.PyArray_DATA(hn)
    return run_kernel(api, "rnn", rnn_ladder, x.dtype, &a)


cdef int forward_gru(Layer layer, ndarray hn, bint keep) except -1:
    cdef Gru a
    cdef Array x, w_ih, w_hh, b_ih, b_hh, h0, lengths, y
    cdef Error e
    cdef int64_t shape[3]
    cdef Array* pb_ih = optional("gru", "bias_ih", layer.b_ih, b_ih)
    cdef Array* pb_hh = optional("gru", "bias_hh", layer.b_hh, b_hh)
    cdef Array* ph0 = optional("gru", "h_0", layer.h0, h0)
    cdef Array* plengths = optional("gru", "lengths", layer.lengths, lengths)
    read("gru", "input", in_time_order(layer.x, layer.reverse), x)
    read("gru", "weight_ih", layer.w_ih, w_ih)
    read("gru", "weight_hh", layer.w_hh, w_hh)
    if not api.gru_check(a, x, w_ih, w_hh, pb_ih, pb_hh, ph0, plengths, layer.kind == GRU_BEFORE,
                         layer.reverse, e):
        raise_error(e)
    read("gru", "output", in_time_order(layer.y, layer.reverse), y)
    a.y, a.y_t, a.y_n = y.data, y.stride[0], y.stride[1]
    a.hn = cnp.PyArray_DATA(hn)
    if keep:
        shape[0], shape[1], shape[2] = a.t, a.n, 4 * a.h
        layer.gates = make(x.dtype, 3, shape)
        a.gates, a.gates_t = cnp.PyArray_DATA(layer.gates), 4 * a.n * a.h
    return run_kernel(api, "gru", gru_ladder, x.dtype, &a)


cdef inline void* data_of(ndarray a) noexcept:
    return NULL if a is None else cnp.PyArray_DATA(a)


cdef int backward(Layer layer, ndarray dy, ndarray dhn, ndarray dx, ndarray dw_ih, ndarray dw_hh,
                  ndarray db_ih, ndarray db_hh, ndarray dh0) except -1:
    """The gradients of one layer in one direction: dy (T, N, H), dhn (N, H) or None come in; the others are
    written, or None if they are not wanted. An Elman layer writes db_ih for both biases."""
    if layer.kind == GRU or layer.kind == GRU_BEFORE:
        return backward_gru(layer, dy, dhn, dx, dw_ih, dw_hh, db_ih, db_hh, dh0)
    cdef RnnBackward a
    cdef Array x, w_ih, w_hh, h0, lengths, y, ady, adhn, adx
    cdef Error e
    cdef Array* ph0 = optional("rnn", "h_0", layer.h0, h0)
    cdef Array* plengths = optional("rnn", "lengths", layer.lengths, lengths)
    cdef Array* pdhn = optional("rnn", "gradient of h_n", dhn, adhn)
    cdef Array* pdy = NULL
    if dy is not None:
        pdy = optional("rnn", "gradient of the output", in_time_order(dy, layer.reverse), ady)
    read("rnn", "input", in_time_order(layer.x, layer.reverse), x)
    read("rnn", "weight_ih", layer.w_ih, w_ih)
    read("rnn", "weight_hh", layer.w_hh, w_hh)
    read("rnn", "output", in_time_order(layer.y, layer.reverse), y)
    if not api.rnn_backward_check(a, x, w_ih, w_hh, ph0, plengths, y, pdy, pdhn, layer.kind == RNN_RELU,
                                  layer.reverse, e):
        raise_error(e)
    if dx is not None:
        read("rnn", "gradient of the input", in_time_order(dx, layer.reverse), adx)
        a.dx, a.dx_t, a.dx_n = adx.data, adx.stride[0], adx.stride[1]
    a.dw_ih, a.dw_hh, a.db, a.dh0 = data_of(dw_ih), data_of(dw_hh), data_of(db_ih), data_of(dh0)
    return run_kernel(api, "rnn_backward", rnn_backward_ladder, x.dtype, &a)


cdef int backward_gru(Layer layer, ndarray dy, ndarray dhn, ndarray dx, ndarray dw_ih, ndarray dw_hh,
                      ndarray db_ih, ndarray db_hh, ndarray dh0) except -1:
    cdef GruBackward a
    cdef Array x, w_ih, w_hh, h0, lengths, y, gates, ady, adhn, adx
    cdef Error e
    cdef Array* ph0 = optional("gru", "h_0", layer.h0, h0)
    cdef Array* plengths = optional("gru", "lengths", layer.lengths, lengths)
    cdef Array* pdhn = optional("gru", "gradient of h_n", dhn, adhn)
    cdef Array* pdy = NULL
    if dy is not None:
        pdy = optional("gru", "gradient of the output", in_time_order(dy, layer.reverse), ady)
    read("gru", "input", in_time_order(layer.x, layer.reverse), x)
    read("gru", "weight_ih", layer.w_ih, w_ih)
    read("gru", "weight_hh", layer.w_hh, w_hh)
    read("gru", "output", in_time_order(layer.y, layer.reverse), y)
    read("gru", "gates", layer.gates, gates)
    if not api.gru_backward_check(a, x, w_ih, w_hh, ph0, plengths, y, gates, pdy, pdhn,
                                  layer.kind == GRU_BEFORE, layer.reverse, e):
        raise_error(e)
    if dx is not None:
        read("gru", "gradient of the input", in_time_order(dx, layer.reverse), adx)
        a.dx, a.dx_t, a.dx_n = adx.data, adx.stride[0], adx.stride[1]
    a.dw_ih, a.dw_hh, a.dh0 = data_of(dw_ih), data_of(dw_hh), data_of(dh0)
    a.db_ih, a.db_hh = data_of(db_ih), data_of(db_hh)
    return run_kernel(api, "gru_backward", gru_backward_ladder, x.dtype, &a)


cdef str name_of(int kind):
    return "GruBackward" if kind == GRU or kind == GRU_BEFORE else "RnnBackward"


@cython.final
@cython.no_gc
cdef class RecurrentNode(Whole):
    """All layers and directions. edge0 is the input's, edge1 h_0's, `more` are the weights'."""

    cdef list layers  # Layer, directions of layer 0 first
    cdef list masks   # by layer: what its output was multiplied with before the next layer, or None
    cdef int directions, kind
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
                                   f"by an inplace operation (kept by {name_of(self.kind)})")
        return 0

    cdef int release(self) except -1:
        self.layers = self.masks = None
        return 0

    cdef bint wanted_below(self, int layer) except -1:
        """Does anything before this layer want a gradient?"""
        cdef int step = (4 if self.biases else 2) * self.directions, i
        if self.edge0 is not None or self.edge1 is not None:
            return True
        for i in range(layer * step):
            if self.more[i] is not None:
                return True
        return False

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray dy, dhn, dx, dx2, dh0 = None
        cdef Layer layer
        cdef int d, k, which, count = len(self.layers) // self.directions
        cdef int64_t hidden
        cdef int64_t shape[3]
        cdef int dtype
        dy, dhn = self.take()
        layer = self.layers[0]
        hidden = cnp.PyArray_DIMS(layer.w_hh)[1]
        dtype = F32 if cnp.PyArray_TYPE(layer.x) == cnp.NPY_FLOAT else F64
        if dy is not None:
            dy = features_dense(dy.swapaxes(0, 1) if self.batch_first else dy)
        dhn = None if dhn is None else numpy.ascontiguousarray(dhn)
        if self.edge1 is not None:
            shape[0], shape[1], shape[2] = len(self.layers), cnp.PyArray_DIMS(layer.x)[1], hidden
            dh0 = make(dtype, 3, shape)
        for k in range(count - 1, -1, -1):
            dx = None
            for d in range(self.directions):
                which = k * self.directions + d
                layer = self.layers[which]
                dx2 = self.new_input_gradient(layer, dtype) if k > 0 or self.edge0 is not None else None
                if not self.replay_layer(which, part_of(dy, d, hidden), None if dhn is None else dhn[which],
                                         dx2, None if dh0 is None else dh0[which], dtype, run):
                    continue
                dx = dx2 if dx is None else numpy.add(dx, dx2, out=dx)
            if k > 0:
                if not self.wanted_below(k):
                    return 0
                dy = dx if self.masks[k - 1] is None else numpy.multiply(dx, self.masks[k - 1], out=dx)
        if dx is not None and self.edge0 is not None:
            run.send(self.edge0, dx.swapaxes(0, 1) if self.batch_first else dx)
        if dh0 is not None:
            run.send(self.edge1, dh0)
        return 0

    cdef bint replay_layer(self, int which, ndarray dy, ndarray dhn, ndarray dx, ndarray dh0, int dtype,
                           Run run) except -1:
        """One layer in one direction; False if nobody wants anything of it."""
        cdef Layer layer = self.layers[which]
        cdef int per = 4 if self.biases else 2
        cdef ndarray d_ih = None, d_hh = None, db_ih = None, db_hh = None
        cdef tuple edges = self.more[which * per:(which + 1) * per]
        cdef bint two = layer.kind == GRU or layer.kind == GRU_BEFORE  # biases have gradients of their own
        if dx is None and dh0 is None and not any([e is not None for e in edges]):
            return False
        if edges[0] is not None:
            d_ih = new_like(layer.w_ih, dtype)
        if edges[1] is not None:
            d_hh = new_like(layer.w_hh, dtype)
        if self.biases:
            if edges[2] is not None or (edges[3] is not None and not two):
                db_ih = new_like(layer.b_ih, dtype)
            if edges[3] is not None and two:
                db_hh = new_like(layer.b_hh, dtype)
        backward(layer, dy, dhn, dx, d_ih, d_hh, db_ih, db_hh, dh0)
        if d_ih is not None:
            run.send(edges[0], d_ih)
        if d_hh is not None:
            run.send(edges[1], d_hh)
        if db_ih is not None:
            run.send(edges[2], db_ih)
        if self.biases and edges[3] is not None:
            run.send(edges[3], db_hh if two else db_ih)
        return True

    cdef ndarray new_input_gradient(self, Layer layer, int dtype):
        """(T, N, I), in memory (N, T, I) if the input is so."""
        return new_output(dtype, cnp.PyArray_DIMS(layer.x)[0], cnp.PyArray_DIMS(layer.x)[1],
                          cnp.PyArray_DIMS(layer.x)[2], self.batch_first)

    def name(self):
        return name_of(self.kind)


cdef ndarray dense(object t, str op, str name):
    if not isinstance(t, Tensor):
        raise TypeError(f"{op}: expected {name} to be a Tensor, got {type(t).__name__}")
    cdef ndarray a = settled(<Tensor>t)
    return a if cnp.PyArray_ISCARRAY_RO(a) else in_c_order(a)


def recurrent(str kind not None, Tensor input not None, Tensor h_0, params, bint has_biases=True,
              int num_layers=1, double dropout=0.0, bint train=False, bint bidirectional=False,
              bint batch_first=False, lengths=None):
    """Layers of Elman's network or GRUs over a sequence, as torch._VF.rnn_tanh, rnn_relu and gru.

    Args:
        kind: "RNN_TANH", "RNN_RELU", "GRU", or "GRU_BEFORE" (the reset gate before the product).
        input: (T, N, I), or (N, T, I) if batch_first; float32 or float64.
        h_0: (num_layers * D, N, H), D = 2 if bidirectional, else 1. None: zeros.
        params: by layer, by direction: weight_ih (G * H, I or D * H), weight_hh (G * H, H), and, if
            has_biases, bias_ih, bias_hh (G * H), with G = 3 for a GRU, else 1.
        dropout: on the output of every layer but the last, if train.
        lengths: (N,) int64 array: the valid steps of each sequence, 0 to T. None: all have T.
    Returns:
        output (T, N, D * H) or as the input lies, 0 beyond the lengths; h_n (num_layers * D, N, H), the state
        after each sequence's last valid step.
    """
    cdef int directions = 2 if bidirectional else 1, per = 4 if has_biases else 2, k, d, which
    cdef ndarray x = settled(input), y, hn, h0 = None, mask, counts = None
    cdef list weights = list(params), layers = [], masks = [], arrays
    cdef int64_t shape[3]
    cdef int64_t t, n, hidden
    cdef bint keep
    cdef Array described
    cdef Layer layer
    cdef Tensor out, last
    if kind not in KINDS:
        raise ValueError(f"recurrent: expected a kind of {', '.join(KINDS)}, got {kind!r}")
    cdef str op = "gru" if kind.startswith("GRU") else "rnn"
    if num_layers < 1 or len(weights) != num_layers * directions * per:
        raise ValueError(f"{op}: expected {num_layers} layers * {directions} directions * {per} = "
                         f"{num_layers * directions * per} weights and biases, got {len(weights)}")
    if not 0 <= dropout <= 1:
        raise ValueError(f"{op}: expected a dropout probability in [0, 1], got {dropout}")
    if cnp.PyArray_NDIM(x) != 3:
        raise ValueError(f"{op}: expected input of 3 axes {'(N, T, I)' if batch_first else '(T, N, I)'}, got "
                         f"{input.shape}")
    read("recurrent", "input", x, described)
    if described.dtype != F32 and described.dtype != F64:
        raise TypeError(f"{op}: expected input of dtype float32 or float64, got {input.dtype}")
    arrays = [dense(w, op, f"params[{i}]") for i, w in enumerate(weights)]
    if cnp.PyArray_NDIM(arrays[1]) != 2:
        raise ValueError(f"{op}: expected weight_hh of 2 axes, got {weights[1].shape}")
    x = features_dense(x.swapaxes(0, 1) if batch_first else x)
    t, n, hidden = cnp.PyArray_DIMS(x)[0], cnp.PyArray_DIMS(x)[1], cnp.PyArray_DIMS(<ndarray>arrays[1])[1]
    if lengths is not None:
        counts = numpy.array(lengths)  # our own: the backward pass reads it as well
    if h_0 is not None:
        h0 = dense(h_0, op, "h_0")
        if h_0.shape != (num_layers * directions, n, hidden):
            raise ValueError(f"{op}: expected h_0 of shape {(num_layers * directions, n, hidden)}, got "
                             f"{h_0.shape} (input {input.shape})")
    keep = recording() and (wants(input) or any([wants(w) for w in weights])
                            or (h_0 is not None and wants(h_0)))
    shape[0], shape[1], shape[2] = num_layers * directions, n, hidden
    hn = make(described.dtype, 3, shape)
    for k in range(num_layers):
        y = new_output(described.dtype, t, n, directions * hidden, batch_first)
        for d in range(directions):
            which = k * directions + d
            layer = Layer.__new__(Layer)
            layer.kind, layer.x, layer.lengths, layer.reverse = KINDS[kind], x, counts, d == 1
            layer.w_ih, layer.w_hh = arrays[which * per], arrays[which * per + 1]
            if has_biases:
                layer.b_ih, layer.b_hh = arrays[which * per + 2], arrays[which * per + 3]
            if h0 is not None:
                layer.h0 = (<object>h0)[which]
            layer.y = part_of(y, d, hidden)
            forward(layer, (<object>hn)[which], keep)
            layers.append(layer)
        mask = None
        x = y
        if train and dropout > 0 and k < num_layers - 1:
            mask = dropout_mask(y, dropout)
            x = numpy.multiply(y, mask)
        masks.append(mask)
    out, last = wrap(y.swapaxes(0, 1) if batch_first else y), wrap(hn)
    if keep:
        remember(out, last, input, h_0, weights, layers, masks, directions, has_biases, batch_first)
    return out, last


cdef int remember(Tensor out, Tensor last, Tensor input, Tensor h_0, list weights, list layers, list masks,
                  int directions, bint biases, bint batch_first) except -1:
    """Records the node of both outputs."""
    cdef RecurrentNode node = RecurrentNode.__new__(RecurrentNode)
    cdef Tensor kept
    cdef Version version
    cdef int i
    node.layers, node.masks, node.kind = layers, masks, (<Layer>layers[0]).kind
    node.directions, node.biases, node.batch_first = directions, biases, batch_first
    node.edge0 = edge_of(input)
    if h_0 is not None:
        node.edge1 = edge_of(h_0)
    node.more = tuple([edge_of(w) for w in weights])
    # What backward reads must be as it was: the input, the weights, the state, and the output.
    node.versions = []
    for kept in [input, *[w for i, w in enumerate(weights) if not biases or i % 4 < 2],
                 *([] if h_0 is None else [h_0]), out]:
        version = version_of(kept)
        node.versions.append(version)
        node.seen.push_back(version.value)
    return record_parts(node, (out, last))
