# Program: recorded steps, to be run again. Part of plan.pyx.

cdef struct Out:  # an array of the caller's: where it begins in its block, and how it lies
    int place
    size_t bytes
    int64_t offset
    int rank, number
    int64_t shape[8]
    int64_t strides[8]


cdef Out describe(int place, size_t bytes, int64_t offset, ndarray a) except *:
    cdef Out out
    cdef int i
    if cnp.PyArray_NDIM(a) > 8:
        raise ValueError(f"compile: expected arrays of at most 8 axes, got {cnp.PyArray_NDIM(a)}")
    out.place, out.bytes, out.offset = place, bytes, offset
    out.rank, out.number = cnp.PyArray_NDIM(a), cnp.PyArray_TYPE(a)
    for i in range(out.rank):
        out.shape[i], out.strides[i] = cnp.PyArray_DIMS(a)[i], cnp.PyArray_STRIDES(a)[i]
    return out


cdef bint gather(object data, list arrays) except -1:
    """The arrays of the tensors in nested tuples; False if something else is among them."""
    for item in data:
        if isinstance(item, Tensor):
            arrays.append(settled(<Tensor>item))
        elif item is None or not isinstance(item, (tuple, list)) or not gather(item, arrays):
            return False
    return True


cdef struct Patch:  # a word of a step that depends on the caller's arrays
    int64_t step, word, outside, offset


@cython.final
cdef class Pack:
    """Packed weights, shared by all programs to which they are the same bytes."""

    cdef void* memory
    cdef readonly size_t bytes

    def __dealloc__(self):
        release_plain(self.memory)


cdef class Program:
    """Kernel calls in a row. Made by `build`; run by `run`."""

    cdef vector[Step] steps
    cdef vector[Patch] patches
    cdef vector[char*] outside
    cdef vector[int64_t] shift   # of an input: from its first element to its lowest address
    cdef void* arena
    cdef readonly size_t arena_bytes
    cdef list keep
    cdef vector[Out] takes, gives
    cdef object lock
    cdef int inputs
    cdef readonly list packs
    cdef readonly list description

    def __dealloc__(self):
        cdef Step step
        for step in self.steps:
            free(step.args)
        self.steps.clear()
        release_plain(self.arena)

    def call(self, tuple inputs not None):
        """As `run`, for tensors (and tuples of them) and with tensors as results; None if they do not lie as
        those did that the program was built with."""
        cdef list arrays = []
        if not gather(inputs, arrays) or len(arrays) != self.inputs:
            return None
        cdef int i, d
        cdef Out* want
        cdef ndarray a
        for i in range(self.inputs):
            want, a = &self.takes[i], arrays[i]
            if (cnp.PyArray_NDIM(a) != want.rank or cnp.PyArray_TYPE(a) != want.number
                    or not cnp.PyArray_ISALIGNED(a)):
                return None
            for d in range(want.rank):
                if (cnp.PyArray_DIMS(a)[d] != want.shape[d]
                        or cnp.PyArray_STRIDES(a)[d] != want.strides[d] and want.shape[d] > 1):
                    return None
        arrays = self.run(arrays)
        return [wrap(<ndarray>y) for y in arrays]

    def run(self, list inputs not None, bint spoilt=False):
        """The outputs, as new arrays, for arrays that lie as those did that the program was built with.

        spoilt: all other memory is filled with NaN first, so that a result that no step has written shows.
        """
        cdef list results
        with self.lock:
            if spoilt and self.arena_bytes:
                memset(self.arena, 0xFF, self.arena_bytes)
            results = self.place(inputs, spoilt)
            self.go(NULL)
        return results

    def time(self, list inputs not None):
        """The seconds of each step of one run, as float64."""
        cdef cnp.ndarray seconds = numpy.zeros(self.steps.size() + 1)
        with self.lock:
            _results = self.place(inputs)  # kept until the run is over
            self.go(<double*>cnp.PyArray_DATA(seconds))
        return seconds[1:] - seconds[:-1]

    def chains(self):
        """How many steps each part of the plan is: several, if they run as a chain (csrc/chain.h)."""
        cdef int i = 0
        cdef list found = []
        while i < <int>self.steps.size():
            found.append(max(1, self.steps[i].links))
            i += found[-1]
        return found

    def work(self):
        """(floating-point operations, bytes read and written) of each step, as its operator counts them."""
        cdef Step step
        cdef double flops, bytes_
        cdef list found = []
        for step in self.steps:
            flops, bytes_ = 0, 0
            if step.ladder != NULL:
                more.work(step.ladder, step.rung, step.args, &flops, &bytes_)
            else:
                bytes_ = strided_bytes((<Strided*>step.args)[0])
            found.append((flops, bytes_))
        return found

    cdef list place(self, list inputs, bint spoilt=False):
        """New arrays for the outputs; their addresses and those of the inputs in the steps."""
        cdef int i
        cdef Patch patch
        cdef Out out
        cdef int64_t* word
        cdef list blocks = [None] * <int>(self.outside.size() - self.inputs), results = []
        cdef ndarray block, y
        for i in range(self.inputs):
            self.outside[i] = <char*>cnp.PyArray_DATA(<ndarray>inputs[i]) + self.shift[i]
        for out in self.gives:
            if out.place < self.inputs:
                results.append(inputs[out.place])
                continue
            block = blocks[out.place - self.inputs]
            if block is None:
                blocks[out.place - self.inputs] = block = new_block(out.bytes)
                self.outside[out.place] = <char*>cnp.PyArray_DATA(block)
                if spoilt:
                    memset(cnp.PyArray_DATA(block), 0xFF, cnp.PyArray_NBYTES(block))
            y = cnp.PyArray_New(cnp.ndarray, out.rank, <cnp.npy_intp*>out.shape, out.number,
                                <cnp.npy_intp*>out.strides, self.outside[out.place] + out.offset, 0,
                                cnp.NPY_ARRAY_WRITEABLE, <object>NULL)
            cnp.set_array_base(y, block)
            results.append(y)
        for patch in self.patches:
            word = <int64_t*>self.steps[patch.step].args + patch.word
            word[0] = <int64_t>self.outside[patch.outside] + patch.offset
        return results

    cdef int go(self, double* seconds) except -1:
        """Runs the steps; seconds: null, or where the time before each step and after the last goes."""
        cdef int i, after = 0
        cdef Error e
        cdef bint done = True
        with nogil:
            for i in range(<int>self.steps.size()):
                if seconds != NULL:
                    seconds[i] = seconds_now()
                if i < after:
                    continue
                if self.steps[i].links > 1:
                    after = i + self.steps[i].links
                    done = more.chain_run(&self.steps[i], self.steps[i].links, &e)
                elif self.steps[i].ladder == NULL:
                    run_strided((<Strided*>self.steps[i].args)[0])
                else:
                    done = more.run(self.steps[i].rung, self.steps[i].ladder, self.steps[i].args, &e)
                if not done:
                    break
            if seconds != NULL:
                seconds[self.steps.size()] = seconds_now()
        if not done:
            raise_error(e)
        return 0

    def __len__(self):
        return self.steps.size()


cdef cnp.ndarray new_block(size_t size):
    cdef int64_t shape[1]
    shape[0] = (size + 3) // 4
    return make(F32, 1, shape)
