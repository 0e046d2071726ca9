"""Sums over bags of rows (nn.EmbeddingBag): the kernels of embedding the other way round. What they add up
into a table's gradient are here the sums, and their look-up is the backward pass."""

cimport cython
cimport numpy as cnp
from libc.stdint cimport int64_t
from libc.string cimport memset

from .arena cimport make
from .kernels cimport Array, Embedding, Error, KernelApi, Ladder, kernel_api, raise_error, read, run_kernel
from .tape cimport Node, Run, Tensor, edge_of, record, recording, settled, wants, wrap

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* embedding_ladder[2]
cdef const Ladder* embedding_backward_ladder[2]


@cython.final
@cython.no_gc
cdef class BagSumBackward(Node):
    cdef ndarray bags  # (m)

    cdef int replay(self, ndarray g, Run run) except -1:
        """Every row gets the gradient of its bag."""
        cdef Embedding a
        cdef Array index, table
        cdef Error e
        cdef ndarray _kept, out
        cdef int64_t shape[2]
        _kept = read("embedding", "grad_output", g, table)
        read("embedding", "bags", self.bags, index)
        if not api.embedding_check(a, index, table, -1, e):
            raise_error(e)
        shape[0], shape[1] = a.m, a.d
        out = make(table.dtype, 2, shape)
        a.out = cnp.PyArray_DATA(out)
        a.out_m, a.out_d = a.d, 1
        run_kernel(api, "embedding", embedding_ladder, table.dtype, &a)
        return run.send(self.edge0, out)


def bag_sums(Tensor rows not None, ndarray bags not None, int64_t count):
    """out[b] = the sum of the rows whose bag is b, zeros where there are none.

    Args:
        rows: (m, d), float32 or float64.
        bags: int64 (m), each in 0 ... count - 1; it must not change any more.

    Returns (count, d). Rows of a bag are added in their order, whatever the number of threads.

    >>> import numpy as np, loopnest
    >>> bag_sums(loopnest.tensor([[1.0], [2.0], [3.0]]), np.array([1, 0, 1]), 3).tolist()
    [[2.0], [4.0], [0.0]]
    """
    cdef Embedding a
    cdef Array index, added, table
    cdef Error e
    cdef ndarray _kept, out
    cdef int64_t shape[2]
    cdef BagSumBackward node
    cdef Tensor result
    _kept = read("embedding_backward", "rows", settled(rows), added)
    if added.rank != 2:
        raise ValueError(f"bag_sums: expected rows of shape (m, d), got {rows.shape}")
    shape[0], shape[1] = count, added.shape[1]
    out = make(added.dtype, 2, shape)
    memset(cnp.PyArray_DATA(out), 0, cnp.PyArray_NBYTES(out))
    read("embedding_backward", "bags", bags, index)
    read("embedding_backward", "result", out, table)
    if not api.embedding_backward_check(a, index, added, table, -1, e):
        raise_error(e)
    run_kernel(api, "embedding_backward", embedding_backward_ladder, added.dtype, &a)
    result = wrap(out)
    if recording() and wants(rows):
        node = BagSumBackward.__new__(BagSumBackward)
        node.bags = bags
        node.edge0 = edge_of(rows)
        record(node, result)
    return result
