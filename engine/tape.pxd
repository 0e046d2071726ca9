"""Tensor, Node and the parts that other engine modules (recurrent, tensor_ops ...) build on."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t
from libcpp.pair cimport pair
from libcpp.vector cimport vector

cimport numpy as cnp


ctypedef PyObject* Reference
ctypedef pair[int64_t, Reference] Entry  # a node's number, and the node


cdef class Version:
    cdef long long value
    cdef bint exposed  # NumPy has seen the memory: it may be changed behind the tape's back
    cdef bint shared  # several Tensors look, or have looked, at the memory


cdef class Run:
    cdef vector[Entry] heap
    cdef long long number
    cdef int send(self, object edge, cnp.ndarray g) except -1
    cdef int send_clipped(self, object edge, cnp.ndarray g, cnp.ndarray y) except -1
    cdef int play(self, bint retain) except -1


cdef class Node:
    cdef long long number
    cdef long long run
    cdef object edge0, edge1, edge2
    cdef tuple more
    cdef cnp.ndarray kept0, kept1, kept2
    cdef Version version0, version1, version2
    cdef long long seen0, seen1, seen2
    cdef cnp.ndarray grad
    cdef cnp.ndarray mask  # of grad only that counts where mask is not <= 0: ReLU's result
    cdef object keeper  # a weak reference to the tensor whose `.grad` gets the gradient as well, or None
    cdef dict hooks  # {number: function} of the gradient, in their order, or None
    cdef bint released
    cdef int replay(self, cnp.ndarray g, Run run) except -1
    cdef bint clips(self) noexcept
    cdef int replay_clipped(self, cnp.ndarray g, cnp.ndarray y, Run run) except -1
    cdef int release(self) except -1
    cdef int check(self) except -1


cdef class Whole(Node):
    cdef list arrived
    cdef list take(self)


cdef class Later:
    cdef PyObject* tensor  # whose array this is to be; borrowed
    cdef cnp.ndarray compute(self, bint relu)
    cdef Later plus(self, cnp.ndarray other)


cdef class Tensor:
    cdef cnp.ndarray held  # read it by settled(); alone it is good for shape, dtype and strides
    cdef Later later
    cdef Node node
    cdef Tensor grad_tensor
    cdef Version version
    cdef bint requires
    cdef list gate  # of a leaf with hooks: they, and the address of the node that runs them; or None
    cdef object __weakref__


cdef int settle(Tensor t) except -1
cdef int settle_all() except -1
cdef int wait_for(Tensor t, Later later) except -1
cpdef Tensor before_relu(Tensor t)
cpdef Tensor after_relu(Tensor t, Tensor y)
cdef bint untouched(Tensor t) noexcept
cdef bint is_dense(cnp.ndarray a) noexcept
cdef bint repeated(cnp.ndarray a) noexcept


cdef inline cnp.ndarray settled(Tensor t):
    """The array of t, its numbers computed."""
    if t.later is not None:
        settle(t)
    return t.held


cdef bint recording() noexcept
cdef bint wants(Tensor t) noexcept
cdef Version version_of(Tensor t)
cdef Version shared_version(Tensor t)
cdef Tensor wrap(cnp.ndarray a)
cdef object edge_of(Tensor t)
cdef int keep0(Node node, Tensor t) except -1
cdef int keep1(Node node, Tensor t) except -1
cdef int keep2(Node node, Tensor t) except -1
cdef int record(Node node, Tensor out) except -1
cdef int record_parts(Whole whole, tuple outputs) except -1
cdef cnp.ndarray array_of(object value)
cdef Tensor tensor_of(object value)
cdef tuple shape_of(cnp.ndarray a)
cdef cnp.ndarray as_float(Tensor t)
cdef int axis_of(Tensor x, int dim, int extra) except -1
cdef Tensor cast(Tensor x, object dtype)
cdef Tensor close(str title, cnp.ndarray result, tuple inputs, object function, tuple kept)
cdef cnp.ndarray reduced(int function, cnp.ndarray a, object axes, bint keepdim, double divisor)
cdef cnp.ndarray shared_among_equals(cnp.ndarray a, cnp.ndarray y, cnp.ndarray g)
cdef bint reducible(cnp.ndarray a) noexcept
cdef cnp.ndarray fit(cnp.ndarray g, tuple shape, object dtype)
cdef int pair_of(object value, int64_t* out, str op, str name) except -1
cdef Tensor getitem(Tensor x, object index)
cdef object promoted(cnp.ndarray a, cnp.ndarray b)
cdef Tensor view_of(Tensor base, cnp.ndarray a)
cdef cnp.ndarray dropout_mask(cnp.ndarray a, double p)
