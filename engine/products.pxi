# Products, up to einsum; matmul itself stands in arithmetic.pxi. Part of tensor_ops.pyx.

cdef int need_rank(str op, str name, Tensor t, int rank) except -1:
    if cnp.PyArray_NDIM(settled(t)) != rank:
        raise ValueError(f"{op}: expected {name} of {rank} axes, got shape {t.shape}")
    return 0


def mm(Tensor input not None, Tensor mat2 not None):
    """The product of two matrices, (m, k) by (k, n); ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.mm(loopnest.tensor([[1.0, 2.0]]), loopnest.tensor([[3.0], [4.0]]))
      tensor([[11.]])
    """
    need_rank("mm", "input", input, 2)
    need_rank("mm", "mat2", mat2, 2)
    return matmul(input, mat2)


def bmm(Tensor input not None, Tensor mat2 not None):
    """(b, m, k) by (b, k, n), matrix by matrix; ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.bmm(loopnest.ones(5, 2, 3), loopnest.ones(5, 3, 4)).shape
      (5, 2, 4)
    """
    need_rank("bmm", "input", input, 3)
    need_rank("bmm", "mat2", mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm: expected as many matrices in both, got {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


def mv(Tensor input not None, Tensor vec not None):
    """A matrix times a vector, (m, k) by (k) -> (m); ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.mv(loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), loopnest.tensor([1.0, 1.0]))
      tensor([3., 7.])
    """
    need_rank("mv", "input", input, 2)
    need_rank("mv", "vec", vec, 1)
    return matmul(input, vec)


def dot(Tensor input not None, Tensor other not None):
    """The sum of the products of two vectors, (k) by (k); ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.dot(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0]))
      tensor(11.)
    """
    need_rank("dot", "input", input, 1)
    need_rank("dot", "other", other, 1)
    return matmul(input, other)


def outer(Tensor input not None, Tensor vec2 not None):
    """(m) by (n) -> (m, n), every product; ValueError for anything but vectors.

    Example:
      >>> import loopnest
      >>> loopnest.outer(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0]))
      tensor([[3., 4.],
              [6., 8.]])
    """
    need_rank("outer", "input", input, 1)
    need_rank("outer", "vec2", vec2, 1)
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)


cdef object labels_of(str equation, tuple operands):
    """The labels of each operand and of the result, "..." replaced by capitals that nobody uses."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {equation!r} has {len(terms)} operands, got {len(operands)}")
    for c in text.replace("...", "").replace("->", "").replace(",", ""):
        if not (c.isascii() and c.isalpha()):
            raise ValueError(f"einsum: expected letters, commas, '...' and '->', got {c!r} in {equation!r}")
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in text]
    longest = 0
    for term, x in zip(terms, operands):
        if "..." in term:
            longest = max(longest, x.ndim - len(term.replace("...", "")))
    spare = "".join(spare[:longest])[::-1]
    found = []
    for i, (term, x) in enumerate(zip(terms, operands)):
        hidden = x.ndim - len(term.replace("...", "")) if "..." in term else 0
        term = term.replace("...", spare[len(spare) - hidden:] if hidden > 0 else "")
        if len(term) != x.ndim:
            raise ValueError(f"einsum: operand {i} of {equation!r} has shape {x.shape}")
        found.append(term)
    if arrow:
        out = right.replace("...", spare)
        missing = [c for c in out if not any(c in term for term in found)]
        if missing or len(set(out)) != len(out):
            raise ValueError(f"einsum: the result of {equation!r} repeats a label or has one of its own")
    else:  # as NumPy: the hidden axes, then in the order of the alphabet what stands there once
        out = spare + "".join(sorted(c for c in set(left.replace("...", "")) if c.isalpha()
                                     and left.count(c) == 1))
    return found, out


cdef Tensor onto(Tensor x, str have, str want):
    """x with its axes in the order of `want`; axes that `have` lacks get length 1."""
    order = [have.index(c) for c in want if c in have]
    x = permute(x, order) if order != list(range(len(order))) else x
    for i, c in enumerate(want):
        if c not in have:
            x = unsqueeze(x, i)
    return x


def einsum(str equation, *operands):
    """Sums of products by the labels of the axes, as numpy.einsum: "bij,bjk->bik" is bmm.

    Pairs are multiplied from left to right, each as one (batched) matrix product on the gemm kernel. Knows
    implicit results, "..." and labels repeated in one operand (diagonals).

    Example:
      >>> import loopnest
      >>> loopnest.einsum("ij,j->i", loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), loopnest.tensor([1.0, 1.0]))
      tensor([3., 7.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    operands = tuple([tensor_of(x) for x in operands])
    terms, out = labels_of(equation, operands)
    ready = []
    length = {}
    for x, term in zip(operands, terms):
        for c in sorted(set(term)):
            while term.count(c) > 1:  # the diagonal goes to the end
                first = term.index(c)
                second = term.index(c, first + 1)
                x = diagonal(x, 0, first, second)
                term = "".join([t for k, t in enumerate(term) if k not in (first, second)]) + c
        for c, n in zip(term, x.shape):
            if length.get(c, 1) != 1 and n != 1 and length[c] != n:
                raise ValueError(f"einsum: label {c!r} of {equation!r} is {length[c]} and {n}")
            length[c] = max(length.get(c, 1), n)
        ready.append((x, term))
    x, have = ready[0]
    for k in range(1, len(ready)):
        later = set(out).union(*[set(term) for _, term in ready[k + 1:]])
        x, have = _contract(x, have, ready[k][0], ready[k][1], later)
    drop = tuple([i for i, c in enumerate(have) if c not in out])
    if drop:
        x = x.sum(drop)
        have = "".join([c for c in have if c in out])
    return onto(x, have, out)


def _contract(x, a, y, b, later):
    """x with labels a times y with labels b, summed over the labels that nobody needs later."""
    def alone(t, mine, other):
        drop = tuple([i for i, c in enumerate(mine) if c not in other and c not in later])
        return (t.sum(drop), "".join([c for c in mine if c in other or c in later])) if drop else (t, mine)

    x, a = alone(x, a, b)
    y, b = alone(y, b, a)
    for c in a:  # an axis of length 1 against a longer one is no matrix product: let it broadcast
        if c in b and x.shape[a.index(c)] != y.shape[b.index(c)]:
            every = a + "".join([d for d in b if d not in a])
            z = onto(x, a, every) * onto(y, b, every)
            drop = tuple([i for i, d in enumerate(every) if d not in later])
            return (z.sum(drop) if drop else z), "".join([d for d in every if d in later])
    batch = [c for c in a if c in b and c in later]
    inner = [c for c in a if c in b and c not in later]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]

    def size(t, mine, labels):
        n = 1
        for c in labels:
            n *= t.shape[mine.index(c)]
        return n

    sizes = [x.shape[a.index(c)] for c in batch + rows] + [y.shape[b.index(c)] for c in columns]
    n = size(x, a, batch), size(x, a, rows), size(x, a, inner), size(y, b, columns)
    left = onto(x, a, "".join(batch + rows + inner))
    right = onto(y, b, "".join(batch + inner + columns))
    if batch:
        left, right = reshape(left, (n[0], n[1], n[2])), reshape(right, (n[0], n[2], n[3]))
    else:
        left, right = reshape(left, (n[1], n[2])), reshape(right, (n[2], n[3]))
    return reshape(matmul(left, right), tuple(sizes)), "".join(batch + rows + columns)
