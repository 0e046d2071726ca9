"""Connectionist temporal classification (Graves and others 2006): loss, gradient, greedy and beam decoding.

Everything is in logarithms and in double precision. The states of a target y[0 ... S-1] are
blank y[0] blank y[1] ... y[S-1] blank, 2 S + 1 of them; a path moves on by 0 or 1 states at each step, or by
2 over a blank between two different labels.
"""

import numpy

cimport cython
cimport numpy as cnp
from libc.math cimport INFINITY, exp, log, log1p
from libc.stdint cimport int64_t
from libcpp.algorithm cimport partial_sort, sort
from libcpp.pair cimport pair
from libcpp.unordered_map cimport unordered_map
from libcpp.vector cimport vector

from .tape cimport Tensor, array_of, close, settled, shape_of

ctypedef cnp.ndarray ndarray

cnp.import_array()

cdef double NEVER = -INFINITY  # the logarithm of 0


cdef inline double either(double a, double b) noexcept nogil:
    """log(exp(a) + exp(b)); -infinity is 0 and never gives NaN."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + log1p(exp(b - a))


cdef inline double any_of(double a, double b, double c) noexcept nogil:
    """log(exp(a) + exp(b) + exp(c)) with one logarithm and at most two exponentials that are not 1.

    NaN gives NaN: also where the others are -infinity, and no comparison finds it.
    """
    cdef double most = a if a > b else b
    if c > most:
        most = c
    if most == NEVER:
        return a + b + c
    return most + log((1.0 if a == most else exp(a - most)) + (1.0 if b == most else exp(b - most))
                      + (1.0 if c == most else exp(c - most)))


cdef inline int64_t label_of(const int64_t* target, int64_t s, int64_t blank) noexcept nogil:
    return target[s // 2] if s & 1 else blank


cdef inline bint may_skip(const int64_t* target, int64_t s) noexcept nogil:
    """May a path come to state s from s - 2?"""
    return s & 1 and s >= 3 and target[s // 2] != target[s // 2 - 1]


@cython.boundscheck(False)
@cython.wraparound(False)
cdef double forward(const double[:, :] lp, int64_t steps, const int64_t* target, int64_t length,
                    int64_t blank, double[:, ::1] alpha) noexcept nogil:
    """alpha[t, s]: the logarithm of the chance of all paths to state s at time t. Returns log p(target)."""
    cdef int64_t states = 2 * length + 1, t, s
    cdef double a
    if steps == 0:
        return 0.0 if length == 0 else NEVER
    for s in range(states):
        alpha[0, s] = lp[0, label_of(target, s, blank)] if s < 2 else NEVER
    for t in range(1, steps):
        for s in range(states):
            # What cannot reach the end any more is left out. What has not been reached yet is not: a NaN
            # there is one of the loss.
            if s < states - 2 * (steps - t):
                alpha[t, s] = NEVER
                continue
            if may_skip(target, s):
                a = any_of(alpha[t - 1, s], alpha[t - 1, s - 1], alpha[t - 1, s - 2])
            else:
                a = either(alpha[t - 1, s], alpha[t - 1, s - 1]) if s > 0 else alpha[t - 1, s]
            alpha[t, s] = a + lp[t, label_of(target, s, blank)]
    a = alpha[steps - 1, states - 1]
    return either(a, alpha[steps - 1, states - 2]) if length else a


@cython.boundscheck(False)
@cython.wraparound(False)
cdef void backward(const double[:, :] lp, int64_t steps, const int64_t* target, int64_t length, int64_t blank,
                   const double[:, ::1] alpha, double whole, double scale, double* beta, double* later,
                   double[:, :] dlp) noexcept nogil:
    """Adds scale * -d(log p)/d(lp): minus the chance of being in a state of each label at each time.

    beta, later: 2 length + 1 places each, for the logarithms of the chance of all paths from a state on.
    """
    cdef int64_t states = 2 * length + 1, t, s, k
    cdef double b
    cdef double* swap
    for t in range(steps - 1, -1, -1):
        for s in range(states):
            if t == steps - 1:
                b = 0.0 if s >= states - 2 else NEVER
            else:  # later[s]: from state s at t + 1, its own probability included
                if s + 2 < states and may_skip(target, s + 2):
                    b = any_of(later[s], later[s + 1], later[s + 2])
                else:
                    b = either(later[s], later[s + 1]) if s + 1 < states else later[s]
            beta[s] = b
            if b != NEVER and alpha[t, s] != NEVER:
                k = label_of(target, s, blank)
                dlp[t, k] -= scale * exp(alpha[t, s] + b - whole)
        for s in range(states):
            if beta[s] != NEVER:
                beta[s] += lp[t, label_of(target, s, blank)]
        swap = beta
        beta = later
        later = swap


cdef list lengths_of(str op, str name, object lengths, int64_t count, int64_t most):
    given = array_of(lengths).reshape(-1)
    if given.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected {name} of whole numbers, got {given.dtype}")
    if given.size != count:
        raise ValueError(f"{op}: expected {count} {name}, got {given.size}")
    if count and (given.min() < 0 or given.max() > most):
        raise ValueError(f"{op}: expected {name} in 0 ... {most}, got {given.min()} to {given.max()}")
    return given.tolist()


cdef ndarray gradient(ndarray lp, list times, list sizes, ndarray targets, list alphas, ndarray wholes,
                      ndarray upstream, int64_t blank):
    """(T, N, C): for each sequence upstream[n] times the gradient of its loss."""
    cdef const double[:, :, :] view = lp
    cdef double[:, :, :] out
    cdef double[:, ::1] alpha
    cdef double[::1] beta = numpy.empty(4 * max(sizes, default=0) + 2)
    cdef int64_t[::1] labels = targets
    cdef const int64_t* target
    cdef int64_t n, at = 0, length, steps
    cdef double whole, scale
    dlp = numpy.zeros((lp.shape[0], lp.shape[1], lp.shape[2]))
    out = dlp
    for n in range(len(times)):
        length, steps, scale, whole = sizes[n], times[n], upstream[n], wholes[n]
        if steps and scale != 0:
            alpha, target = alphas[n], &labels[at]
            with nogil:
                backward(view[:, n], steps, target, length, blank, alpha, whole, scale, &beta[0],
                         &beta[2 * length + 1], out[:, n])
        at += length
    return dlp


def ctc_loss(Tensor log_probs not None, targets, input_lengths, target_lengths, int64_t blank=0,
             str reduction="mean", bint zero_infinity=False):
    """-log p(target), summed over all alignments; see loopnest.nn.functional.ctc_loss."""
    cdef ndarray lp = settled(log_probs), labels = array_of(targets)
    cdef int64_t steps, count, classes, n, at, length
    cdef const double[:, :, :] view
    cdef double[:, ::1] alpha
    cdef const int64_t* target
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"ctc_loss: expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    if lp.ndim not in (2, 3):
        raise ValueError(f"ctc_loss: expected log_probs of shape (T, N, C) or (T, C), got {log_probs.shape}")
    if lp.dtype.kind != "f":
        raise TypeError(f"ctc_loss: expected log_probs of float32 or float64, got {lp.dtype}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"ctc_loss: expected targets of whole numbers, got {labels.dtype}")
    cdef bint single = lp.ndim == 2
    dtype = lp.dtype
    if single:
        lp = numpy.expand_dims(lp, 1)
    steps, count, classes = lp.shape[0], lp.shape[1], lp.shape[2]
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: expected blank in 0 ... {classes - 1}, got {blank}")
    times = lengths_of("ctc_loss", "input_lengths", input_lengths, count, steps)
    padded = labels.ndim == 2 and not single
    if padded and labels.shape[0] != count:
        raise ValueError(f"ctc_loss: expected {count} rows of targets, got {labels.shape[0]}")
    sizes = lengths_of("ctc_loss", "target_lengths", target_lengths, count,
                       labels.shape[1] if padded else labels.size)
    if not padded and sum(sizes) != labels.size:
        raise ValueError(f"ctc_loss: the target_lengths {sizes} do not add up to the {labels.size} targets")
    rows = [labels[i, :sizes[i]] for i in range(count)] if padded else numpy.split(
        labels.reshape(-1), numpy.cumsum(sizes)[:-1]) if count else []
    flat = numpy.concatenate([numpy.asarray(r, numpy.int64) for r in rows] + [numpy.zeros(1, numpy.int64)])
    used = flat[:-1]
    if used.size and (used.min() < 0 or used.max() >= classes or (used == blank).any()):
        raise ValueError(f"ctc_loss: expected targets in 0 ... {classes - 1} without the blank {blank}, got "
                         f"{used.min()} to {used.max()}")
    cdef int64_t[::1] all_labels = flat
    lp64 = numpy.asarray(lp, numpy.float64)
    before = shape_of(settled(log_probs))
    view = lp64
    alphas = [numpy.empty((max(times[i], 1), 2 * sizes[i] + 1)) for i in range(count)]
    wholes = numpy.empty(count)
    cdef double[::1] logs = wholes
    at = 0
    for n in range(count):
        length, alpha = sizes[n], alphas[n]
        target, steps = &all_labels[at], times[n]
        with nogil:
            logs[n] = forward(view[:, n], steps, target, length, blank, alpha)
        at += length
    losses = -wholes
    losses[losses == 0] = 0.0  # not -0
    impossible = numpy.isinf(losses)
    if zero_infinity:
        losses = numpy.where(impossible, 0.0, losses)
    weights = numpy.ones(count)
    if reduction == "mean":
        weights = 1 / (numpy.maximum(sizes, 1) * float(count)) if count else weights
    if reduction == "none":
        result = losses[0] if single else losses
    else:
        result = (losses * weights).sum()

    def grad(g, kept):  # kept: log_probs, of which lp64 may be the memory
        upstream = numpy.broadcast_to(numpy.asarray(g, numpy.float64), (len(times),)) * weights
        upstream[impossible] = 0
        dlp = gradient(lp64, times, sizes, flat, alphas, wholes, upstream, blank)
        return (dlp.astype(dtype).reshape(before),)

    return close("CtcLossBackward", numpy.asarray(result, dtype), (log_probs,), grad, (log_probs,))


# ------------------------------------------------------------------------------------------------------------
# Decoding

cdef ndarray probabilities(str op, object log_probs):
    """(T, N, C), double."""
    cdef ndarray lp = array_of(log_probs)
    if lp.dtype.kind != "f":
        raise TypeError(f"{op}: expected log_probs of float32 or float64, got {lp.dtype}")
    if lp.ndim not in (2, 3):
        raise ValueError(f"{op}: expected log_probs of shape (T, N, C) or (T, C), got {shape_of(lp)}")
    return numpy.asarray(lp if lp.ndim == 3 else numpy.expand_dims(lp, 1), numpy.float64)


cdef list times_of(str op, ndarray lp, object input_lengths):
    return [lp.shape[0]] * lp.shape[1] if input_lengths is None else lengths_of(
        op, "input_lengths", input_lengths, lp.shape[1], lp.shape[0])


def greedy(log_probs, input_lengths=None, int64_t blank=0):
    """The likeliest label at each step, repetitions and blanks taken out: one list per sequence."""
    cdef ndarray lp = probabilities("ctc_greedy_decode", log_probs)
    if not 0 <= blank < lp.shape[2]:
        raise ValueError(f"ctc_greedy_decode: expected blank in 0 ... {lp.shape[2] - 1}, got {blank}")
    best = lp.argmax(2)
    out = []
    for n, steps in enumerate(times_of("ctc_greedy_decode", lp, input_lengths)):
        row = best[:steps, n]
        change = numpy.ones(len(row), bool)
        change[1:] = row[1:] != row[:-1]
        out.append(row[change & (row != blank)].tolist())
    return out


cdef cppclass Prefixes:
    """A tree of label sequences; node 0 is the empty one."""
    vector[int64_t] parent
    vector[int64_t] label
    vector[double] blank, other        # log chances now: of paths that end in a blank, or in the label
    vector[double] next_blank, next_other
    vector[char] reached               # is it in `touched`? Its chances do not tell: they may be 0
    vector[int64_t] touched            # what this step has reached, each once
    unordered_map[int64_t, int64_t] children

    int64_t add(int64_t parent, int64_t label) noexcept nogil:
        this.parent.push_back(parent)
        this.label.push_back(label)
        this.blank.push_back(NEVER)
        this.other.push_back(NEVER)
        this.next_blank.push_back(NEVER)
        this.next_other.push_back(NEVER)
        this.reached.push_back(0)
        return this.parent.size() - 1

    int64_t child(int64_t node, int64_t label, int64_t classes) noexcept nogil:
        cdef int64_t key = node * classes + label
        cdef unordered_map[int64_t, int64_t].iterator found = this.children.find(key)
        cdef int64_t made
        if found != this.children.end():
            return cython.operator.dereference(found).second
        made = this.add(node, label)
        this.children[key] = made
        return made

    void touch(int64_t node) noexcept nogil:
        if not this.reached[node]:
            this.reached[node] = 1
            this.touched.push_back(node)


ctypedef pair[double, int64_t] Scored  # minus a score, and a node or label: the best sorts first


@cython.boundscheck(False)
@cython.wraparound(False)
cdef void search(const double[:, :] lp, int64_t steps, int64_t blank, int64_t width, int64_t most,
                 Prefixes& tree, vector[Scored]& found) noexcept nogil:
    cdef int64_t classes = lp.shape[1], t, k, c, node, last, to
    cdef size_t i
    cdef double both, p
    cdef vector[int64_t] beam
    cdef vector[Scored] labels
    tree.add(-1, -1)
    tree.blank[0] = 0.0
    beam.push_back(0)
    for t in range(steps):
        labels.clear()
        for c in range(classes):
            if c != blank:
                labels.push_back(Scored(-lp[t, c], c))
        if <int64_t>labels.size() > most:
            partial_sort(labels.begin(), labels.begin() + most, labels.end())
            labels.resize(most)
        tree.touched.clear()
        for i in range(beam.size()):
            node = beam[i]
            last = tree.label[node]
            both = either(tree.blank[node], tree.other[node])
            # The prefix stays: by a blank, or by its last label again.
            tree.touch(node)
            tree.next_blank[node] = either(tree.next_blank[node], both + lp[t, blank])
            if last >= 0:
                tree.next_other[node] = either(tree.next_other[node], tree.other[node] + lp[t, last])
            # It grows: by its last label only over a blank.
            for k in range(<int64_t>labels.size()):
                c = labels[k].second
                p = (tree.blank[node] if c == last else both) - labels[k].first
                if p == NEVER:
                    continue
                to = tree.child(node, c, classes)
                tree.touch(to)
                tree.next_other[to] = either(tree.next_other[to], p)
        for i in range(beam.size()):
            tree.blank[beam[i]] = tree.other[beam[i]] = NEVER
        found.clear()
        for i in range(tree.touched.size()):
            node = tree.touched[i]
            found.push_back(Scored(-either(tree.next_blank[node], tree.next_other[node]), node))
        sort(found.begin(), found.end())
        if <int64_t>found.size() > width:
            found.resize(width)
        beam.clear()
        for i in range(found.size()):
            node = found[i].second
            if found[i].first == INFINITY and beam.size():
                break
            beam.push_back(node)
            tree.blank[node], tree.other[node] = tree.next_blank[node], tree.next_other[node]
        for i in range(tree.touched.size()):
            node = tree.touched[i]
            tree.next_blank[node] = tree.next_other[node] = NEVER
            tree.reached[node] = 0
    found.clear()
    for i in range(beam.size()):
        found.push_back(Scored(-either(tree.blank[beam[i]], tree.other[beam[i]]), beam[i]))
    sort(found.begin(), found.end())


def beam_search(log_probs, input_lengths=None, int64_t blank=0, int64_t beam_width=16, int64_t n_best=1,
                int64_t cutoff_top_n=40):
    """Prefix beam search; see loopnest.decode.ctc_beam_decode."""
    cdef ndarray lp = probabilities("ctc_beam_decode", log_probs)
    cdef const double[:, :, :] view = lp
    cdef const double[:, :] one
    cdef Prefixes* tree
    cdef vector[Scored] found
    cdef int64_t n, steps, node
    if not 0 <= blank < lp.shape[2]:
        raise ValueError(f"ctc_beam_decode: expected blank in 0 ... {lp.shape[2] - 1}, got {blank}")
    if beam_width < 1 or not 1 <= n_best <= beam_width or cutoff_top_n < 1:
        raise ValueError(f"ctc_beam_decode: expected beam_width >= n_best >= 1 and cutoff_top_n >= 1, got "
                         f"{beam_width}, {n_best} and {cutoff_top_n}")
    if bool(numpy.isnan(lp).any()):
        raise ValueError("ctc_beam_decode: log_probs has NaN")
    out = []
    for n, length in enumerate(times_of("ctc_beam_decode", lp, input_lengths)):
        steps, one = length, view[:, n]
        tree = new Prefixes()
        try:
            with nogil:
                search(one, steps, blank, beam_width, cutoff_top_n, tree[0], found)
            best = []
            for score, place in found:
                if len(best) == n_best:
                    break
                labels, node = [], place
                while node > 0:
                    labels.append(tree.label[node])
                    node = tree.parent[node]
                best.append((labels[::-1], -score))
        finally:
            del tree
        out.append(best)
    return out
