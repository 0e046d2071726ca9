"""One step at a time: recurrent layers whose weights are packed once and kept, for streams.

A step of a small layer is over in a microsecond, so nothing may come between Python and the kernel: the
arguments are prepared once, and a step fills in where its input and states lie. Results are new arrays from
the arena, so what a step has returned never changes under the caller's hands.
"""

import numpy

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from .arena cimport make
from .kernels cimport (Array, Error, Gru, KernelApi, Ladder, Lstm, Rnn, bytes_of, kernel_api, raise_error,
                       read)
from .recurrent cimport GRU_BEFORE, LSTM, RNN_RELU, RNN_TANH
from .tape cimport Tensor, Version, recording, settled, version_of, wants, wrap

from .recurrent import KINDS

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()

# Below this many bytes of weights a step is done before another thread could have taken the GIL.
cdef int64_t RELEASE_GIL = 1 << 20


cdef class Weights:
    """The weights of a stack of layers, and whether they are still what they were when they were packed.

    A weight has changed if its place in `parameters` holds another Tensor, the Tensor other memory, or its
    version counter another number. What is written into that memory behind the counter's back (by way of
    `.data` or `.detach().numpy()`) is not seen: `Tensor.bump_version` tells.
    """

    cdef dict parameters  # the module's own
    cdef list names
    cdef list tensors
    cdef vector[void*] places
    cdef list versions
    cdef vector[long long] seen

    cdef int remember(self) except -1:
        cdef Tensor t
        cdef Version version
        self.tensors, self.versions = [], []
        self.places.clear()
        self.seen.clear()
        for name in self.names:
            t = self.parameters[name]
            version = version_of(t)
            self.tensors.append(t)
            self.versions.append(version)
            self.places.push_back(cnp.PyArray_DATA(settled(t)))
            self.seen.push_back(version.value)
        return 0

    cdef bint changed(self):
        cdef Py_ssize_t i
        cdef Tensor t
        if self.tensors is None:
            return True
        for i in range(len(self.names)):
            t = <Tensor>self.tensors[i]
            if (self.parameters[self.names[i]] is not t or cnp.PyArray_DATA(settled(t)) != self.places[i]
                    or t.version is not self.versions[i] or t.version.value != self.seen[i]):
                return True
        return False

    def __reduce__(self):
        return type(None), ()  # a copied or pickled module packs its weights anew


@cython.final
cdef class Step(Weights):
    """Steps of a stack of recurrent layers in one direction.

    Args:
        kind: "LSTM", "GRU", "GRU_BEFORE", "RNN_TANH" or "RNN_RELU".
        parameters: the module's dict of Tensors by name. names: by layer weight_ih, weight_hh, and, if
            biases, bias_ih and bias_hh.
    """

    cdef vector[Lstm] lstm  # the arguments of each layer, in one of the three
    cdef vector[Gru] gru
    cdef vector[Rnn] rnn
    cdef vector[void*] packed
    cdef list kept  # arrays that the layers point to
    cdef bint biases
    cdef int kind
    cdef int64_t n, hidden, width, passes, bytes
    cdef int dtype, number
    cdef const Ladder* ladder

    def __init__(self, str kind, dict parameters not None, list names not None, bint biases):
        self.kind = KINDS[kind]
        self.parameters, self.names, self.biases = parameters, names, biases
        self.n = -1

    def __dealloc__(self):
        self.release()

    cdef int release(self) except -1:
        cdef void* block
        for block in self.packed:
            api.release(block)
        self.packed.clear()
        self.lstm.clear()
        self.gru.clear()
        self.rnn.clear()
        return 0

    cdef int prepare(self, int64_t n) except -1:
        """Arguments and packed weights for n sequences."""
        cdef int per = 4 if self.biases else 2, k
        cdef Array x, h
        cdef Array[4] w
        cdef Array* b_ih
        cdef Array* b_hh
        cdef Error e
        cdef ndarray weight
        cdef int64_t[3] shape
        self.n = -1
        self.release()
        self.remember()
        self.kept = []
        self.bytes = 0
        for k in range(len(self.names) // per):
            for j in range(per):
                weight = numpy.ascontiguousarray(settled(<Tensor>self.tensors[k * per + j]))
                self.kept.append(read("step", "weights", weight, w[j]))
            if k == 0:
                self.hidden, self.width = w[1].shape[1], w[0].shape[1]
                self.dtype, self.number = w[0].dtype, cnp.PyArray_TYPE(weight)
                self.ladder = api.ladder(b"lstm" if self.kind == LSTM else b"gru" if self.kind < RNN_TANH
                                         else b"rnn", self.dtype, &e)
                if self.ladder == NULL:
                    raise_error(e)
            shape[0], shape[1], shape[2] = 1, n, w[0].shape[1]
            read("step", "input", make(self.dtype, 3, shape), x)
            shape[0], shape[1] = n, self.hidden
            read("step", "h", make(self.dtype, 2, shape), h)
            b_ih, b_hh = &w[2] if self.biases else NULL, &w[3] if self.biases else NULL
            if self.kind == LSTM:
                self.add_lstm(x, w, b_ih, b_hh, h)
            elif self.kind < RNN_TANH:
                self.add_gru(x, w, b_ih, b_hh, h)
            else:
                self.add_rnn(x, w, b_ih, b_hh, h)
            self.bytes += (w[0].shape[0] * (w[0].shape[1] + w[1].shape[1])) * bytes_of(self.dtype)
        self.n = n
        return 0

    cdef void* pack(self, const void* args) except? NULL:
        cdef Error e
        cdef void* block
        if not api.pack(self.ladder, args, &block, &e):
            raise_error(e)
        self.packed.push_back(block)
        return block

    cdef int add_lstm(self, const Array& x, Array* w, Array* b_ih, Array* b_hh, const Array& h) except -1:
        cdef Lstm a
        cdef Error e
        if not api.lstm_check(a, x, w[0], w[1], b_ih, b_hh, &h, &h, NULL, False, e):
            raise_error(e)
        a.x_t, a.x_n, a.y_t, a.y_n = 0, a.i, 0, a.h
        a.workspace.packed = self.pack(&a)
        self.lstm.push_back(a)
        return 0

    cdef int add_gru(self, const Array& x, Array* w, Array* b_ih, Array* b_hh, const Array& h) except -1:
        cdef Gru a
        cdef Error e
        if not api.gru_check(a, x, w[0], w[1], b_ih, b_hh, &h, NULL, self.kind == GRU_BEFORE, False, e):
            raise_error(e)
        a.x_t, a.x_n, a.y_t, a.y_n = 0, a.i, 0, a.h
        a.workspace.packed = self.pack(&a)
        self.gru.push_back(a)
        return 0

    cdef int add_rnn(self, const Array& x, Array* w, Array* b_ih, Array* b_hh, const Array& h) except -1:
        cdef Rnn a
        cdef Error e
        if not api.rnn_check(a, x, w[0], w[1], b_ih, b_hh, &h, NULL, self.kind == RNN_RELU, False, e):
            raise_error(e)
        a.x_t, a.x_n, a.y_t, a.y_n = 0, a.i, 0, a.h
        a.workspace.packed = self.pack(&a)
        self.rnn.push_back(a)
        return 0

    cdef bint run_layer(self, int k, char* x, char* h0, char* c0, char* y, char* hn, char* cn,
                        Error* e) noexcept nogil:
        """Layer k by its kernel; h0 and c0 may be null."""
        cdef Lstm lstm
        cdef Gru gru
        cdef Rnn rnn
        if self.kind == LSTM:
            lstm = self.lstm[k]
            lstm.x, lstm.h0, lstm.c0, lstm.y, lstm.hn, lstm.cn = x, h0, c0, y, hn, cn
            lstm.passes = self.passes
            return api.run(self.ladder, &lstm, e)
        if self.kind < RNN_TANH:
            gru = self.gru[k]
            gru.x, gru.h0, gru.y, gru.hn = x, h0, y, hn
            gru.passes = self.passes
            return api.run(self.ladder, &gru, e)
        rnn = self.rnn[k]
        rnn.x, rnn.h0, rnn.y, rnn.hn = x, h0, y, hn
        rnn.passes = self.passes
        return api.run(self.ladder, &rnn, e)

    cdef ndarray state_of(self, object t, str name, int rank, int64_t count):
        """A state as a dense array."""
        cdef ndarray a
        if not isinstance(t, Tensor):
            raise TypeError(f"step: expected {name} to be a Tensor, got {type(t).__name__}")
        if recording() and wants(<Tensor>t):
            raise RuntimeError(f"step: {name} requires a gradient, and steps are not recorded. Call the "
                               "layer to train it, or detach the state")
        a = settled(<Tensor>t)
        if cnp.PyArray_TYPE(a) != self.number:
            raise TypeError(f"step: expected {name} of the weights' dtype {self.kept[0].dtype}, got "
                            f"{a.dtype}")
        if (cnp.PyArray_NDIM(a) != rank or cnp.PyArray_DIMS(a)[0] != count
                or cnp.PyArray_DIMS(a)[rank - 1] != self.hidden
                or (rank == 3 and cnp.PyArray_DIMS(a)[1] != self.n)):
            expected = f"(num_layers, H) = ({count}, {self.hidden})"
            if rank == 3:
                expected = f"(num_layers, N, H) = ({count}, {self.n}, {self.hidden})"
            raise ValueError(f"step: expected {name} of shape {expected}, got {(<Tensor>t).shape}")
        if not (cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_ISALIGNED(a)):
            a = numpy.array(a, order="C")
        return a

    cdef ndarray input_of(self, Tensor x, int rank):
        """The input of a step as a dense array."""
        cdef ndarray a = settled(x)
        if cnp.PyArray_DIMS(a)[rank - 1] != self.width:
            raise ValueError(f"step: expected the last axis of input to be input_size = {self.width}, got "
                             f"{x.shape}")
        if cnp.PyArray_TYPE(a) != self.number:
            raise TypeError(f"step: expected input of the weights' dtype {self.kept[0].dtype}, got {a.dtype}")
        if recording() and wants(x):
            raise RuntimeError("step: the input requires a gradient, and steps are not recorded. Call the "
                               "layer to train it, or detach the input")
        if not (cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_ISALIGNED(a)):
            a = numpy.array(a, order="C")
        return a

    def step(self, Tensor x not None, state=None):
        """x (N, I) or (I,), state (h, c), of GRU and RNN h, or None -> y (N, H) or (H,), the new state."""
        cdef ndarray input, y, between, h, c = None, h0 = None, c0 = None
        cdef int rank = cnp.PyArray_NDIM(settled(x)), k, count
        cdef int64_t n, offset
        cdef int64_t[3] shape
        cdef Error e
        cdef bint done = True
        cdef char* from_h = NULL
        cdef char* from_c = NULL
        cdef char* to_h
        cdef char* to_c = NULL
        cdef char* last
        cdef char* places[2]
        if rank != 1 and rank != 2:
            raise ValueError(f"step: expected input (N, I) or (I,), one step, got {x.shape}")
        n = 1 if rank == 1 else cnp.PyArray_DIMS(settled(x))[0]
        if n != self.n or self.changed():
            self.prepare(n)
        input = self.input_of(x, rank)
        count = <int>self.packed.size()
        if state is not None:
            if self.kind == LSTM:
                if not isinstance(state, (tuple, list)) or len(state) != 2:
                    raise TypeError("step: expected the state to be a pair (h, c), or None")
                h0 = self.state_of(state[0], "h", rank + 1, count)
                c0 = self.state_of(state[1], "c", rank + 1, count)
                from_c = <char*>cnp.PyArray_DATA(c0)
            else:
                h0 = self.state_of(state, "h", rank + 1, count)
            from_h = <char*>cnp.PyArray_DATA(h0)
        shape[0], shape[1], shape[2] = count, self.hidden, self.hidden
        if rank == 2:
            shape[1] = n
        h = make(self.dtype, rank + 1, shape)
        to_h = <char*>cnp.PyArray_DATA(h)
        if self.kind == LSTM:
            c = make(self.dtype, rank + 1, shape)
            to_c = <char*>cnp.PyArray_DATA(c)
        y = make(self.dtype, rank, shape + 1)
        between = make(self.dtype, rank, shape + 1) if count > 1 else y
        places[0], places[1] = <char*>cnp.PyArray_DATA(y), <char*>cnp.PyArray_DATA(between)
        offset = n * self.hidden * bytes_of(self.dtype)
        last = <char*>cnp.PyArray_DATA(input)
        for k in range(count):
            if self.bytes * n < RELEASE_GIL:
                done = self.run_layer(k, last, from_h, from_c, places[(count - 1 - k) % 2], to_h, to_c, &e)
            else:
                with nogil:
                    done = self.run_layer(k, last, from_h, from_c, places[(count - 1 - k) % 2], to_h, to_c,
                                          &e)
            if not done:
                raise_error(e)
            last = places[(count - 1 - k) % 2]  # the last layer's is y
            to_h += offset
            if from_h != NULL:
                from_h += offset
            if to_c != NULL:
                to_c += offset
            if from_c != NULL:
                from_c += offset
        self.passes += 1
        return wrap(y), (wrap(h) if c is None else (wrap(h), wrap(c)))
