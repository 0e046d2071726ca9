# Recording: what this thread's kernels do is written down. Part of plan.pyx.

cdef cppclass Recorder:
    vector[Step] steps
    vector[Span] blocks
    # What is freed meanwhile, by the arena's users and by NumPy, is freed when the recording is gone: so no
    # two blocks have one address, and a temporary of one recording never lies where one of the other lay.
    vector[void*] released
    vector[void*] freed
    PyObject* recording  # whose this is


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
