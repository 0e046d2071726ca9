"""Planned networks: kernel calls that were recorded once and are run again without Python in between.

While a Recording is on (in this thread), every kernel that the engine starts is kept: which rung, and its
arguments, a plain struct. So is every block of memory that results were put into. `build` makes a Program of
two recordings of the same work on different data: a word of a struct that differs between the two is an
address, and is found again as (input or block, offset); a word that does not is a size, a stride or the
address of a weight. Nothing has to be known about the operators, and an address that belongs to no input and
no block, which would be read again later when it holds something else, is an error. NumPy's memory is not
used again while both recordings are there, so that a temporary has another address in each. Copies that the
engine makes (copying.pyx) are steps of the plan as well.

A Program keeps blocks that are not needed at the same time in the same place of one piece of memory, has
weights packed, and puts the addresses of the caller's arrays in before it runs.
"""

import threading
import zlib

import numpy

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_Import, PyCapsule_New
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset, strcpy
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from . cimport copying
from .arena cimport make
from .elementwise cimport ADD, DIV, MUL, SAME, SUB, Axes
from .kernels cimport (F32, F64, Array, Error, KernelApi, Ladder, dtype_of, kernel_api, max_rank, raise_error,
                       read)
from .tape cimport Tensor, settle_all, settled, wrap

from .extent import byte_bounds

ctypedef cnp.ndarray ndarray

cnp.import_array()


cdef extern from "program.h" namespace "loopnest" nogil:
    cdef cppclass Rung:
        pass

    cdef struct Step "loopnest::ProgramStep":
        const Ladder* ladder  # null: a Strided
        const Rung* rung
        char* args
        size_t bytes
        int64_t links  # this step and the next ones run as one chain

    cdef cppclass ProgramApi:
        size_t (*args_bytes)(const Ladder*)
        const char* (*op)(const Ladder*)
        const char* (*rung_name)(const Rung*)
        const Rung* (*pick)(const Ladder*, const void* args, Error*)
        bint (*run)(const Rung*, const Ladder*, void* args, Error*)
        size_t (*packed_bytes)(const Rung*, const void* args)
        void (*prepare)(const Rung*, const void* args, void* packed)
        void (*work)(const Ladder*, const Rung*, const void* args, double* flops, double* bytes)
        int (*chain_length)(const Step*, int count)
        bint (*chain_run)(const Step*, int count, Error*)

    cdef cppclass Workspace:
        const void* packed
        void* scratch


cdef extern from "api.h" namespace "loopnest" nogil:
    cdef cppclass Conv2dEpilogue "loopnest::Conv2d":
        const void* add
        int64_t activation

    cdef cppclass GemmEpilogue "loopnest::Gemm":
        const void* add
        int64_t activation

    cdef cppclass EpilogueApi "loopnest::KernelApi":
        bint (*check_epilogue)(const char* op, const char* activation, const Array* add, const Array& y,
                               int64_t& code, const void*& add_data, Error& error)


cdef extern from "recorder.h" namespace "loopnest" nogil:
    double seconds_now()
    void* plan_recorder
    cbool run_plain(const Ladder*, void*, Error*) noexcept
    void* allocate_plain(size_t) noexcept
    void release_plain(void*) noexcept
    void plan_hook(KernelApi*, cbool (*)(const Ladder*, void*, Error*) noexcept nogil,
                   void* (*)(size_t) noexcept nogil, void (*)(void*) noexcept nogil)


cdef extern from "loops/strided.h" namespace "loopnest::loops" nogil:
    cdef cppclass Strided:
        void* out
        const void* a
        const void* b
        int64_t op, dtype
        Axes axes
    void run_strided(const Strided&)
    double strided_bytes(const Strided&)


cdef struct Span:
    char* begin
    size_t bytes


cdef cppclass Recorder:
    vector[Step] steps
    vector[Span] blocks
    # What is freed meanwhile, by the arena's users and by NumPy, is freed when the recording is gone: so no
    # two blocks have one address, and a temporary of one recording never lies where one of the other lay.
    vector[void*] released
    vector[void*] freed
    PyObject* recording  # whose this is


cdef dict strided_names = {ADD: "add", SUB: "sub", MUL: "mul", DIV: "div", SAME: "copy"}
cdef dict strided_codes = {name: code for code, name in strided_names.items()}
cdef KernelApi* api = kernel_api()
cdef ProgramApi* more = <ProgramApi*>PyCapsule_Import("loopnest._core._program_api", 0)

# ------------------------------------------------------------------------------------------------------------
# The three functions of the kernels' table that recording looks at. Off, they cost a look at a variable.

cdef cbool run_recorded(const Ladder* ladder, void* args, Error* error) noexcept nogil:
    cdef Recorder* recorder = <Recorder*>plan_recorder
    cdef Step step
    if recorder == NULL:
        return run_plain(ladder, args, error)
    step.ladder = ladder
    step.rung = more.pick(ladder, args, error)
    if step.rung == NULL:
        return False
    step.links = 0
    step.bytes = more.args_bytes(ladder)
    step.args = <char*>malloc(step.bytes)
    memcpy(step.args, args, step.bytes)
    recorder.steps.push_back(step)
    return more.run(step.rung, ladder, args, error)


cdef void* allocate_recorded(size_t bytes) noexcept nogil:
    cdef Recorder* recorder = <Recorder*>plan_recorder
    cdef Span span
    span.begin = <char*>allocate_plain(bytes)
    span.bytes = bytes
    if recorder != NULL and span.begin != NULL:
        recorder.blocks.push_back(span)
    return span.begin


cdef void release_recorded(void* block) noexcept nogil:
    cdef Recorder* recorder = <Recorder*>plan_recorder
    if recorder != NULL:
        recorder.released.push_back(block)
    else:
        release_plain(block)


plan_hook(api, run_recorded, allocate_recorded, release_recorded)

# NumPy's memory while a recording is on.

cdef void* numpy_malloc(void* ignored, size_t size) noexcept nogil:
    return malloc(size)


cdef void* numpy_calloc(void* ignored, size_t count, size_t size) noexcept nogil:
    return calloc(count, size)


cdef void* numpy_realloc(void* ignored, void* block, size_t size) noexcept nogil:
    return realloc(block, size)


cdef void numpy_free(void* ignored, void* block, size_t size) noexcept nogil:
    cdef Recorder* recorder = <Recorder*>plan_recorder
    if recorder != NULL:
        recorder.freed.push_back(block)
    else:
        free(block)


cdef cnp.PyDataMem_Handler handler
strcpy(handler.name, b"loopnest plan")
handler.version = 1
handler.allocator.ctx = NULL
handler.allocator.malloc = numpy_malloc
handler.allocator.calloc = numpy_calloc
handler.allocator.realloc = numpy_realloc
handler.allocator.free = numpy_free
cdef object numpy_memory = PyCapsule_New(&handler, "mem_handler", NULL)


# What the engine does besides kernels.

cdef bint copy_recorded(ndarray out, ndarray a) except -1:
    if plan_recorder == NULL:
        return False
    add_strided(<Recorder*>plan_recorder, "copy", out, a, None)
    return True


cdef int constants_recorded(list constants) except -1:
    if plan_recorder != NULL:
        (<Recording>(<Recorder*>plan_recorder).recording).constants += constants
    return 0


copying.recorded_copy = copy_recorded
copying.recorded_constants = constants_recorded

# ------------------------------------------------------------------------------------------------------------


@cython.final
cdef class Recording:
    """What this thread's kernels are doing, between `with recording:` and the end of the block.

    Results of the work must be kept (in `kept`) until the recording has been built into a program; what is
    constant (in `constants`) programs keep for as long as they are there.
    """

    cdef Recorder recorder
    cdef public list kept
    cdef public list constants
    cdef public list packs   # step numbers whose weights are constant and may be packed
    cdef public list where   # what each step is for, for people
    cdef public str layer
    cdef object memory_before  # NumPy's, outside

    def __cinit__(self):
        self.recorder.recording = <PyObject*>self
        self.kept, self.constants, self.packs, self.where, self.layer = [], [], [], [], ""

    def __dealloc__(self):
        cdef Step step
        cdef void* block
        for step in self.recorder.steps:
            free(step.args)
        self.recorder.steps.clear()
        for block in self.recorder.released:
            release_plain(block)
        for block in self.recorder.freed:
            free(block)

    def __enter__(self):
        global plan_recorder
        if plan_recorder != NULL:
            raise RuntimeError("a plan is being made in this thread already")
        settle_all()  # what has waited since before is no step of this plan
        self.memory_before = cnp.PyDataMem_SetHandler(numpy_memory)
        plan_recorder = &self.recorder
        return self

    def __exit__(self, *ignored):
        global plan_recorder
        plan_recorder = NULL
        cnp.PyDataMem_SetHandler(self.memory_before)
        return False

    def __len__(self):
        return self.recorder.steps.size()

    def note(self, bint pack=False):
        """The steps since the last note belong to `layer`; pack: their weights are constant."""
        while len(self.where) < len(self):
            if pack:
                self.packs.append(len(self.where))
            self.where.append(self.layer)

    def knows(self, cnp.ndarray a not None, list inputs):
        """Does `a` lie in a block of this recording, or in one of the inputs?"""
        cdef char* at = <char*>cnp.PyArray_DATA(a)
        cdef Span span
        cdef size_t i
        if a.size == 0:
            return True
        for i in range(self.recorder.blocks.size()):
            span = self.recorder.blocks[i]
            if span.begin <= at < span.begin + span.bytes:
                return True
        return any([numpy.may_share_memory(a, x) for x in inputs])

    def epilogue(self, str activation, residual, cnp.ndarray y not None):
        """Gives the last step, whose result is y, this epilogue, and runs it again.

        False, and nothing has changed, if the rung that is best without it cannot do it, or the residual does
        not lie as y does.
        """
        cdef Step* step = &self.recorder.steps.back()
        cdef bytes name = more.op(step.ladder)
        cdef Array out, add
        cdef Array* padd = NULL
        cdef Error e
        cdef int64_t code = 0
        cdef const void* data = NULL
        cdef const Rung* rung
        cdef bytes text = b"" if activation is None else activation.encode()
        cdef const char* ptext = NULL
        cdef Conv2dEpilogue* conv
        cdef GemmEpilogue* gemm
        if activation is not None:
            ptext = text
        read(name, b"output", y, out)
        if residual is not None:
            read(name, b"residual", residual, add)
            padd = &add
        if not (<EpilogueApi*>api).check_epilogue(name, ptext, padd, out, code, data, e):
            return False
        if name == b"conv2d":
            conv = <Conv2dEpilogue*>step.args
            conv.add = data
            conv.activation = code
        elif name == b"gemm":
            gemm = <GemmEpilogue*>step.args
            gemm.add = data
            gemm.activation = code
        else:
            return False
        rung = more.pick(step.ladder, step.args, &e)
        if rung != step.rung:
            if name == b"conv2d":
                conv.add = NULL
                conv.activation = 0
            else:
                gemm.add = NULL
                gemm.activation = 0
            return False
        if not more.run(rung, step.ladder, step.args, &e):
            raise_error(e)
        return True

    def strided(self, str op, cnp.ndarray out not None, cnp.ndarray a not None, b=None):
        """A step that is not a kernel: out = a ("copy"), or a op b ("add", "sub", "mul", "div"); a and b are
        broadcast to out's shape. All of one dtype."""
        add_strided(&self.recorder, op, out, a, b)


cdef int add_strided(Recorder* recorder, str op, ndarray out, ndarray a, object b) except -1:
    """Writes such a step down and runs it. Copies are of any numbers of 4 or 8 bytes."""
    cdef Strided s
    cdef Step step
    cdef int rank = cnp.PyArray_NDIM(out), i
    cdef cnp.ndarray wide_a = numpy.broadcast_to(a, numpy.shape(out))
    cdef cnp.ndarray wide_b = wide_a if b is None else numpy.broadcast_to(b, numpy.shape(out))
    cdef int64_t size = cnp.PyArray_ITEMSIZE(out)
    cdef bint sound = dtype_of(out) in (F32, F64) if op != "copy" else size == 4 or size == 8
    if not sound or not (out.dtype == a.dtype == wide_b.dtype):
        raise TypeError(f"{op}: expected arrays of one dtype, float32 or float64, got {a.dtype} and "
                        f"{wide_b.dtype}")
    order = sorted(range(rank), key=lambda axis: -abs(out.strides[axis]))
    memset(&s, 0, sizeof(Strided))  # `build` compares all words
    s.out = cnp.PyArray_DATA(out)
    s.a = <const void*>cnp.PyArray_DATA(wide_a)
    s.b = <const void*>cnp.PyArray_DATA(wide_b)
    s.op, s.dtype = strided_codes[op], F32 if size == 4 else F64
    axes = []  # (length, out, a, b), outermost first, neighbours that continue each other merged
    for axis in order:
        one = [out.shape[axis], out.strides[axis] // size, wide_a.strides[axis] // size,
               wide_b.strides[axis] // size]
        if one[0] == 1:
            continue
        if axes and all([axes[-1][k] == one[k] * one[0] for k in (1, 2, 3)]):
            axes[-1] = [axes[-1][0] * one[0], *one[1:]]
        else:
            axes.append(one)
    if not axes:
        axes.append([1, 0, 0, 0])
    if len(axes) > max_rank:
        raise ValueError(f"{op}: expected arrays of at most {max_rank} axes, got {len(axes)}")
    s.axes.rank = len(axes)
    for i, (length, to, from_a, from_b) in enumerate(axes):
        s.axes.shape[i] = length
        s.axes.step[0][i], s.axes.step[1][i], s.axes.step[2][i] = from_a, from_b, to
    step.ladder = NULL
    step.rung = NULL
    step.links = 0
    step.bytes = sizeof(Strided)
    step.args = <char*>malloc(step.bytes)
    memcpy(step.args, &s, step.bytes)
    recorder.steps.push_back(step)
    with nogil:
        run_strided(s)
    return 0


# ------------------------------------------------------------------------------------------------------------


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


cdef Pack pack_step(Step* step, dict known):
    """The packed weights of a step, or None if its rung wants none. `known` remembers all of this network."""
    cdef size_t size = more.packed_bytes(step.rung, step.args)
    cdef Pack pack, other
    cdef const Rung* rung = step.rung
    cdef char* args = step.args
    cdef void* memory
    if size == 0:
        return None
    pack = Pack.__new__(Pack)
    pack.memory, pack.bytes = allocate_plain(size), size
    if pack.memory == NULL:
        raise MemoryError(f"no memory for {size} bytes of packed weights")
    memory = pack.memory
    with nogil:
        more.prepare(rung, args, memory)
    key = (<bytes>more.rung_name(rung), size, zlib.adler32(<cnp.uint8_t[:size]><cnp.uint8_t*>memory))
    for other in known.get(key, ()):
        if memcmp(other.memory, memory, size) == 0:
            return other
    known.setdefault(key, []).append(pack)
    return pack


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


cdef int find(vector[Span]& spans, int64_t address) noexcept:
    """Which span holds this address; the youngest, -1 if none."""
    cdef int i
    for i in range(<int>spans.size() - 1, -1, -1):
        if <int64_t>spans[i].begin <= address < <int64_t>(spans[i].begin + spans[i].bytes):
            return i
    return -1


cdef Span span_of(cnp.ndarray a):
    cdef Span span
    low, high = byte_bounds(a)
    span.begin = <char*><size_t>low
    span.bytes = high - low
    return span


@cython.final
cdef class Build:
    """A Program in the making: the memory that two recordings touch, and where each piece is to lie."""

    cdef Program program
    cdef Recording first, second
    cdef vector[Span] spans, spans2      # of each recording: inputs, then blocks
    cdef vector[int64_t] place           # of a block: its offset in the arena, or -1 - its place outside
    cdef vector[int64_t] begin, end      # the first and the last step that touch it; -1: none does
    cdef dict outs                       # block that the caller gets: its place outside, behind the inputs
    cdef set inside                      # blocks within a chain, which need no memory of their own

    cdef int look_at_memory(self, list inputs, list inputs2) except -1:
        """The spans of both recordings, and how the inputs lie."""
        cdef Program p = self.program
        cdef size_t i
        for x, x2 in zip(inputs, inputs2, strict=True):
            self.spans.push_back(span_of(x))
            p.takes.push_back(describe(p.takes.size(), 0, 0, x))
            p.shift.push_back(self.spans.back().begin - <char*>cnp.PyArray_DATA(<cnp.ndarray>x))
            self.spans2.push_back(span_of(x2))
        for i in range(self.first.recorder.blocks.size()):
            self.spans.push_back(self.first.recorder.blocks[i])
            self.spans2.push_back(self.second.recorder.blocks[i])
        self.place.resize(self.spans.size(), 0)
        self.begin.resize(self.spans.size(), -1)
        self.end.resize(self.spans.size(), -1)
        return 0

    cdef int find_addresses(self) except -1:
        """Which words of the steps are addresses, of what, and which steps touch what."""
        cdef Step step, other
        cdef int i
        cdef size_t j
        for i in range(len(self.first)):
            step, other = self.first.recorder.steps[i], self.second.recorder.steps[i]
            if step.ladder != other.ladder or step.rung != other.rung:
                raise RuntimeError("compile: the network does not do the same work twice")
            for j in range(step.bytes // 8):
                if (<int64_t*>step.args)[j] != (<int64_t*>other.args)[j]:
                    self.add_patch(i, j, (<int64_t*>step.args)[j], (<int64_t*>other.args)[j])
        return 0

    cdef int add_patch(self, int i, int64_t word, int64_t a, int64_t b) except -1:
        """Word `word` of step i is the address a in one recording and b in the other."""
        cdef Patch patch
        cdef int where = find(self.spans, a), where2 = find(self.spans2, b)
        if (where < 0 or where != where2
                or a - <int64_t>self.spans[where].begin != b - <int64_t>self.spans2[where].begin):
            layer = self.first.where[i] or "the network"
            raise RuntimeError(f"compile: {layer} does part of its work outside of kernels "
                               f"({step_name(self.first.recorder.steps[i])}): it cannot be planned")
        patch.step, patch.word, patch.outside = i, word, where
        patch.offset = a - <int64_t>self.spans[where].begin
        self.program.patches.push_back(patch)
        if self.begin[where] < 0:
            self.begin[where] = i
        self.end[where] = i
        return 0

    cdef int place_outputs(self, list outputs) except -1:
        """Outputs lie outside, in blocks that the caller gets."""
        cdef Program p = self.program
        cdef int where, n = p.inputs
        cdef int64_t offset
        for y in outputs:
            where = find(self.spans, <int64_t>cnp.PyArray_DATA(<cnp.ndarray>y)) if y.size else -2
            if where == -1:
                raise RuntimeError("compile: a result lies in memory that the plan does not know: computed "
                                   "outside of kernels")
            if where == -2:
                p.gives.push_back(describe(n + len(self.outs), 64, 0, y))
                self.outs[("empty", len(self.outs))] = n + len(self.outs)
                continue
            if where < n:
                p.gives.push_back(describe(where, 0, 0, y))
                continue
            if where not in self.outs:
                self.outs[where] = n + len(self.outs)
                self.place[where] = -1 - self.outs[where]
            offset = <int64_t>cnp.PyArray_DATA(<cnp.ndarray>y) - <int64_t>self.spans[where].begin
            p.gives.push_back(describe(self.outs[where], self.spans[where].bytes, offset, y))
        p.outside.resize(n + len(self.outs), NULL)
        return 0

    cdef int copy_steps(self) except -1:
        cdef Step step
        cdef char* args
        for step in self.first.recorder.steps:
            args = <char*>malloc(step.bytes)
            memcpy(args, step.args, step.bytes)
            step.args = args
            self.program.steps.push_back(step)
        return 0

    cdef int make_chains(self) except -1:
        """Finds steps that run as one chain, and the blocks between them. Other blocks that a chain touches
        are in use from its first step to its last."""
        cdef Program p = self.program
        cdef Patch patch
        cdef int i = 0, length, count = p.steps.size()
        cdef dict between = self.blocks_between()
        while i < count:
            length = 1
            while i + length - 1 in between:
                length += 1
            length = more.chain_length(&p.steps[i], length) if length > 1 else 1
            if length > 1:
                p.steps[i].links = length
                self.inside |= {between[k] for k in range(i, i + length - 1)}
                for patch in p.patches:
                    if i <= patch.step < i + length:
                        self.begin[patch.outside] = min(self.begin[patch.outside], i)
                        self.end[patch.outside] = max(self.end[patch.outside], i + length - 1)
            i += length
        return 0

    cdef dict blocks_between(self):
        """For each step the block that it writes and only the next one reads, if there is one."""
        cdef Patch patch
        cdef dict touched = {}  # block: how many words of steps lie in it
        for patch in self.program.patches:
            touched[patch.outside] = touched.get(patch.outside, 0) + 1
        return {self.begin[k]: k for k, words in touched.items()
                if k >= self.program.inputs and k not in self.outs and words == 2
                and self.end[k] == self.begin[k] + 1}

    cdef int place_inside(self) except -1:
        """The other blocks share one piece of memory: the largest first, each as low as it can."""
        cdef Program p = self.program
        cdef int k
        cdef size_t size, low, total = 0
        cdef list placed = []  # (offset, bytes, first step, last step)
        for k in self.largest_first():
            size = (self.spans[k].bytes + 63) // 64 * 64
            low = 0
            for at, length, from_, to in sorted(placed):
                if from_ <= self.end[k] and to >= self.begin[k]:
                    if at >= low + size:
                        break
                    low = max(low, at + length)
            placed.append((low, size, self.begin[k], self.end[k]))
            self.place[k] = low
            total = max(total, low + size)
        p.arena_bytes = total
        if total:
            p.arena = allocate_plain(total)
            if p.arena == NULL:
                raise MemoryError(f"no memory for {total} bytes of intermediate results")
        return 0

    cdef list largest_first(self):
        """The blocks that steps touch, and that lie neither outside nor within a chain."""
        cdef int k
        cdef list found = []
        for k in range(self.program.inputs, <int>self.spans.size()):
            if self.begin[k] >= 0 and k not in self.outs and k not in self.inside:
                found.append((-<int64_t>self.spans[k].bytes, k))
        return [k for _, k in sorted(found)]

    cdef int put_in_addresses(self) except -1:
        """Those in the arena now; those outside are left to `place`, those inside a chain to the chain."""
        cdef Program p = self.program
        cdef vector[Patch] patches = p.patches
        cdef Patch patch
        cdef int64_t where
        p.patches.clear()
        for patch in patches:
            where = patch.outside
            if where in self.inside:
                continue
            if where >= p.inputs and self.place[where] >= 0:
                (<int64_t*>p.steps[patch.step].args)[patch.word] = (
                    <int64_t>p.arena + self.place[where] + patch.offset)
            else:
                patch.outside = where if where < p.inputs else -1 - self.place[where]
                p.patches.push_back(patch)
        return 0

    cdef int take_packs(self, dict known) except -1:
        """Constant weights, packed; `known` as in `build`."""
        cdef Program p = self.program
        cdef Step step
        cdef Pack pack
        cdef int i
        for i in self.first.packs:
            step = p.steps[i]
            if step.ladder == NULL or (<Workspace*>step.args).packed != NULL:
                continue
            pack = pack_step(&step, known)
            if pack is not None:
                p.packs.append(pack)
                (<Workspace*>step.args).packed = pack.memory
        return 0


def build(Recording first not None, list inputs not None, list outputs not None,
          Recording second not None, list inputs2 not None, dict known not None):
    """The Program of two recordings of the same work, on `inputs` giving `outputs` and on `inputs2`.

    known: packed weights that other programs of the network have, for those that are the same.
    Raises RuntimeError, with the layer's name, if a step reads memory that is neither an input, nor a result
    of an earlier step, nor constant.
    """
    cdef Program p = Program.__new__(Program)
    cdef Build b = Build.__new__(Build)
    cdef int i
    if len(first) != len(second) or first.recorder.blocks.size() != second.recorder.blocks.size():
        raise RuntimeError("compile: the network does not do the same work twice")
    p.lock, p.inputs, p.keep, p.packs = threading.Lock(), len(inputs), list(first.constants), []
    b.program, b.first, b.second, b.outs, b.inside = p, first, second, {}, set()
    b.look_at_memory(inputs, inputs2)
    b.find_addresses()
    b.place_outputs(outputs)
    b.copy_steps()
    b.make_chains()
    b.place_inside()
    b.put_in_addresses()
    b.take_packs(known)
    p.description = [(first.where[i], step_name(p.steps[i])) for i in range(len(first))]
    return p


cdef str step_name(Step step):
    if step.ladder == NULL:
        return strided_names[(<Strided*>step.args).op]
    return f"{(<bytes>more.op(step.ladder)).decode()}/{(<bytes>more.rung_name(step.rung)).decode()}"
