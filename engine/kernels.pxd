"""The kernels as Cython sees them: csrc/api.h and the contracts, repeated; and the way from NumPy to them."""

from cpython.pycapsule cimport PyCapsule_Import
from libc.stdint cimport int64_t, uint8_t

cimport numpy as cnp


cdef extern from "api.h" namespace "loopnest" nogil:
    int F32, F64, I64
    int max_rank

    cdef cppclass Error:
        int kind
        char* text
    int ErrorNone "loopnest::Error::None"
    int ErrorType "loopnest::Error::Type"
    int ErrorIndex "loopnest::Error::Index"
    int ErrorMemory "loopnest::Error::Memory"

    cdef cppclass Array:
        void* data
        int dtype
        int rank
        int64_t shape[8]
        int64_t stride[8]

    cdef cppclass Ladder:
        pass

    cdef cppclass Gemm:
        void* a
        void* b
        void* bias
        void* c
        int64_t m, n, k, a_m, a_k, b_k, b_n, c_m, c_n
        bint accumulate

    cdef cppclass Conv2d:
        void* x
        void* w
        void* bias
        void* y
        int64_t n, ic, ih, iw, oc, kh, kw, oh, ow
        int64_t x_n, x_c, x_h, x_w, w_o, w_i, w_h, w_w, y_n, y_c, y_h, y_w

    cdef cppclass Conv3d:
        void* x

    cdef cppclass ConvArgs:
        Conv2d two
        Conv3d three

    cdef cppclass ConvAnyOptions:
        int64_t stride[3]
        int64_t padding[6]
        int64_t dilation[3]
        int64_t groups

    cdef cppclass Conv2dOptions:
        int64_t stride[2]
        int64_t padding[4]
        int64_t dilation[2]
        int64_t groups

    int64_t no_tap

    cdef cppclass Pool2d:
        pass

    cdef cppclass Pool2dOptions:
        int64_t kernel_size[2]
        int64_t stride[2]
        int64_t padding[2]
        int64_t dilation[2]
        bint ceil_mode
        bint count_include_pad
        int64_t divisor_override

    cdef cppclass Map:
        pass

    cdef cppclass Norm:
        void* weight
        void* bias
        void* add
        void* y
        void* dx
        void* dweight
        void* dbias
        int64_t n, s, c, groups, activation

    cdef cppclass NormOptions:
        int64_t groups
        double eps
        bint over_n, given, centre

    cdef cppclass Softmax:
        pass

    cdef cppclass Reduce:
        pass
    int SUM "loopnest::reduce_function::sum"
    int AMAX "loopnest::reduce_function::amax"
    int AMIN "loopnest::reduce_function::amin"

    cdef cppclass Taps:
        Array begin, index, weight

    cdef cppclass Resample:
        pass

    cdef cppclass CrossEntropy:
        void* dloss
        void* loss
        void* lse
        void* row_weight
        void* dlogits
        int64_t n, c, s, dloss_n, dloss_s, dlogits_n, dlogits_c, dlogits_s

    cdef cppclass Embedding:
        void* out
        int64_t v, d, m, out_m, out_d

    cdef cppclass Workspace:
        const void* packed

    cdef cppclass Lstm:
        Workspace workspace
        void* x
        void* h0
        void* c0
        void* y
        void* hn
        void* cn
        void* gates
        void* cells
        int64_t t, n, i, h, x_t, x_n, y_t, y_n, gates_t, cells_t
        int64_t passes "pass"

    cdef cppclass LstmBackward:
        void* dx
        void* dw_ih
        void* dw_hh
        void* db
        void* dh0
        void* dc0
        int64_t t, n, i, h, dx_t, dx_n

    cdef cppclass LstmCell:
        pass

    cdef cppclass Rnn:
        Workspace workspace
        void* x
        void* h0
        void* y
        void* hn
        int64_t t, n, i, h, x_t, x_n, y_t, y_n
        int64_t passes "pass"

    cdef cppclass RnnBackward:
        void* dx
        void* dw_ih
        void* dw_hh
        void* db
        void* dh0
        int64_t t, n, i, h, dx_t, dx_n

    cdef cppclass Gru:
        Workspace workspace
        void* x
        void* h0
        void* y
        void* hn
        void* gates
        int64_t t, n, i, h, x_t, x_n, y_t, y_n, gates_t
        int64_t passes "pass"

    cdef cppclass GruBackward:
        void* dx
        void* dw_ih
        void* dw_hh
        void* db_ih
        void* db_hh
        void* dh0
        int64_t t, n, i, h, dx_t, dx_n
    cdef cppclass UpdatePart:
        void* p
        void* grad
        void* s0
        void* s1
        void* s2
        int64_t n

    cdef cppclass Update:
        const UpdatePart* parts
        int64_t count
        double lr, weight_decay, shrink, momentum, dampening, beta1, beta2, eps, root
        bint maximize, nesterov, first, option

    cdef cppclass KernelApi:
        const Ladder* (*ladder)(const char* op, int dtype, Error* error)
        bint (*run)(const Ladder* ladder, void* args, Error* error)
        bint (*run_each)(const Ladder* ladder, void* args, int64_t count,
                         void (*place)(void* args, int64_t i, void* data) noexcept nogil, void* data,
                         Error* error)
        bint (*pack)(const Ladder* ladder, const void* args, void** packed, Error* error)
        void* (*allocate)(size_t bytes)
        void (*release)(void* block)
        bint (*gemm_check)(Gemm&, const Array& a, const Array& b, const Array* bias, Error&)
        bint (*linear_check)(Gemm&, const Array& x, const Array& w, const Array* bias, Error&)
        bint (*conv2d_check)(Conv2d&, const Array& x, const Array& w, const Array* bias, const Conv2dOptions&,
                             int64_t* y_shape, Error&)
        bint (*conv2d_backward_input_check)(Conv2d&, const int64_t* x_shape, const Array& w, const Array& dy,
                                            const Conv2dOptions&, Error&)
        bint (*conv2d_backward_weight_check)(Conv2d&, const Array& x, const int64_t* w_shape, const Array& dy,
                                             const Conv2dOptions&, Error&)
        bint (*conv_check)(int axes, ConvArgs&, const Array& x, const Array& w, const Array* bias,
                           const ConvAnyOptions&, int64_t* y_shape, Error&)
        bint (*conv_backward_input_check)(int axes, ConvArgs&, const int64_t* x_shape, const Array& w,
                                          const Array& dy, const ConvAnyOptions&, Error&)
        bint (*conv_backward_weight_check)(int axes, ConvArgs&, const Array& x, const int64_t* w_shape,
                                           const Array& dy, const ConvAnyOptions&, Error&)
        bint (*conv_transpose_check)(int axes, ConvArgs&, const Array& x, const Array& w, const Array* bias,
                                     const ConvAnyOptions&, const int64_t* output_padding, int64_t* y_shape,
                                     Error&)
        void (*conv_place_x)(int axes, ConvArgs&, const Array&)
        void (*conv_place_w)(int axes, ConvArgs&, const Array&)
        void (*conv_place_y)(int axes, ConvArgs&, const Array&)
        void (*conv_place_bias)(int axes, ConvArgs&, const Array&)
        bint (*map_check)(const char* op, Map&, const Array& x, const Array* dy, const Array& out, Error&)
        bint (*activation_check)(const char* op, Map&, int64_t function, const double* parameter,
                                 const Array& x, const Array* dy, const Array& out, Error&)
        bint (*norm_check)(const char* op, Norm&, const Array& x, const Array* weight, const Array* bias,
                           const NormOptions&, int64_t* stats_shape, Error&)
        bint (*norm_place_y)(const char* op, Norm&, const Array& y, Error&)
        bint (*norm_place_dx)(const char* op, Norm&, const Array& dx, Error&)
        bint (*norm_place_stats)(const char* op, Norm&, const Array& mean, const Array& var, Error&)
        bint (*reduce_check)(Reduce&, int64_t function, double divisor, const Array& x, const Array& y,
                             Error&)
        bint (*softmax_check)(Softmax&, const Array& x, const Array& y, bint log, Error&)
        bint (*softmax_backward_check)(Softmax&, const Array& y, const Array& dy, const Array& dx, bint log,
                                       Error&)
        bint (*resample_check)(const char* op, Resample&, const Array& x, const Array& y, const Taps* taps,
                               double fill, Error&)
        bint (*cross_entropy_check)(CrossEntropy&, const Array& logits, const Array& target,
                                    const Array* weight, int64_t ignore_index, double label_smoothing, Error&)
        bint (*embedding_check)(Embedding&, const Array& index, const Array& table, int64_t padding_idx,
                                Error&)
        bint (*embedding_backward_check)(Embedding&, const Array& index, const Array& dout,
                                         const Array& dtable, int64_t padding_idx, Error&)
        bint (*lstm_check)(Lstm&, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih,
                           const Array* b_hh, const Array* h0, const Array* c0, const Array* lengths,
                           bint at_end, Error&)
        bint (*lstm_backward_check)(LstmBackward&, const Array& x, const Array& w_ih, const Array& w_hh,
                                    const Array* h0, const Array* c0, const Array* lengths, const Array& y,
                                    const Array& gates, const Array& cells, const Array* dy, const Array* dhn,
                                    const Array* dcn, bint at_end, Error&)
        bint (*lstm_cell_check)(LstmCell&, const Array& sums, const Array* more, const Array* c0,
                                const Array* gates, const Array& c, const Array& y, Error&)
        bint (*lstm_cell_backward_check)(LstmCell&, const Array& gates, const Array* c0, const Array& c,
                                         const Array* dy, const Array* dc, const Array& dsums,
                                         const Array* dc0, Error&)
        bint (*rnn_check)(Rnn&, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih,
                          const Array* b_hh, const Array* h0, const Array* lengths, bint relu, bint at_end,
                          Error&)
        bint (*rnn_backward_check)(RnnBackward&, const Array& x, const Array& w_ih, const Array& w_hh,
                                   const Array* h0, const Array* lengths, const Array& y, const Array* dy,
                                   const Array* dhn, bint relu, bint at_end, Error&)
        bint (*gru_check)(Gru&, const Array& x, const Array& w_ih, const Array& w_hh, const Array* b_ih,
                          const Array* b_hh, const Array* h0, const Array* lengths, bint before, bint at_end,
                          Error&)
        bint (*gru_backward_check)(GruBackward&, const Array& x, const Array& w_ih, const Array& w_hh,
                                   const Array* h0, const Array* lengths, const Array& y, const Array& gates,
                                   const Array* dy, const Array* dhn, bint before, bint at_end, Error&)
        bint (*pool2d_check)(const char* op, Pool2d&, const int64_t* x_shape, const Pool2dOptions&,
                             int64_t* y_shape, Error&)
        bint (*pool2d_place_x)(const char* op, Pool2d&, const Array& x, Error&)
        bint (*pool2d_place_y)(const char* op, Pool2d&, const Array& y, Error&)
        bint (*pool2d_place_indices)(const char* op, Pool2d&, const Array& indices, Error&)
        bint (*pool2d_place_taps)(const char* op, Pool2d&, uint8_t* taps, Error&)


cdef inline KernelApi* kernel_api() except NULL:
    """The table of C functions; a module asks for it once, when it is imported."""
    return <KernelApi*>PyCapsule_Import("loopnest._core._api", 0)


cdef inline int raise_error(Error& e) except -1:
    text = (<const char*>e.text).decode("utf-8", "replace")
    if e.kind == ErrorType:
        raise TypeError(text)
    if e.kind == ErrorIndex:
        raise IndexError(text)
    if e.kind == ErrorMemory:
        raise MemoryError(text)
    raise ValueError(text)


cdef inline int dtype_of(cnp.ndarray a) noexcept:
    """F32, F64, I64 (native byte order), or -1."""
    cdef int number = cnp.PyArray_TYPE(a)
    if number == cnp.NPY_FLOAT:
        number = F32
    elif number == cnp.NPY_DOUBLE:
        number = F64
    elif number == cnp.NPY_INT64 or (number == cnp.NPY_LONGLONG and sizeof(long long) == 8):
        number = I64
    else:
        return -1
    return number if cnp.PyArray_ISNOTSWAPPED(a) else -1


cdef inline int64_t bytes_of(int dtype) noexcept:
    """Of one number of F32, F64 or I64."""
    return 4 if dtype == F32 else 8


cdef inline cnp.ndarray read(const char* op, const char* name, cnp.ndarray a, Array& out):
    """Describes `a` for the kernels. Returns the array to keep alive while they run: `a`, or a copy if its
    elements do not lie on multiples of their size. TypeError unless float32, float64 or int64."""
    cdef int dtype = dtype_of(a), i
    if dtype < 0:
        raise TypeError(f"{op.decode()}: expected {name.decode()} of dtype float32 or float64 (int64 for "
                        f"indices), got {a.dtype}")
    if cnp.PyArray_NDIM(a) > max_rank:
        raise ValueError(f"{op.decode()}: expected {name.decode()} of at most {max_rank} axes, "
                         f"got {cnp.PyArray_NDIM(a)}")
    if not cnp.PyArray_ISALIGNED(a):
        a = a.copy()
    cdef int shift = 2 if dtype == F32 else 3
    out.data = cnp.PyArray_DATA(a)
    out.dtype = dtype
    out.rank = cnp.PyArray_NDIM(a)
    for i in range(out.rank):
        out.shape[i] = cnp.PyArray_DIMS(a)[i]
        out.stride[i] = cnp.PyArray_STRIDES(a)[i] >> shift
    return a


cdef inline cnp.ndarray read_dense(const char* op, const char* name, cnp.ndarray a, Array& out):
    """As `read`, but what is not contiguous in C order is copied: for biases and other small vectors."""
    if not cnp.PyArray_IS_C_CONTIGUOUS(a):
        a = a.copy()
    return read(op, name, a, out)


cdef inline int run_kernel(KernelApi* api, const char* op, const Ladder** known, int dtype,
                           void* args) except -1:
    """Runs the operator without the GIL. `known` remembers its ladders, one place per dtype."""
    cdef Error e
    cdef bint done
    if known[dtype] == NULL:
        known[dtype] = api.ladder(op, dtype, &e)
        if known[dtype] == NULL:
            raise_error(e)
    with nogil:
        done = api.run(known[dtype], args, &e)
    if not done:
        raise_error(e)
    return 0
