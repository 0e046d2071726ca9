"""csrc/loops as Cython sees it: plain loops over arrays, for what has no ladder. They are bound by memory, so
there is nothing to climb."""

from libc.stdint cimport int64_t, uint64_t


cdef extern from "loops/copy.h" namespace "loopnest::loops" nogil:
    cdef struct Axes:
        int64_t rank
        int64_t shape[8]
        int64_t step[3][8]
    void copy_axes(int64_t size, const void* a, void* out, Axes& axes)


cdef extern from "loops/elementwise.h" namespace "loopnest::loops" nogil:
    int ADD "loopnest::loops::loop_add"
    int SUB "loopnest::loops::loop_sub"
    int MUL "loopnest::loops::loop_mul"
    int DIV "loopnest::loops::loop_div"
    int SAME "loopnest::loops::loop_same"
    void arrays(int dtype, int op, const void* a, const void* b, void* out, int64_t n)
    void scalar(int dtype, int op, bint swapped, const void* a, double s, void* out, int64_t n)
    void add_dense(int dtype, const void* a, void* into, int64_t n)
    void add_strided(int dtype, const void* a, void* into, Axes& axes)
    void broadcast(int dtype, int op, const void* a, const void* b, void* out, Axes& axes)
    void column_sums(int dtype, const void* a, int64_t m, int64_t n, int64_t a_m, int64_t a_n, void* block,
                     void* out)
    void cumulate(int dtype, const void* a, void* out, int64_t outer, int64_t d, int64_t inner, bint back)
    int most_best
    void best_places(int dtype, const void* a, int64_t rows, int64_t n, int64_t k, bint largest,
                     int64_t* out)
    void fill_mask(int dtype, uint64_t seed, uint64_t zeros, double kept, void* out, int64_t n)
    void share_equal(int dtype, const void* a, const void* y, const void* g, void* share, int64_t m,
                     void* out, Axes& axes)
    double dense_sum(int dtype, const void* a, int64_t n)
