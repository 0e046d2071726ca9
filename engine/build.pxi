# From two recordings to a program. Part of plan.pyx.

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
