# The kernels of a GRU: csrc/ops/gru and csrc/ops/gru_backward. Part of recurrent.pyx.

cdef const Ladder* gru_ladder[2]
cdef const Ladder* gru_backward_ladder[2]


@cython.final
@cython.no_gc
cdef class GruLayer(Layer):

    cdef bint before  # is the reset gate before the product?

    cdef int forward(self, void* hn, void* cn, bint keep) except -1:
        cdef Gru a
        cdef Error e
        if not api.gru_check(a, self.x, self.w_ih, self.w_hh, given(self.b_ih), given(self.b_hh),
                             given(self.h0), given(self.lengths), self.before, self.reverse, e):
            raise_error(e)
        a.y, a.y_t, a.y_n = self.y.data, self.y.stride[0], self.y.stride[1]
        a.hn = hn
        if keep:
            self.make_kept(4 * a.h, self.gates)
            a.gates, a.gates_t = self.gates.data, self.gates.stride[0]
        return run_kernel(api, "gru", gru_ladder, self.x.dtype, &a)

    cdef bint one_bias(self) noexcept:
        return False

    cdef int backward(self, Gradients& g) except -1:
        cdef GruBackward a
        cdef Error e
        if not api.gru_backward_check(a, self.x, self.w_ih, self.w_hh, given(self.h0), given(self.lengths),
                                      self.y, self.gates, given(g.y), given(g.hn), self.before, self.reverse,
                                      e):
            raise_error(e)
        a.dx, a.dx_t, a.dx_n = g.x.data, g.x.stride[0], g.x.stride[1]
        a.dw_ih, a.dw_hh, a.db_ih, a.db_hh = g.w_ih.data, g.w_hh.data, g.b_ih.data, g.b_hh.data
        a.dh0 = g.h0.data
        return run_kernel(api, "gru_backward", gru_backward_ladder, self.x.dtype, &a)
