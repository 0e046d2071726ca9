"""The bench: what it calls the truth is true, rivals compute the same, and nobody is left out silently."""

from __future__ import annotations

import json

import numpy as np
import pytest

from loopnest import bench, reference, shapes
from loopnest.bench import families, rivals
from loopnest.bench.cases import Convolution, Recurrent

CONVOLUTIONS = [
    "conv2d n2 ic6 ih9 iw8 oc4 kh3 kw2 s_h2 s_w1 p1 d_h1 d_w2 g2",
    "conv2d n1 ic3 ih8 iw8 oc5 kh3 kw3 p1",
    "conv2d n2 ic8 ih5 iw5 oc8 kh3 kw3 p1 g8",
    "conv1d n2 ic5 il20 oc6 kl3 p4 q0 d2",
    "conv1d n1 ic4 il21 oc6 kl4 s2 p1",
    "conv3d n1 ic5 id4 ih5 iw6 oc4 kd3 kh2 kw1 p_d1 p_h0 p_w0 s_d1 s_h2 s_w1",
    "conv_transpose2d n2 ic6 ih5 iw4 oc5 kh4 kw3 s2 p1 o1",
    "conv_transpose2d n1 ic5 ih5 iw5 oc3 kh2 kw2 s2",
    "conv_transpose1d n1 ic6 il7 oc5 kl4 s2 p1",
]
RECURRENT = ["lstm t5 n3 i7 h6", "gru t5 n3 i7 h6", "rnn t4 n2 i3 h5", "lstm t1 n1 i8 h8", "gru t1 n1 i8 h8"]


def parsed(text: str) -> shapes.Shape:
    return shapes.parse(*text.split(" ", 1))


def test_truth_is_the_references():
    s = parsed(CONVOLUTIONS[0])
    case = Convolution(s)
    y = reference.conv2d(case.x, case.w, case.b, s.stride, s.pads, s.dilation, s.g)
    assert case.error([y]) < 1e-12
    dx = reference.conv2d_backward_input(s.x, case.w, case.dy, s.stride, s.pads, s.dilation, s.g)
    dw, db = reference.conv2d_backward_weight(case.x, s.w, case.dy, s.stride, s.pads, s.dilation, s.g)
    assert case.gradient_error([dx, dw, db]) < 1e-12
    for wrong in ([dx * 1.01, dw, db], [dx, dw * 1.01, db], [dx, dw, db * 1.01], [dx, dw, db * np.nan]):
        assert case.gradient_error(wrong) > 1e-3
    assert case.error([y + 1]) > 1e-2 and case.error([y[:1]]) == float("inf")


def test_truth_of_an_lstm_is_the_references():
    case = Recurrent(parsed("lstm t3 n2 i4 h5"))
    y = reference.lstm(case.x, case.w_ih, case.w_hh, case.b_ih, case.b_hh)[0]
    assert case.error([y]) < 1e-12 and case.error([y + 1]) > 0.1


@pytest.mark.parametrize("name", rivals.NAMES)
def test_rivals_compute_the_same(name):
    """Every configuration of every rival that is installed, on every kind of shape that it can do."""
    module, why = rivals.load(name)
    if module is None:
        pytest.skip(f"{name}: {why}")
    done = 0
    for text in [*CONVOLUTIONS, *RECURRENT]:
        recurrent = not text.startswith("conv")
        case = Recurrent(parsed(text)) if recurrent else Convolution(parsed(text))
        for kind in ("recurrent", "recurrent_train") if recurrent else ("convolution", "convolution_train"):
            if not hasattr(module, kind):
                continue
            try:
                candidates = getattr(module, kind)(case, 1)
            except rivals.Impossible:
                continue
            assert candidates
            for setting, candidate in candidates.items():
                candidate.repeat(1)
                result = candidate.result()
                if kind == "convolution_train":
                    assert case.gradient_error(result) < 1e-5, (text, setting)
                elif kind != "recurrent_train":
                    assert case.error(result) < 1e-5, (text, setting)
                done += 1
    assert done


def test_a_bench_with_nobody_to_compare_with(monkeypatch, tmp_path):
    """A rival that is not installed is named, with what to install."""
    monkeypatch.setattr(rivals, "load", lambda name: (None, "not installed: pip install 'loopnest[rivals]'"))
    seen = []
    facts = bench.convolutions(CONVOLUTIONS[1], rivals=["torch"], seconds=0.01, each=seen.append)
    assert "pip install" in facts["missing"]["torch"]
    (row,) = facts["rows"]
    assert seen == [row] and "ratio" not in row
    assert row["candidates"][0]["who"] == "loopnest" and row["candidates"][0]["error"] < 1e-5
    assert facts["families"] == [{"family": "first layers", "shapes": 1, "compared": 0}]


def test_a_bench_compares(monkeypatch, tmp_path):
    """A rival twice as slow is found to be so: here, ourselves with every run done twice."""
    from loopnest.bench import ours
    from loopnest.bench.timing import Candidate

    class Slow:
        @staticmethod
        def convolution(case, threads):
            (made,) = ours.convolution(case, threads).values()
            return {
                "twice": Candidate(
                    lambda n: [a + b for a, b in zip(made.repeat(n), made.repeat(n), strict=True)],
                    made.result,
                )
            }

    monkeypatch.setattr(rivals, "load", lambda name: (Slow, "1"))
    facts = bench.convolutions("conv2d n1 ic32 ih14 iw14 oc32 kh3 kw3 p1", rivals=["slow"], seconds=0.05)
    (line,) = facts["families"]
    assert line["worst_rival"] == "slow twice" and line["ratio"] > 1
    path = bench.save({**facts, "suite": "conv"}, tmp_path)
    again = bench.save({**facts, "suite": "conv"}, tmp_path)
    assert path == again and len(json.loads(path.read_text())["rows"]) == 1


def test_wrong_use_is_told():
    with pytest.raises(ValueError, match="no rival 'pytorch'"):
        rivals.load("pytorch")
    with pytest.raises(ValueError, match="there is no suite"):
        bench.convolutions("resnet")
    with pytest.raises(ValueError, match="threads"):
        bench.convolutions("conv", threads=10**6)
    with pytest.raises(ValueError, match="no shape of suite"):
        bench.convolutions("conv", only=["no such family"])


def test_suites_parse_and_have_families():
    for name in shapes.suites():
        for entry in shapes.load_suite(name):
            assert shapes.parse(entry.shape.op, str(entry.shape)) == entry.shape
            if isinstance(entry.shape, shapes.ConvShape):
                assert families.of_convolution(entry.shape, entry.family) in families.FORWARD
                assert families.of_convolution(entry.shape, entry.family, train=True) in families.TRAINING
            else:
                assert families.of_recurrent(entry.shape) == entry.family
    total = sum(e.times * e.shape.flop for e in shapes.load_suite("resnet50_b1"))
    assert 7.5e9 < total < 8.3e9  # the well-known 4 G multiply-adds, less what falls on padding


def test_a_suite_of_ones_own(tmp_path):
    file = tmp_path / "my own.txt"
    file.write_text("[mine]\nconv2d n1 ic3 ih8 iw8 oc4 kh3 kw3 x2 train  # why\n")
    facts = bench.convolutions(str(file), rivals=[], seconds=0.001)
    (row,) = facts["rows"]
    assert (row["shape"], row["times"], row["note"]) == ("conv2d n1 ic3 ih8 iw8 oc4 kh3 kw3", 2, "why")
    file.write_text("conv2d n1 icx\n")
    with pytest.raises(ValueError, match="icx"):
        shapes.load_suite(str(file))
    with pytest.raises(FileNotFoundError):
        shapes.load_suite(str(tmp_path / "other.txt"))


@pytest.mark.parametrize("train", [False, True])
def test_whole_networks(train):
    """LeNet-5 and a recurrent network beside PyTorch, where it is there: the same results, or gradients."""
    names = ["lenet5", "char-gru"] if train else ["lenet5"]
    facts = bench.whole_networks(names, batches=[2], rivals=["torch"], train=train, seconds=0.01)
    assert [row["shape"].split()[0] for row in facts["rows"]] == names
    for row in facts["rows"]:
        assert not row["cannot"] and row["flops"] > 1e5
        assert {c["who"] for c in row["candidates"]} == {"loopnest", *({"torch"} - set(facts["missing"]))}
        assert all(c["error"] < 1e-3 for c in row["candidates"]), row
    with pytest.raises(ValueError, match="there is no network"):
        bench.whole_networks(["alexnet"])
