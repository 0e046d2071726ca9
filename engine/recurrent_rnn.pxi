# The kernels of Elman's network: csrc/ops/rnn and csrc/ops/rnn_backward. Part of recurrent.pyx.

cdef const Ladder* rnn_ladder[2]
cdef const Ladder* rnn_backward_ladder[2]


@cython.final
@cython.no_gc
cdef class RnnLayer(Layer):

    cdef bint relu  # in place of tanh

    cdef int forward(self, void* hn, void* cn, bint keep) except -1:
        cdef Rnn a
        cdef Error e
        if not api.rnn_check(a, self.x, self.w_ih, self.w_hh, given(self.b_ih), given(self.b_hh),
                             given(self.h0), given(self.lengths), self.relu, self.reverse, e):
            raise_error(e)
        a.y, a.y_t, a.y_n = self.y.data, self.y.stride[0], self.y.stride[1]
        a.hn = hn
        return run_kernel(api, "rnn", rnn_ladder, self.x.dtype, &a)

    cdef int backward(self, Gradients& g) except -1:
        cdef RnnBackward a
        cdef Error e
        if not api.rnn_backward_check(a, self.x, self.w_ih, self.w_hh, given(self.h0), given(self.lengths),
                                      self.y, given(g.y), given(g.hn), self.relu, self.reverse, e):
            raise_error(e)
        a.dx, a.dx_t, a.dx_n = g.x.data, g.x.stride[0], g.x.stride[1]
        a.dw_ih, a.dw_hh, a.db = g.w_ih.data, g.w_hh.data, g.b_ih.data
        a.dh0 = g.h0.data
        return run_kernel(api, "rnn_backward", rnn_backward_ladder, self.x.dtype, &a)
