"""From a model's scores to sequences: greedy and beam search, sampling, and CTC's two decoders.

The searches know the model by one function, `step(tokens, state) -> (scores, state)`: tokens (N,) int64, the
last token of every row; scores (N, V), before softmax; state anything made of Tensors, tuples, lists and
dicts, or None. Rows are told apart along `state_axis` of every Tensor in the state: 0 as in (N, ...), 1 for
the states of loopnest.nn's recurrent layers, (layers, N, H).

Example, a model that counts up:
  >>> import numpy as np, loopnest
  >>> from loopnest import decode
  >>> table = loopnest.tensor(np.eye(5, k=1) * 9)
  >>> def step(tokens, state):
  ...     return table[tokens], state
  >>> [found.tokens for found in decode.greedy_search(step, None, start=[0, 2], end=4, max_length=9)]
  [[1, 2, 3], [3]]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from loopnest.engine import ctc
from loopnest.engine.tape import Tensor, default_generator, no_grad, tensor

__all__ = [
    "Hypothesis",
    "beam_search",
    "ctc_beam_decode",
    "ctc_greedy_decode",
    "greedy_search",
    "sample",
    "sample_logits",
]

Step = Callable[[Tensor, Any], tuple[Tensor, Any]]


class Hypothesis(NamedTuple):
    """A sequence without its start and end, and the sum of its tokens' log probabilities, the end's included
    (beam_search: divided by the length penalty)."""

    tokens: list[int]
    score: float


def _first(who: str, start: int | Sequence[int] | Tensor, end: int | None, max_length: int) -> np.ndarray:
    if max_length < 1:
        raise ValueError(f"{who}: expected max_length of at least 1, got {max_length}")
    tokens = np.asarray(start, np.int64).reshape(-1)
    if end is not None and end < 0:
        raise ValueError(f"{who}: expected end of at least 0, got {end}")
    return tokens


def _check_largest(who: str, largest: np.ndarray) -> None:
    """Are the largest scores of all rows numbers? Otherwise a row has no softmax."""
    for found, text in (
        (np.isnan(largest), "NaN"),
        (largest == np.inf, "infinity"),
        (largest == -np.inf, "a row of nothing but -infinity"),
    ):
        if found.any():
            raise ValueError(f"{who}: expected scores below infinity, one of each row finite, got {text}")


def _scores(
    who: str, step: Step, tokens: np.ndarray, state: Any, alive: np.ndarray
) -> tuple[np.ndarray, Any]:
    """Log probabilities (N, V), float64, of the next token. alive (N,): rows whose scores count; what the
    model says of the others, behind their end, may be anything."""
    scores, state = step(tensor(tokens), state)
    x = np.asarray(scores.detach() if isinstance(scores, Tensor) else scores, np.float64)
    if x.ndim != 2 or len(x) != len(tokens) or x.shape[1] == 0:
        raise ValueError(f"{who}: expected step to return scores of shape ({len(tokens)}, V), got {x.shape}")
    largest = x.max(1)
    if not np.isfinite(largest).all():
        _check_largest(who, largest[alive])
        x = np.where(np.isfinite(largest)[:, None], x, 0.0)
    return _log_softmax(x), state


def _log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max(1, keepdims=True)
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def _pick(state: Any, rows: np.ndarray, axis: int) -> Any:
    """The rows of every Tensor in the state, in this order."""
    if isinstance(state, Tensor):
        return state.index_select(axis, tensor(rows))
    if isinstance(state, dict):
        return {k: _pick(v, rows, axis) for k, v in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(_pick(v, rows, axis) for v in state))
    if isinstance(state, (tuple, list)):
        return type(state)(_pick(v, rows, axis) for v in state)
    return state


@no_grad()
def greedy_search(
    step: Step, state: Any, start: int | Sequence[int] | Tensor, end: int | None, max_length: int
) -> list[Hypothesis]:
    """The likeliest token at each step, until `end` or max_length.

    Args:
      step, state: the model, see above.
      start: the first token, one per row. end: the token that ends a row; None: there is none.

    Returns one Hypothesis per row.
    """
    tokens = _first("greedy_search", start, end, max_length)
    rows: list[list[int]] = [[] for _ in tokens]
    score, alive = np.zeros(len(tokens)), np.ones(len(tokens), bool)
    for _ in range(max_length):
        logs, state = _scores("greedy_search", step, tokens, state, alive)
        tokens = logs.argmax(1)
        score += np.where(alive, logs[np.arange(len(tokens)), tokens], 0.0)
        alive &= tokens != end
        for i in np.flatnonzero(alive):
            rows[i].append(int(tokens[i]))
        if not alive.any():
            break
    return [Hypothesis(row, float(s)) for row, s in zip(rows, score, strict=True)]


@no_grad()
def beam_search(
    step: Step,
    state: Any,
    start: int | Sequence[int] | Tensor,
    end: int,
    max_length: int,
    beam_width: int = 5,
    length_penalty: float = 0.0,
    n_best: int = 1,
    state_axis: int = 0,
) -> list[list[Hypothesis]]:
    """Keeps the beam_width best beginnings of every row, until nothing better can come.

    Args:
      step, state: the model, see above; step is called with N * beam_width rows.
      start: the first token, one per row. end: the token that ends a sequence.
      beam_width: 1 is greedy_search. n_best: how many to return, at most beam_width.
      length_penalty: scores are divided by ((5 + length) / 6) ** length_penalty (Wu and others 2016); 0:
        not at all, larger prefers longer sequences. The end counts in the length.

    Raises ValueError for scores without a softmax: NaN, infinity, or a row of nothing but -infinity.

    Returns, per row, up to n_best Hypotheses, the best first. What has not ended after max_length tokens
    counts as it is. A row's result does not depend on the other rows.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import decode
      >>> chances = np.array([[0, 0.6, 0.4, 0], [0, 0.3, 0.3, 0.4], [0, 0, 0.1, 0.9], [1, 0, 0, 0]])
      >>> table = loopnest.tensor(np.log(chances + 1e-9))
      >>> step = lambda tokens, state: (table[tokens], state)
      >>> decode.greedy_search(step, None, 0, 3, 5)[0].tokens  # 0.6 * 0.4
      [1]
      >>> decode.beam_search(step, None, 0, 3, 5)[0][0].tokens  # 0.4 * 0.9
      [2]
    """
    if not 1 <= n_best <= beam_width:
        raise ValueError(f"beam_search: expected beam_width >= n_best >= 1, got {beam_width} and {n_best}")
    if end is None:
        raise ValueError("beam_search: expected end to be the token that ends a sequence, got None")
    begin = _first("beam_search", start, end, max_length)
    if not len(begin):
        raise ValueError("beam_search: expected at least one row, got an empty start")
    n, w = len(begin), beam_width
    tokens = np.repeat(begin, w)
    state = _pick(state, np.repeat(np.arange(n), w), state_axis)
    score = np.full((n, w), -np.inf)
    score[:, 0] = 0.0  # all beams of a row begin alike: one of them is enough
    written: list[list[list[int]]] = [[[] for _ in range(w)] for _ in range(n)]
    ended: list[list[Hypothesis]] = [[] for _ in range(n)]
    done = np.zeros(n, bool)

    def penalty(length: int) -> float:
        return ((5 + length) / 6) ** length_penalty

    def keep(row: Any, found: Hypothesis) -> None:
        ended[row] = sorted([*ended[row], found], key=lambda h: -h.score)[:w]

    for length in range(1, max_length + 1):
        alive = (score > -np.inf) & ~done[:, None]
        logs, state = _scores("beam_search", step, tokens, state, alive.reshape(-1))
        vocabulary = logs.shape[1]
        if end >= vocabulary:
            raise ValueError(f"beam_search: expected end in 0 ... {vocabulary - 1}, got {end}")
        total = (score[:, :, None] + logs.reshape(n, w, vocabulary)).reshape(n, -1)
        come_from, token = np.tile(np.arange(w), (n, 1)), np.full((n, w), end)
        for row in np.flatnonzero(~done):
            best = _largest(total[row], 2 * w)
            going: list[tuple[float, int, int]] = []
            for place in best:
                value, beam, next_token = total[row, place], place // vocabulary, place % vocabulary
                if value == -np.inf or len(going) == w:
                    break
                if next_token == end:
                    keep(row, Hypothesis(written[row][beam], float(value) / penalty(length)))
                else:
                    going.append((float(value), int(beam), int(next_token)))
            written[row] = [[*written[row][beam], t] for _, beam, t in going]
            score[row] = -np.inf
            for k, (value, beam, t) in enumerate(going):
                score[row, k], come_from[row, k], token[row, k] = value, beam, t
            # Scores only fall; the most that a longer one can still reach is today's under its best penalty.
            hope = score[row].max() / penalty(max_length if length_penalty > 0 else length)
            done[row] = not going or (len(ended[row]) == w and ended[row][-1].score >= hope)
        if done.all():
            break
        state = _pick(state, (come_from + w * np.arange(n)[:, None]).reshape(-1), state_axis)
        tokens = token.reshape(-1)
    for row in np.flatnonzero(~done):
        for k, beginning in enumerate(written[row]):
            keep(row, Hypothesis(beginning, float(score[row, k]) / penalty(max_length)))
    return [found[:n_best] for found in ended]


def _largest(x: np.ndarray, k: int) -> np.ndarray:
    """The places of the k largest, in falling order, equal ones in their own order."""
    if k < len(x):
        least = np.partition(x, len(x) - k)[len(x) - k]
        near = np.flatnonzero(x >= least)
    else:
        near = np.arange(len(x))
    return near[np.argsort(-x[near], kind="stable")][:k]


def sample_logits(
    logits: Tensor | np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: Any = None,
) -> Tensor:
    """One token per row, drawn by its chance.

    Args:
      logits: (N, V) or (V,) scores before softmax.
      temperature: scores are divided by it; 0 takes the likeliest, infinity any that is not -infinity.
      top_k: only the k likeliest. top_p: only the likeliest that together have the chance p (Holtzman and
        others 2020), after top_k.
      generator: loopnest.Generator or numpy.random.Generator; None: the default one.

    Returns int64, (N,) or (). Raises ValueError for NaN, infinity, and a row of nothing but -infinity.

    Example:
      >>> import loopnest
      >>> from loopnest import decode
      >>> decode.sample_logits(loopnest.tensor([[0.0, 9.0, 1.0]]), top_k=1).tolist()
      [1]
    """
    x = np.asarray(logits.detach() if isinstance(logits, Tensor) else logits, np.float64)
    if x.ndim not in (1, 2) or x.shape[-1] == 0:
        raise ValueError(f"sample_logits: expected logits of shape (N, V) or (V,), got {x.shape}")
    if not temperature >= 0:
        raise ValueError(f"sample_logits: expected temperature >= 0, got {temperature}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"sample_logits: expected top_k of at least 1, got {top_k}")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"sample_logits: expected top_p in (0, 1], got {top_p}")
    rows = x.reshape(-1, x.shape[-1])
    largest = rows.max(1)
    _check_largest("sample_logits", largest)
    if temperature == 0:
        return tensor(rows.argmax(1).reshape(x.shape[:-1]))
    order = np.argsort(-rows, 1, kind="stable")
    # Below the largest, so that no temperature overflows; -infinity stays, also divided by infinity.
    below = np.take_along_axis(rows, order, 1) - largest[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.where(below == -np.inf, -np.inf, below / temperature)
    chances = np.exp(_log_softmax(scaled))  # falling
    if top_k is not None:
        chances[:, top_k:] = 0.0
        chances /= chances.sum(1, keepdims=True)
    if top_p is not None:
        before = np.cumsum(chances, 1) - chances
        chances[before >= top_p] = 0.0  # the first never is: 0 before it
    edges = np.cumsum(chances, 1)
    source = default_generator() if generator is None else getattr(generator, "numpy", generator)
    drawn = source.random((len(rows), 1)) * edges[:, -1:]
    at = np.minimum((edges <= drawn).sum(1), (chances > 0).sum(1) - 1)
    return tensor(order[np.arange(len(rows)), at].reshape(x.shape[:-1]))


@no_grad()
def sample(
    step: Step,
    state: Any,
    start: int | Sequence[int] | Tensor,
    end: int | None,
    max_length: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: Any = None,
) -> list[Hypothesis]:
    """Sequences drawn token by token (sample_logits), until `end` or max_length; arguments as
    greedy_search's.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import decode
      >>> table = loopnest.tensor(np.eye(4, k=1) * 50)
      >>> decode.sample(lambda t, s: (table[t], s), None, start=0, end=3, max_length=9)[0].tokens
      [1, 2]
    """
    tokens = _first("sample", start, end, max_length)
    rows: list[list[int]] = [[] for _ in tokens]
    score, alive = np.zeros(len(tokens)), np.ones(len(tokens), bool)
    for _ in range(max_length):
        logs, state = _scores("sample", step, tokens, state, alive)
        tokens = sample_logits(logs, temperature, top_k, top_p, generator).numpy()
        score += np.where(alive, logs[np.arange(len(tokens)), tokens], 0.0)
        alive &= tokens != end
        for i in np.flatnonzero(alive):
            rows[i].append(int(tokens[i]))
        if not alive.any():
            break
    return [Hypothesis(row, float(s)) for row, s in zip(rows, score, strict=True)]


def ctc_greedy_decode(log_probs: Tensor, input_lengths: Any = None, blank: int = 0) -> list[list[int]]:
    """The likeliest label at each step, with repetitions and then blanks taken out.

    Args:
      log_probs: (T, N, C) or (T, C). input_lengths: N whole numbers; None: T.

    Returns one list of labels per sequence.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import decode
      >>> path = np.array([1, 1, 0, 1, 2])
      >>> decode.ctc_greedy_decode(loopnest.tensor(np.log(np.eye(3)[path] + 1e-9)))
      [[1, 1, 2]]
    """
    return ctc.greedy(log_probs, input_lengths, blank)


def ctc_beam_decode(
    log_probs: Tensor,
    input_lengths: Any = None,
    beam_width: int = 16,
    blank: int = 0,
    n_best: int = 1,
    cutoff_top_n: int = 40,
) -> list[list[Hypothesis]]:
    """Prefix beam search: the label sequences with the largest sums over their alignments (Hannun and
    others 2014).

    Args:
      log_probs: (T, N, C) or (T, C), from log_softmax. input_lengths: N whole numbers; None: T.
      beam_width: prefixes kept at each step. n_best: how many to return, at most beam_width.
      cutoff_top_n: at each step only so many of the likeliest labels may be added.

    Returns, per sequence, up to n_best Hypotheses, the best first.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import decode
      >>> two_steps = loopnest.tensor(np.log([[0.4, 0.6], [0.6, 0.4]]))
      >>> decode.ctc_greedy_decode(two_steps, blank=1)  # the best path, blank 0: 0.6 * 0.6
      [[0]]
      >>> best = decode.ctc_beam_decode(two_steps, blank=1)[0][0]  # 00, 0 blank, blank 0: 0.24 + 0.16 + 0.36
      >>> best.tokens, round(float(np.exp(best.score)), 2)
      ([0], 0.76)
    """
    found = ctc.beam_search(log_probs, input_lengths, blank, beam_width, n_best, cutoff_top_n)
    return [[Hypothesis(tokens, score) for tokens, score in row] for row in found]
