# The kernels of an LSTM: csrc/ops/lstm and csrc/ops/lstm_backward. Part of recurrent.pyx.

cdef const Ladder* lstm_ladder[2]
cdef const Ladder* lstm_backward_ladder[2]


@cython.final
@cython.no_gc
cdef class LstmLayer(Layer):

    cdef int forward(self, void* hn, void* cn, bint keep) except -1:
        cdef Lstm a
        cdef Error e
        if not api.lstm_check(a, self.x, self.w_ih, self.w_hh, given(self.b_ih), given(self.b_hh),
                              given(self.h0), given(self.c0), given(self.lengths), self.reverse, e):
            raise_error(e)
        a.y, a.y_t, a.y_n = self.y.data, self.y.stride[0], self.y.stride[1]
        a.hn, a.cn = hn, cn
        if keep:
            self.make_kept(4 * a.h, self.gates)
            self.make_kept(a.h, self.cells)
            a.gates, a.gates_t = self.gates.data, self.gates.stride[0]
            a.cells, a.cells_t = self.cells.data, self.cells.stride[0]
        return run_kernel(api, "lstm", lstm_ladder, self.x.dtype, &a)

    cdef int backward(self, Gradients& g) except -1:
        cdef LstmBackward a
        cdef Error e
        if not api.lstm_backward_check(a, self.x, self.w_ih, self.w_hh, given(self.h0), given(self.c0),
                                       given(self.lengths), self.y, self.gates, self.cells, given(g.y),
                                       given(g.hn), given(g.cn), self.reverse, e):
            raise_error(e)
        a.dx, a.dx_t, a.dx_n = g.x.data, g.x.stride[0], g.x.stride[1]
        a.dw_ih, a.dw_hh, a.db = g.w_ih.data, g.w_hh.data, g.b_ih.data
        a.dh0, a.dc0 = g.h0.data, g.c0.data
        return run_kernel(api, "lstm_backward", lstm_backward_ladder, self.x.dtype, &a)
