"""Attention, greedy and beam search, sampling, CTC's decoders."""

import itertools

import numpy as np
import pytest

import loopnest
from loopnest import decode, nn, tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)


# ---- attention ----


def leaf(*shape):
    return tensor(RNG.normal(size=shape), requires_grad=True)


@pytest.mark.parametrize("kind", ["dot", "general", "additive", "luong", "bahdanau"])
def test_attention_by_the_formula(kind):
    look = nn.Attention(4, None if kind == "dot" else 3, kind, hidden_size=5, dtype=np.float64)
    query, memory = leaf(2, 3, 4), leaf(2, 6, look.memory_size)
    mask = tensor(np.arange(6) >= np.array([[4], [6]]))
    context, weights = look(query, memory, mask)
    q, m = query.detach().numpy(), memory.detach().numpy()
    arrays = {k: v.numpy() for k, v in look.state_dict().items()}
    if look.kind == "additive":
        a = q @ arrays["query_proj.weight"].T + arrays["query_proj.bias"]
        b = m @ arrays["memory_proj.weight"].T
        score = np.tanh(a[:, :, None] + b[:, None]) @ arrays["v.weight"][0]
    else:
        score = q @ (m if kind == "dot" else m @ arrays["memory_proj.weight"].T).swapaxes(1, 2)
    score[0, :, 4:] = -np.inf
    expected = np.exp(score - score.max(-1, keepdims=True))
    expected /= expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights.detach().numpy(), expected, rtol=1e-12)
    np.testing.assert_allclose(context.detach().numpy(), expected @ m, rtol=1e-12)
    assert gradcheck(lambda q, m: look(q[:, 0], m, mask)[0], (query, memory))
    one, _ = look(query[:, 1], memory, mask, look.prepare(memory))
    np.testing.assert_allclose(one.detach().numpy(), (expected @ m)[:, 1], rtol=1e-12)


def test_attention_over_nothing_is_zero_and_scale_divides():
    look = nn.Attention(4, scale=True)
    context, weights = look(loopnest.ones(1, 4), loopnest.ones(1, 3, 4), tensor([[True, True, True]]))
    assert weights.tolist() == [[0.0, 0.0, 0.0]] and context.tolist() == [[0.0] * 4]
    plain = nn.Attention(4)
    q, m = loopnest.rand(1, 4), loopnest.rand(1, 3, 4)
    np.testing.assert_allclose(look(q * 2, m)[1].numpy(), plain(q, m)[1].numpy(), rtol=1e-6)


def test_bad_attention():
    for call in (
        lambda: nn.Attention(4, 3),
        lambda: nn.Attention(4, kind="cosine"),
        lambda: nn.Attention(4, 0),
        lambda: nn.Attention(4, 4, "additive", hidden_size=0),
        lambda: nn.Attention(4)(loopnest.ones(2, 4), loopnest.ones(3, 5, 4)),
        lambda: nn.Attention(4)(loopnest.ones(2, 4), loopnest.ones(2, 5, 3)),
        lambda: nn.Attention(4)(loopnest.ones(2, 4), loopnest.ones(2, 5, 4), tensor([[True]])),
    ):
        with pytest.raises(ValueError):
            call()


# ---- searches: a Markov chain whose state counts the steps, so that wrong bookkeeping shows ----

END = 3


def chain(seed, vocabulary=4, steps=6):
    """log p(next | last, how many steps so far); the state is (N, 1), or (1, N, 1)."""
    logs = np.random.default_rng(seed).normal(size=(steps, vocabulary, vocabulary)) * 2
    return logs - np.log(np.exp(logs).sum(-1, keepdims=True))


def stepper(logs, axis=0):
    def step(tokens, state):
        at, owner = state["steps"], state["owner"]
        t = at.numpy().reshape(-1).astype(int)
        return tensor(logs[t, tokens.numpy()] + 0 * owner.numpy().reshape(-1, 1)), {
            "steps": at + 1,
            "owner": owner,
        }

    return step


def begin(n, axis=0):
    shape = (n, 1) if axis == 0 else (1, n, 1)
    return {"steps": loopnest.zeros(shape), "owner": loopnest.arange(n).float().reshape(shape)}


def by_all_sequences(logs, start, longest, alpha):
    """Every sequence that ends, or does not end within `longest` tokens, best first."""
    found = []
    for length in range(1, longest + 1):
        for body in itertools.product(range(END), repeat=length - 1):
            row = [start, *body, END]
            score = sum(logs[t, a, b] for t, (a, b) in enumerate(itertools.pairwise(row)))
            found.append((score / ((5 + length) / 6) ** alpha, list(body)))
    for body in itertools.product(range(END), repeat=longest):
        score = sum(logs[t, a, b] for t, (a, b) in enumerate(itertools.pairwise([start, *body])))
        found.append((score / ((5 + longest) / 6) ** alpha, list(body)))
    return sorted(found, key=lambda f: -f[0])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all(alpha, axis):
    for seed in range(4):
        logs = chain(seed)
        found = decode.beam_search(
            stepper(logs, axis), begin(3, axis), [0, 1, 2], END, 4, 200, alpha, n_best=5, state_axis=axis
        )
        for start in range(3):
            expected = by_all_sequences(logs, start, 4, alpha)[:5]
            assert [h.tokens for h in found[start]] == [body for _, body in expected]
            np.testing.assert_allclose([h.score for h in found[start]], [s for s, _ in expected], rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_is_greedy(seed):
    step = stepper(chain(seed))
    greedy = decode.greedy_search(step, begin(3), [0, 1, 2], END, 6)
    beams = decode.beam_search(step, begin(3), [0, 1, 2], END, 6, beam_width=1)
    assert [h.tokens for h in greedy] == [row[0].tokens for row in beams]
    np.testing.assert_allclose([h.score for h in greedy], [row[0].score for row in beams])


def test_rows_do_not_know_each_other():
    step = stepper(chain(7))
    together = decode.beam_search(step, begin(3), [0, 1, 2], END, 6, 3, 0.6, n_best=3)
    for start in range(3):
        assert decode.beam_search(step, begin(1), start, END, 6, 3, 0.6, n_best=3)[0] == together[start]


def test_searches_over_a_recurrent_layer():
    loopnest.manual_seed(0)
    lstm, out, table = nn.LSTM(3, 5), nn.Linear(5, 6), nn.Embedding(6, 3)

    def step(tokens, state):
        y, state = lstm(table(tokens).unsqueeze(0), state)
        return out(y[0]), state

    state = (loopnest.randn(1, 2, 5), loopnest.randn(1, 2, 5))
    best = decode.beam_search(step, state, [0, 0], 5, 7, 4, state_axis=1)
    for row in range(2):
        alone = tuple(s[:, row : row + 1] for s in state)
        again = decode.beam_search(step, alone, 0, 5, 7, 4, state_axis=1)
        assert again[0][0].tokens == best[row][0].tokens


def test_sampling_by_chance():
    logits = tensor(np.tile(np.log([0.1, 0.2, 0.3, 0.4]), (4000, 1)))
    generator = loopnest.Generator().manual_seed(1)

    def shares(**options):
        drawn = decode.sample_logits(logits, generator=generator, **options).numpy()
        return np.bincount(drawn, minlength=4) / len(drawn)

    def near(got, expected):
        expected = np.array(expected) / np.sum(expected)
        assert (np.abs(got - expected) <= 5 * np.sqrt(expected * (1 - expected) / 4000)).all()

    near(shares(), [1, 2, 3, 4])
    near(shares(temperature=0.5), [1, 4, 9, 16])
    near(shares(top_k=2), [0, 0, 3, 4])
    near(shares(top_p=0.65), [0, 0, 3, 4])
    near(shares(top_p=0.35), [0, 0, 0, 1])
    near(shares(top_k=3, top_p=0.5), [0, 0, 3, 4])
    assert shares(temperature=0)[3] == 1
    assert decode.sample_logits(logits[0], top_k=1).shape == ()


def test_sampled_sequences_repeat_by_seed():
    step = stepper(chain(3, steps=20))
    rows = [
        decode.sample(step, begin(2), [0, 1], END, 20, 1.5, generator=loopnest.Generator().manual_seed(4))
        for _ in range(2)
    ]
    assert rows[0] == rows[1] and all(END not in h.tokens for h in rows[0])


def test_temperatures_near_0_and_infinity():
    logits = tensor([[700.0, 2.0, 699.0, -np.inf]])
    for temperature in (5e-324, 1e-307, 1e-3):
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            assert decode.sample_logits(logits, temperature).tolist() == [0]
    many = tensor(np.tile(logits.numpy(), (4000, 1)))
    drawn = np.bincount(decode.sample_logits(many, float("inf")).numpy(), minlength=4) / 4000
    assert (np.abs(drawn - [1 / 3, 1 / 3, 1 / 3, 0]) <= [0.05, 0.05, 0.05, 0]).all()
    at_one = decode.sample_logits(many, generator=loopnest.Generator().manual_seed(1)).numpy()
    assert abs((at_one == 2).mean() - 1 / (1 + np.e)) <= 0.05


def test_what_a_model_says_behind_the_end_does_not_count():
    """Rows that have ended, and beams that hold nothing, are stepped with the others."""
    for behind in (np.nan, np.inf, -np.inf):
        logs = np.log([[0.1, 0.6, 0.2, 0.1], [0.1, 0.2, 0.1, 0.6], [0.3, 0.3, 0.3, 0.1], [0.25] * 4])
        logs[END] = behind

        def step(tokens, state, logs=logs):
            return tensor(logs[tokens.numpy()]), state

        greedy = decode.greedy_search(step, None, [0, 1, 2], END, 4)
        beams = decode.beam_search(step, None, [0, 1, 2], END, 4, 6, n_best=3)
        decode.beam_search(step, None, [0, 1, 2], END, 9, 1)  # rows are done at different times
        assert [h.tokens for h in greedy[:2]] == [[1], []]
        assert all(np.isfinite(h.score) for h in greedy) and [len(row) for row in beams] == [3, 3, 3]
        assert all(np.isfinite(h.score) for row in beams for h in row)
        assert len(decode.sample(step, None, [0, 1, 2], END, 30)) == 3


def constantly(value):
    return lambda tokens, state: (tensor(np.full((len(tokens), 4), value)), state)


BAD = {
    "beam": lambda: decode.beam_search(stepper(chain(0)), begin(1), 0, END, 3, 2, n_best=3),
    "length": lambda: decode.greedy_search(stepper(chain(0)), begin(1), 0, END, 0),
    "scores": lambda: decode.greedy_search(lambda t, s: (loopnest.zeros(3), s), None, 0, END, 3),
    "temperature": lambda: decode.sample_logits(loopnest.zeros(3), temperature=-1.0),
    "top_k": lambda: decode.sample_logits(loopnest.zeros(3), top_k=0),
    "top_p": lambda: decode.sample_logits(loopnest.zeros(3), top_p=0.0),
    "nan": lambda: decode.sample_logits(tensor([float("nan"), 0.0])),
    "infinity": lambda: decode.sample_logits(tensor([[0.0, float("inf")]])),
    "infinity at 0": lambda: decode.sample_logits(tensor([[0.0, float("inf")]]), temperature=0),
    "all -infinity": lambda: decode.sample_logits(tensor([[0.0, 1.0], [-float("inf")] * 2])),
    "beam nan": lambda: decode.beam_search(constantly(np.nan), None, 0, END, 3),
    "beam infinity": lambda: decode.beam_search(constantly(np.inf), None, 0, END, 3),
    "beam -infinity": lambda: decode.beam_search(constantly(-np.inf), None, 0, END, 3),
    "greedy nan": lambda: decode.greedy_search(constantly(np.nan), None, 0, END, 3),
    "sample -infinity": lambda: decode.sample(constantly(-np.inf), None, 0, END, 3),
    "beam start": lambda: decode.beam_search(constantly(0.0), None, [], END, 3),
    "beam end": lambda: decode.beam_search(constantly(0.0), None, 0, 4, 3),
    "beam no end": lambda: decode.beam_search(constantly(0.0), None, 0, None, 3),
    "ctc blank": lambda: decode.ctc_greedy_decode(loopnest.zeros(2, 3), blank=3),
    "ctc width": lambda: decode.ctc_beam_decode(loopnest.zeros(2, 3), beam_width=0),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    with pytest.raises(ValueError, match=r"^\w+: expected"):
        BAD[name]()


# ---- CTC ----


def by_all_paths(lp, blank):
    sums = {}
    for path in itertools.product(range(lp.shape[1]), repeat=lp.shape[0]):
        labels = tuple(k for k, _ in itertools.groupby(path) if k != blank)
        sums[labels] = sums.get(labels, 0.0) + np.exp(sum(lp[t, k] for t, k in enumerate(path)))
    return sorted(sums.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("blank", [0, 1])
@pytest.mark.parametrize("seed", range(5))
def test_a_wide_prefix_beam_sums_all_paths(seed, blank):
    lp = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), 6))
    found = decode.ctc_beam_decode(tensor(lp), beam_width=1000, blank=blank, n_best=20)[0]
    expected = by_all_paths(lp, blank)[:20]
    assert [tuple(h.tokens) for h in found] == [labels for labels, _ in expected]
    np.testing.assert_allclose(np.exp([h.score for h in found]), [p for _, p in expected], rtol=1e-9)


def test_a_prefix_beam_counts_a_prefix_once_where_chances_are_0():
    """A prefix in the beam may come to chance 0 by staying, and be reached by growing in the same step."""
    cases = [np.array([[0.4, 0.6], [1, 0], [0, 1], [0.5, 0.5]])]
    for _ in range(60):
        p = RNG.dirichlet(np.ones(3), 5) * (RNG.random((5, 3)) > 0.4)
        cases.append(p / p.sum(1, keepdims=True) if (p.sum(1) > 0).all() else p)
    for p in cases:
        with np.errstate(divide="ignore"):
            lp = np.log(p)
        expected = {labels: chance for labels, chance in by_all_paths(lp, 0) if chance > 0}
        found = [
            h for h in decode.ctc_beam_decode(tensor(lp), beam_width=300, n_best=300)[0] if h.score > -np.inf
        ]
        assert len(found) == len(expected)
        for h in found:
            assert abs(np.exp(h.score) - expected[tuple(h.tokens)]) <= 1e-12


def test_ctc_decoders_of_a_batch_with_lengths():
    lp = np.log(RNG.dirichlet(np.ones(5), (9, 3)))
    lengths = [9, 4, 0]
    greedy = decode.ctc_greedy_decode(tensor(lp), lengths)
    beams = decode.ctc_beam_decode(tensor(lp), lengths, beam_width=8, n_best=2)
    for i, n in enumerate(lengths):
        path = lp[:n, i].argmax(1)
        assert greedy[i] == [k for k, _ in itertools.groupby(path) if k != 0]
        assert beams[i] == decode.ctc_beam_decode(tensor(lp[:n, i]), beam_width=8, n_best=2)[0]
    assert greedy[2] == [] and beams[2][0] == ([], 0.0)
    sure = np.full((4, 3), -np.inf)
    sure[np.arange(4), [1, 0, 1, 2]] = 0.0
    assert decode.ctc_beam_decode(tensor(sure))[0][0] == ([1, 1, 2], 0.0)


def test_ctc_decoders_name_themselves_in_errors_of_lengths():
    for call, name in (
        (decode.ctc_greedy_decode, "ctc_greedy_decode"),
        (decode.ctc_beam_decode, "ctc_beam_decode"),
    ):
        for lengths, error in (([5], ValueError), ([1, 1], ValueError), ([1.0], TypeError)):
            with pytest.raises(error, match=f"^{name}: "):
                call(loopnest.zeros(4, 1, 3), lengths)


def test_ctc_beam_has_the_score_of_its_loss():
    """A beam that is wide enough knows -ctc_loss of what it finds."""
    import loopnest.nn.functional as F

    lp = np.log(RNG.dirichlet(np.ones(4), 7))
    for h in decode.ctc_beam_decode(tensor(lp), beam_width=3000, n_best=5)[0]:
        loss = F.ctc_loss(
            tensor(lp), tensor(np.array(h.tokens, np.int64)), [7], [len(h.tokens)], reduction="sum"
        )
        assert abs(float(loss) + h.score) < 1e-9
