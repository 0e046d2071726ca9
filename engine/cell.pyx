"""One step of an LSTM from the sums of its gates (csrc/ops/lstm_cell): the part of a ConvLSTM that is no
convolution."""

cimport cython
from libc.stdint cimport int64_t

cimport numpy as cnp

from .arena cimport make_as
from .kernels cimport Array, Error, KernelApi, Ladder, LstmCell, kernel_api, raise_error, run_kernel
from .layout cimport merge, new_channels_last, show_channels, to_channels_last
from .tape cimport (Run, Tensor, Whole, edge_of, keep1, keep2, record_parts, recording, settled, wants, wrap)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* lstm_cell_ladder[2]
cdef const Ladder* lstm_cell_backward_ladder[2]


cdef bint show_rows(const char* op, const char* name, ndarray a, Array& out) except -1:
    """Describes (N, C, ...) as (N * places, C). False if that takes a copy."""
    cdef int64_t rows, step
    if not show_channels(op, name, a, out) or not merge(out, 0, 2, &rows, &step):
        return False
    out.rank = 2
    out.shape[0], out.shape[1] = rows, out.shape[2]
    out.stride[0], out.stride[1] = step, out.stride[2]
    return True


cdef ndarray as_rows(const char* op, const char* name, ndarray a, Array& out):
    """The array that `out` then describes: `a`, or a copy with its channels side by side."""
    if not show_rows(op, name, a, out):
        a = to_channels_last(a)
        show_rows(op, name, a, out)
    return a


cdef const Array* maybe_rows(const char* op, const char* name, list kept, object a, Array& out) except? NULL:
    """The same for an array that may be None; what must stay alive goes into `kept`."""
    if a is None:
        return NULL
    kept.append(as_rows(op, name, a, out))
    return &out


@cython.final
@cython.no_gc
cdef class LstmCellBackward(Whole):
    """kept0 are the gates, kept1 is c_0 or None, kept2 is c; the edges are of sums, more, c_0."""

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef const char* op = "lstm_cell_backward"
        cdef LstmCell a
        cdef Array gates, c0, c, ady, adc, dsums, dc0
        cdef const Array* pc0
        cdef const Array* pdy
        cdef const Array* pdc
        cdef Error e
        cdef list kept = []
        cdef ndarray sums_out = make_as(self.kept0), state_out = None
        dy, dc = self.take()
        kept.append(as_rows(op, "gates", self.kept0, gates))
        kept.append(as_rows(op, "c", self.kept2, c))
        pc0 = maybe_rows(op, "c_0", kept, self.kept1, c0)
        pdy = maybe_rows(op, "grad_output", kept, dy, ady)
        pdc = maybe_rows(op, "grad_c", kept, dc, adc)
        show_rows(op, "result", sums_out, dsums)
        if self.edge2 is not None:
            state_out = make_as(self.kept2)
            show_rows(op, "result", state_out, dc0)
        if not api.lstm_cell_backward_check(a, gates, pc0, c, pdy, pdc, dsums,
                                            <const Array*>NULL if state_out is None else &dc0, e):
            raise_error(e)
        run_kernel(api, op, lstm_cell_backward_ladder, gates.dtype, &a)
        if state_out is not None:
            run.send(self.edge2, state_out)
        if self.edge1 is not None:
            run.send(self.edge1, sums_out)
        return run.send(self.edge0, sums_out)

    def name(self):
        return "LstmCellBackward"


def lstm_cell(Tensor sums not None, Tensor c_0=None, Tensor more=None):
    """From the sums of an LSTM's gates to its new state, every place of an image on its own.

        i, f, g, o = the quarters of sums + more along axis 1
        c = sigmoid(f) * c_0 + sigmoid(i) * tanh(g)        y = sigmoid(o) * tanh(c)

    Args:
        sums, more: (N, 4 * H, ...), float32 or float64. more None: nothing is added.
        c_0: (N, H, ...), None: zeros.

    Returns (y, c), each (N, H, ...), channels innermost in memory. ValueError for shapes that do not fit.

    >>> import numpy as np, loopnest
    >>> y, c = lstm_cell(loopnest.zeros(1, 4, 2, 2), loopnest.tensor(np.full((1, 1, 2, 2), 8, "f")))
    >>> float(c[0, 0, 1, 1].item())  # all gates 1/2, g = 0: the cell halves
    4.0
    """
    cdef const char* op = "lstm_cell"
    cdef LstmCell a
    cdef Array s, m, before, gates, c, y
    cdef const Array* pm
    cdef const Array* pc
    cdef Error e
    cdef ndarray given = settled(sums), gates_out = None, c_out, y_out
    cdef bint recorded = recording() and (wants(sums) or more is not None and wants(more)
                                          or c_0 is not None and wants(c_0))
    cdef list kept = []
    cdef tuple shape = (<object>given).shape
    if len(shape) < 2 or shape[1] % 4:
        raise ValueError(f"lstm_cell: expected sums of shape (N, 4 * H, ...), got {shape}")
    state = (shape[0], shape[1] // 4, *shape[2:])
    for name, part, wanted in (("more", more, shape), ("c_0", c_0, state)):
        if part is not None and part.shape != wanted:
            raise ValueError(f"lstm_cell: expected {name} of shape {wanted} with sums of shape {shape}, got "
                             f"{part.shape}")
    kept.append(as_rows(op, "sums", given, s))
    pm = maybe_rows(op, "more", kept, None if more is None else settled(more), m)
    pc = maybe_rows(op, "c_0", kept, None if c_0 is None else settled(c_0), before)
    c_out, y_out = new_channels_last(state, given.dtype), new_channels_last(state, given.dtype)
    show_rows(op, "result", c_out, c)
    show_rows(op, "result", y_out, y)
    if recorded:
        gates_out = new_channels_last(shape, given.dtype)
        show_rows(op, "result", gates_out, gates)
    if not api.lstm_cell_check(a, s, pm, pc, <const Array*>NULL if gates_out is None else &gates, c, y, e):
        raise_error(e)
    run_kernel(api, op, lstm_cell_ladder, s.dtype, &a)
    results = wrap(y_out), wrap(c_out)
    if recorded:
        remember(results, sums, more, c_0, gates_out)
    return results


cdef int remember(tuple results, Tensor sums, Tensor more, Tensor c_0, ndarray gates) except -1:
    """Records the node of both results."""
    cdef LstmCellBackward node = LstmCellBackward.__new__(LstmCellBackward)
    node.edge0 = edge_of(sums)
    node.kept0 = gates
    if more is not None:
        node.edge1 = edge_of(more)
    if c_0 is not None:
        node.edge2 = edge_of(c_0)
        keep1(node, c_0)
    keep2(node, results[1])
    return record_parts(node, results)
