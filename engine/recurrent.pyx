"""LSTM, GRU and Elman's network: layers on top of each other, in one or two directions; and backwards.

The steps are inside the kernels: one call runs a layer in one direction through the whole sequence. Here is
the loop over layers and directions, for all kinds. How the kernels of a kind are called is in its part:
recurrent_lstm.pxi, recurrent_gru.pxi, recurrent_rnn.pxi.

Nothing is copied for the direction that reads backwards, nor for batch_first: kernels take strides, and a
negative stride in time starts at the last step.
"""

import numpy

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from .arena cimport make
from .copying cimport in_c_order
from .kernels cimport (F32, F64, Array, Error, Gru, GruBackward, KernelApi, Ladder, Lstm, LstmBackward, Rnn,
                       RnnBackward, bytes_of, dtype_of, kernel_api, raise_error, read, run_kernel)
from .tape cimport (Node, Run, Tensor, Version, Whole, dropout_mask, edge_of, record_parts, recording,
                    settled, version_of, wants, wrap)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()

KINDS = {"LSTM": LSTM, "GRU": GRU, "GRU_BEFORE": GRU_BEFORE, "RNN_TANH": RNN_TANH, "RNN_RELU": RNN_RELU}
cdef const char* OPS[5]
OPS[:] = ["lstm", "gru", "gru", "rnn", "rnn"]
cdef int[5] GATES = [4, 3, 3, 1, 1]  # blocks of H rows of the weights
cdef tuple NODES = ("LstmBackward", "GruBackward", "GruBackward", "RnnBackward", "RnnBackward")

# ---- one layer in one direction ----

cdef struct Gradients:
    Array y, hn, cn  # what has come: (T, N, H) in the order of the steps, (N, H)
    Array x, w_ih, w_hh, b_ih, b_hh, h0, c0  # to be written; without data what is not wanted


cdef const Array* given(const Array& a) noexcept:
    """An operand that there need not be, as the kernels' checks want it: null without data."""
    if a.data == NULL:
        return NULL
    return &a


@cython.no_gc
cdef class Layer:
    """What one layer in one direction was given and has kept, as its kernels see it.

    x and y are in the order of the steps that it takes. What it was not given has no data.
    """

    cdef Array x                       # (T, N, I)
    cdef Array w_ih, w_hh, b_ih, b_hh  # dense
    cdef Array h0, c0                  # (N, H)
    cdef Array lengths                 # (N,)
    cdef Array y                       # (T, N, H), this direction's part of the layer's output
    cdef Array gates, cells            # (T, N, 4H) and (T, N, H), if the kind has such and keeps them
    cdef bint reverse
    cdef list held                     # the arrays that all this points into

    cdef int make_kept(self, int64_t columns, Array& out) except -1:
        """Memory for what a forward pass keeps: (T, N, columns)."""
        cdef int64_t[3] shape = [self.x.shape[0], self.x.shape[1], columns]
        cdef ndarray a = make(self.x.dtype, 3, shape)
        self.held.append(a)
        read("recurrent", "what is kept", a, out)
        return 0

    cdef int forward(self, void* hn, void* cn, bint keep) except -1:
        """Runs the layer: writes y and the last states (N, H). keep: what backward needs as well."""
        raise NotImplementedError

    cdef bint one_bias(self) noexcept:
        """Do both biases have one gradient, which backward writes to g.b_ih?"""
        return True

    cdef int backward(self, Gradients& g) except -1:
        raise NotImplementedError


include "recurrent_lstm.pxi"
include "recurrent_gru.pxi"
include "recurrent_rnn.pxi"


cdef Layer new_layer(int kind):
    cdef GruLayer gru
    cdef RnnLayer rnn
    if kind == LSTM:
        return LstmLayer.__new__(LstmLayer)
    if kind == GRU or kind == GRU_BEFORE:
        gru = GruLayer.__new__(GruLayer)
        gru.before = kind == GRU_BEFORE
        return gru
    rnn = RnnLayer.__new__(RnnLayer)
    rnn.relu = kind == RNN_RELU
    return rnn


# ---- parts of arrays ----

cdef Array in_time_order(const Array& a, bint reverse) noexcept:
    """(T, ...) seen from the last step to the first if `reverse`."""
    cdef Array turned = a
    if reverse and a.shape[0] > 0:
        turned.data = <char*>a.data + (a.shape[0] - 1) * a.stride[0] * bytes_of(a.dtype)
        turned.stride[0] = -a.stride[0]
    return turned


cdef Array direction_of(const Array& a, int d, int64_t hidden) noexcept:
    """The features of direction d in (T, N, D * H), in the order of its steps; nothing of nothing."""
    cdef Array part = a
    if a.data == NULL:
        return part
    part.data = <char*>a.data + d * hidden * bytes_of(a.dtype)
    part.shape[2] = hidden
    return in_time_order(part, d == 1)


cdef Array state_of(const Array& a, int which) noexcept:
    """(N, H) of one layer and direction in (L * D, N, H), which is dense; nothing of nothing."""
    cdef Array part = a
    if a.data == NULL:
        return part
    part.data = <char*>a.data + which * a.shape[1] * a.shape[2] * bytes_of(a.dtype)
    part.rank = 2
    part.shape[0], part.shape[1] = a.shape[1], a.shape[2]
    part.stride[0], part.stride[1] = a.shape[2], 1
    return part


cdef ndarray dense(ndarray a):
    return a if cnp.PyArray_ISCARRAY_RO(a) else in_c_order(a)


cdef ndarray features_dense(ndarray a):
    """`a` (3 axes), copied if its last axis is not side by side in memory: the kernels want it so."""
    if not cnp.PyArray_ISALIGNED(a):
        return a.copy()
    if cnp.PyArray_DIMS(a)[2] == 1 or cnp.PyArray_STRIDES(a)[2] == cnp.PyArray_ITEMSIZE(a):
        return a
    return in_c_order(a)


cdef int check_tensor(str op, str name, object t) except -1:
    if not isinstance(t, Tensor):
        raise TypeError(f"{op}: expected {name} to be a Tensor, got {type(t).__name__}")
    return 0


# ---- all layers ----

@cython.final
@cython.no_gc
cdef class Stack:
    """What one call was asked for, and its layers."""

    cdef int kind, depth, directions, dtype
    cdef bint biases, batch_first
    cdef bint keeps             # will there be a backward pass?
    cdef double dropout
    cdef int64_t t, n, hidden
    cdef Array h0, c0, lengths  # (depth * directions, N, H), (N,)
    cdef list layers            # Layer; of each layer its directions, layer 0 first
    cdef list masks             # by layer: what its output was multiplied with before the next layer, or None
    cdef list held              # the arrays that all this points into; the weights come first

    cdef str op(self):
        return OPS[self.kind].decode()

    cdef int per(self) noexcept:
        """Weights and biases of one layer in one direction."""
        return 4 if self.biases else 2

    cdef ndarray outside(self, ndarray a):
        """(T, N, ...) as the caller has it, and back."""
        return cnp.PyArray_SwapAxes(a, 0, 1) if self.batch_first else a

    cdef ndarray new_sequence(self, int64_t width):
        """(T, N, width), in memory (N, T, width) if batch_first."""
        cdef int64_t[3] shape = [self.t, self.n, width]
        if self.batch_first:
            shape[0], shape[1] = self.n, self.t
        return self.outside(make(self.dtype, 3, shape))

    cdef ndarray new_states(self):
        cdef int64_t[3] shape = [self.depth * self.directions, self.n, self.hidden]
        return make(self.dtype, 3, shape)

    # -- what it is given --

    cdef ndarray take_input(self, Tensor input):
        """(T, N, I) for the kernels."""
        cdef ndarray x = settled(input)
        if cnp.PyArray_NDIM(x) != 3:
            raise ValueError(f"{self.op()}: expected input of 3 axes "
                             f"{'(N, T, I)' if self.batch_first else '(T, N, I)'} or 2 axes (T, I), got "
                             f"{input.shape}")
        self.dtype = dtype_of(x)
        if self.dtype != F32 and self.dtype != F64:
            raise TypeError(f"{self.op()}: expected input of dtype float32 or float64, got {input.dtype}")
        x = features_dense(self.outside(x))
        self.t, self.n = cnp.PyArray_DIMS(x)[0], cnp.PyArray_DIMS(x)[1]
        return x

    cdef int take_weights(self, list weights) except -1:
        cdef int expected = self.depth * self.directions * self.per(), i
        if len(weights) != expected:
            raise ValueError(f"{self.op()}: expected {self.depth} layers * {self.directions} directions * "
                             f"{self.per()} = {expected} weights and biases, got {len(weights)}")
        self.held = []
        for i in range(expected):
            if not isinstance(weights[i], Tensor):
                check_tensor(self.op(), f"params[{i}]", weights[i])
            self.held.append(dense(settled(<Tensor>weights[i])))
        if cnp.PyArray_NDIM(<ndarray>self.held[1]) != 2:
            rows = f"{GATES[self.kind]} * hidden_size" if GATES[self.kind] > 1 else "hidden_size"
            raise ValueError(f"{self.op()}: expected weight_hh of shape ({rows}, hidden_size), got "
                             f"{weights[1].shape}")
        self.hidden = cnp.PyArray_DIMS(<ndarray>self.held[1])[1]
        return 0

    cdef int take_state(self, str name, object state, Tensor input, Array& out) except -1:
        cdef ndarray a
        check_tensor(self.op(), name, state)
        a = dense(settled(<Tensor>state))
        if (cnp.PyArray_NDIM(a) != 3 or cnp.PyArray_DIMS(a)[0] != self.depth * self.directions
                or cnp.PyArray_DIMS(a)[1] != self.n or cnp.PyArray_DIMS(a)[2] != self.hidden):
            raise ValueError(f"{self.op()}: expected {name} of shape "
                             f"{(self.depth * self.directions, self.n, self.hidden)}, got {state.shape} "
                             f"(input {input.shape})")
        self.held.append(read(OPS[self.kind], "the first states", a, out))
        return 0

    cdef int take_lengths(self, object lengths) except -1:
        cdef ndarray counts = numpy.array(lengths)  # our own: the backward pass reads it as well
        self.held.append(read(OPS[self.kind], "lengths", counts, self.lengths))
        return 0

    # -- the loop --

    cdef ndarray forward(self, ndarray x, const Array& hn, const Array& cn):
        """Runs all layers: the last one's output (T, N, D * H); writes the last states, as h0 and c0."""
        cdef ndarray y = None, mask
        cdef int k
        self.layers, self.masks = [], []
        for k in range(self.depth):
            y = self.run_layer(k, x, hn, cn)
            x, mask = y, None
            if self.dropout > 0 and k < self.depth - 1:
                mask = dropout_mask(y, self.dropout)
                x = numpy.multiply(y, mask)
            self.masks.append(mask)
        return y

    cdef ndarray run_layer(self, int k, ndarray x, const Array& hn, const Array& cn):
        """All directions of layer k: their outputs side by side, (T, N, D * H)."""
        cdef ndarray y = self.new_sequence(self.directions * self.hidden)
        cdef Array input, output
        cdef Layer layer
        cdef int d, which
        read(OPS[self.kind], "input", x, input)
        read(OPS[self.kind], "output", y, output)
        for d in range(self.directions):
            which = k * self.directions + d
            layer = new_layer(self.kind)
            layer.reverse, layer.held = d == 1, self.held
            layer.x = in_time_order(input, layer.reverse)
            layer.y = direction_of(output, d, self.hidden)
            layer.h0, layer.c0 = state_of(self.h0, which), state_of(self.c0, which)
            layer.lengths = self.lengths
            self.give_weights(layer, which)
            layer.forward(state_of(hn, which).data, state_of(cn, which).data, self.keeps)
            if self.keeps:
                self.layers.append(layer)
        if self.keeps:
            self.held += [x, y]
        return y

    cdef int give_weights(self, Layer layer, int which) except -1:
        cdef int at = which * self.per()
        read(OPS[self.kind], "weight_ih", self.held[at], layer.w_ih)
        read(OPS[self.kind], "weight_hh", self.held[at + 1], layer.w_hh)
        if self.biases:
            read(OPS[self.kind], "bias_ih", self.held[at + 2], layer.b_ih)
            read(OPS[self.kind], "bias_hh", self.held[at + 3], layer.b_hh)
        return 0


@cython.final
@cython.no_gc
cdef class RecurrentNode(Whole):
    """A Stack on the tape. edge0 is the input's, edge1 and edge2 the first states', `more` the weights'."""

    cdef Stack stack  # None: freed
    cdef int kind
    cdef list versions
    cdef vector[int64_t] seen

    cdef int check(self) except -1:
        cdef Version version
        cdef size_t i
        if self.stack is None:
            self.released = True
        Node.check(self)
        for i in range(self.seen.size()):
            version = self.versions[i]
            if version.value != self.seen[i]:
                raise RuntimeError("one of the variables needed for gradient computation has been modified "
                                   f"by an inplace operation (kept by {self.name()})")
        return 0

    cdef int release(self) except -1:
        self.stack = None
        return 0

    cdef bint wanted_below(self, int k) except -1:
        """Does anything before layer k want a gradient?"""
        cdef int i
        if self.edge0 is not None or (k > 0 and (self.edge1 is not None or self.edge2 is not None)):
            return True
        for i in range(k * self.stack.directions * self.stack.per()):
            if self.more[i] is not None:
                return True
        return False

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Stack stack = self.stack
        cdef Gradients states  # those alone, of all layers and directions
        cdef list arrived = self.take()
        cdef ndarray dy = arrived[0], dx = None, dh0 = None, dc0 = None
        cdef int k
        if dy is not None:
            dy = features_dense(stack.outside(dy))
        arrived[1] = read_arrived(arrived[1], states.hn)
        if stack.kind == LSTM:
            arrived[2] = read_arrived(arrived[2], states.cn)
        if self.edge1 is not None or self.edge2 is not None:
            dh0 = read("recurrent", "a gradient", stack.new_states(), states.h0)
            if stack.kind == LSTM:
                dc0 = read("recurrent", "a gradient", stack.new_states(), states.c0)
        for k in range(stack.depth - 1, -1, -1):
            dx = self.replay_layer(k, dy, states, run)
            if dx is None:
                break
            dy = dx
            if k > 0 and stack.masks[k - 1] is not None:
                numpy.multiply(dx, stack.masks[k - 1], out=dx)
        dy = None  # see replay_direction
        if dx is not None:
            dx = stack.outside(dx)
            run.send(self.edge0, dx)
        run.send(self.edge1, dh0)
        run.send(self.edge2, dc0)
        return 0

    cdef ndarray replay_layer(self, int k, ndarray dy, const Gradients& states, Run run):
        """Layer k: the gradient of its input (T, N, I), or None if nobody wants it."""
        cdef Stack stack = self.stack
        cdef bint wanted = self.wanted_below(k)
        cdef ndarray dx = None, part = None
        cdef Layer layer
        cdef Array output, input
        cdef Gradients g
        cdef int d, which
        if dy is not None:
            read("recurrent", "a gradient", dy, output)
        for d in range(stack.directions):
            which = k * stack.directions + d
            layer = stack.layers[which]
            if wanted:
                part = read("recurrent", "a gradient", stack.new_sequence(layer.x.shape[2]), input)
            g.y, g.x = direction_of(output, d, stack.hidden), in_time_order(input, layer.reverse)
            g.hn, g.cn = state_of(states.hn, which), state_of(states.cn, which)
            g.h0, g.c0 = state_of(states.h0, which), state_of(states.c0, which)
            self.replay_direction(layer, which, g, run)
            dx = part if dx is None else numpy.add(dx, part, out=dx)
        return dx

    cdef int replay_direction(self, Layer layer, int which, Gradients& g, Run run) except -1:
        """One layer in one direction; g lacks what belongs to its weights."""
        cdef int at = which * self.stack.per()
        cdef bint one_bias = layer.one_bias()
        cdef object ih = self.more[at], hh = self.more[at + 1], b_ih = None, b_hh = None
        cdef ndarray d_ih, d_hh, db_ih, db_hh = None
        if self.stack.biases:
            b_ih, b_hh = self.more[at + 2], self.more[at + 3]
        d_ih, d_hh = new_gradient(ih, layer.w_ih, g.w_ih), new_gradient(hh, layer.w_hh, g.w_hh)
        db_ih = new_gradient(b_hh if one_bias and b_ih is None else b_ih, layer.b_ih, g.b_ih)
        if not one_bias:
            db_hh = new_gradient(b_hh, layer.b_hh, g.b_hh)
        if (g.x.data == NULL and g.h0.data == NULL and d_ih is None and d_hh is None and db_ih is None
                and db_hh is None):
            return 0
        layer.backward(g)
        run.send(ih, d_ih)  # a leaf takes over what nobody else holds, and copies other gradients
        run.send(hh, d_hh)
        run.send(b_ih, db_ih)
        if one_bias:
            run.send(b_hh, db_ih)
        else:
            run.send(b_hh, db_hh)
        return 0

    def name(self):
        return NODES[self.kind]


cdef ndarray read_arrived(ndarray a, Array& out):
    """The gradient of the last states, dense; None if none has come."""
    return None if a is None else read("recurrent", "a gradient", dense(a), out)


cdef ndarray new_gradient(object edge, const Array& like, Array& out):
    """An array for the gradient of `like`; None, and no data, if there is no edge to send it along."""
    out.data = NULL
    if edge is None:
        return None
    return read("recurrent", "a gradient", make(like.dtype, like.rank, like.shape), out)


cdef int remember(Stack stack, list outputs, Tensor input, tuple states, list weights) except -1:
    """Records the node of the outputs."""
    cdef RecurrentNode node = RecurrentNode.__new__(RecurrentNode)
    cdef Tensor kept
    cdef Version version
    cdef int i
    node.stack, node.kind = stack, stack.kind
    node.edge0 = edge_of(input)
    if len(states) > 0:
        node.edge1 = edge_of(states[0])
    if len(states) > 1:
        node.edge2 = edge_of(states[1])
    node.more = tuple([edge_of(w) for w in weights])
    # What backward reads must be as it was: the input, the weights, the first states, and the output.
    node.versions = []
    for kept in [input, *[w for i, w in enumerate(weights) if i % stack.per() < 2], *states, outputs[0]]:
        version = version_of(kept)
        node.versions.append(version)
        node.seen.push_back(version.value)
    return record_parts(node, tuple(outputs))


# ---- the functions ----

cdef Stack new_stack(int kind, bint biases, int num_layers, double dropout, bint train, bint bidirectional,
                     bint batch_first):
    cdef Stack stack = Stack.__new__(Stack)
    stack.kind, stack.biases, stack.depth = kind, biases, num_layers
    stack.directions, stack.batch_first = 2 if bidirectional else 1, batch_first
    stack.dropout = dropout if train else 0
    if num_layers < 1:
        raise ValueError(f"{stack.op()}: expected num_layers of at least 1, got {num_layers}")
    if not 0 <= dropout <= 1:
        raise ValueError(f"{stack.op()}: expected a dropout probability in [0, 1], got {dropout}")
    return stack


cdef list run_stack(Stack stack, Tensor input, tuple states, list weights, lengths):
    """The output, and as many last states as a kind has. states: the first ones, or none: zeros."""
    cdef ndarray x, y, h_n, c_n = None
    cdef Array hn, cn
    cdef list outputs
    cdef Tensor t
    if cnp.PyArray_NDIM(settled(input)) == 2:
        return run_alone(stack, input, states, weights, lengths)
    x = stack.take_input(input)
    stack.take_weights(weights)
    if lengths is not None:
        stack.take_lengths(lengths)
    if len(states) > 0:
        stack.take_state("h_0", states[0], input, stack.h0)
    if len(states) > 1:
        stack.take_state("c_0", states[1], input, stack.c0)
    if recording():
        for t in [input, *states, *weights]:
            stack.keeps = stack.keeps or wants(t)
    h_n = read("recurrent", "h_n", stack.new_states(), hn)
    if stack.kind == LSTM:
        c_n = read("recurrent", "c_n", stack.new_states(), cn)
    y = stack.forward(x, hn, cn)
    outputs = [wrap(stack.outside(y)), wrap(h_n)]
    if c_n is not None:
        outputs.append(wrap(c_n))
    if stack.keeps:
        remember(stack, outputs, input, states, weights)
    return outputs


cdef list run_alone(Stack stack, Tensor input, tuple states, list weights, lengths):
    """One sequence (T, I), with states (L * D, H): as a batch of one."""
    for name, state in zip(("h_0", "c_0"), states):
        check_tensor(stack.op(), name, state)
        if state.ndim != 2:
            raise ValueError(f"{stack.op()}: expected {name} of 2 axes for input of 2 axes, got "
                             f"{state.shape}")
    stack.batch_first = False
    batch = tuple([state.unsqueeze(1) for state in states])
    return [out.squeeze(1) for out in run_stack(stack, input.unsqueeze(1), batch, weights, lengths)]


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
    cdef Stack stack = new_stack(LSTM, has_biases, num_layers, dropout, train, bidirectional, batch_first)
    if hx is not None and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
        raise TypeError(f"lstm: expected hx to be a pair (h_0, c_0), got {type(hx).__name__}")
    return tuple(run_stack(stack, input, () if hx is None else tuple(hx), list(params), lengths))


def recurrent(str kind not None, Tensor input not None, Tensor h_0, params, bint has_biases=True,
              int num_layers=1, double dropout=0.0, bint train=False, bint bidirectional=False,
              bint batch_first=False, lengths=None):
    """Layers of Elman's network or GRUs over a sequence, as torch._VF.rnn_tanh, rnn_relu and gru.

    Args:
        kind: "RNN_TANH", "RNN_RELU", "GRU", or "GRU_BEFORE" (the reset gate before the product).
        input: (T, N, I), (N, T, I) if batch_first, or (T, I) for a single sequence; float32 or float64.
        h_0: (num_layers * D, N, H), D = 2 if bidirectional, else 1; without N for a single sequence. None:
            zeros.
        params: by layer, by direction: weight_ih (G * H, I or D * H), weight_hh (G * H, H), and, if
            has_biases, bias_ih, bias_hh (G * H), with G = 3 for a GRU, else 1.
        dropout: on the output of every layer but the last, if train.
        lengths: (N,) int64 array: the valid steps of each sequence, 0 to T. None: all have T.
    Returns:
        output (T, N, D * H) or as the input lies, 0 beyond the lengths; h_n (num_layers * D, N, H), the state
        after each sequence's last valid step.
    """
    cdef int number = KINDS.get(kind, LSTM)
    cdef Stack stack
    if number == LSTM:
        one_state = [name for name in KINDS if name != "LSTM"]
        raise ValueError(f"recurrent: expected a kind of {', '.join(one_state)}, got {kind!r}")
    stack = new_stack(number, has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return tuple(run_stack(stack, input, () if h_0 is None else (h_0,), list(params), lengths))
