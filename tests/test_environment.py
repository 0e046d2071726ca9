"""Devices, dtypes, memory, other libraries' arrays; random numbers of several distributions."""

import copy
import math
import pickle

import numpy as np
import pytest

import loopnest
from loopnest import nn, tensor

X = np.random.default_rng(0).normal(size=(2, 3, 4, 5))


def test_the_only_device():
    cpu = loopnest.device("cuda" if loopnest.cuda.is_available() else "cpu")
    assert cpu.type == "cpu" and cpu.index is None and cpu == "cpu" == tensor(X).device
    assert repr(cpu) == "'cpu'" and loopnest.device("cpu:0").index == 0
    assert copy.deepcopy(cpu) == cpu and pickle.loads(pickle.dumps(loopnest.device("cpu", 1))).index == 1
    x = tensor(X)
    assert x.to(cpu) is x and x.to(x.device) is x and nn.Linear(2, 2).to(cpu).weight.device == cpu
    assert loopnest.zeros(2, device=cpu).shape == (2,)
    for wrong in ("cuda", "cuda:0", "cpu:x", 0):
        with pytest.raises(ValueError, match="CPU"):
            loopnest.device(wrong)
    assert loopnest.cuda.device_count() == 0 and loopnest.cuda.manual_seed_all(1) is None


def test_dtypes():
    assert loopnest.promote_types("int64", "float32") == np.float32 == loopnest.get_default_dtype()
    assert loopnest.promote_types(loopnest.int8, loopnest.uint8) == np.int16
    assert loopnest.result_type(tensor([1]), 1.5) == np.float32
    assert loopnest.result_type(tensor([1.0]), tensor(np.array(2.0))) == np.float32
    assert loopnest.result_type(1, 2) == np.int64
    assert (
        loopnest.finfo(loopnest.float32).eps == np.finfo("f").eps
        and loopnest.iinfo(loopnest.int16).max == 32767
    )
    for first, second, right in (
        ("f8", "f4", True),
        ("f4", "i8", False),
        ("i8", "?", False),
    ):
        assert loopnest.can_cast(np.dtype(first), np.dtype(second)) is right
    x = tensor([1.5])
    assert (x.byte().dtype, x.char().dtype, x.short().dtype) == (np.uint8, np.int8, np.int16)
    assert loopnest.is_floating_point(x) and not loopnest.is_complex(x) and x.is_signed()
    assert loopnest.is_nonzero(x) and not tensor([0]).is_nonzero()
    assert loopnest.is_same_size(x, x + 1) and not x.is_same_size(tensor([1, 2]))


def test_what_torch_says_of_dtypes():
    torch = pytest.importorskip("torch")
    kinds = ["float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]
    for a in kinds:
        for b in kinds:
            one, other = getattr(torch, a), getattr(torch, b)
            assert str(torch.promote_types(one, other)) == f"torch.{loopnest.promote_types(a, b)}"
            assert torch.can_cast(one, other) == loopnest.can_cast(np.dtype(a), np.dtype(b)), (a, b)


def test_what_a_tensor_says_of_itself():
    x = tensor(X)
    assert x.nbytes == X.nbytes and x.itemsize == 8 and x.ndimension() == 4
    assert not x.is_cuda and x.is_cpu and not x.is_sparse and x.real is x
    assert x[0, 0].H.shape == x[0, 0].mH.shape == (5, 4)
    with pytest.raises(ValueError, match="matrix"):
        x.H  # noqa: B018
    assert x[1, 2].storage_offset() == 100 and x.storage_offset() == 0
    assert [t.item() for t in reversed(loopnest.arange(3))] == [2, 1, 0]
    y = x.requires_grad_() * 2
    assert not y.retains_grad
    y.retain_grad()
    assert y.retains_grad
    assert x.new_empty(2, 3).shape == (2, 3) and x.new_empty((2,)).dtype == np.float64
    assert tensor([1, 2]).tile(2, 2).tolist() == [[1, 2, 1, 2]] * 2
    assert tensor([1.0, 4.0]).apply_(math.sqrt).tolist() == [1, 2]


def test_memory_formats():
    x = tensor(X, requires_grad=True)
    y = x.contiguous(memory_format=loopnest.channels_last)
    np.testing.assert_array_equal(y.detach().numpy(), X)
    assert y.is_contiguous(memory_format=loopnest.channels_last) and not y.is_contiguous()
    assert y.contiguous(memory_format=loopnest.channels_last) is y and x.contiguous() is x
    y.sum().backward()
    assert (x.grad == 1).all()
    assert nn.Conv2d(3, 4, 3).to(memory_format=loopnest.channels_last)(x.float()).shape == (2, 4, 2, 3)
    for call in (
        lambda: x[0].contiguous(memory_format=loopnest.channels_last),
        lambda: x.contiguous(memory_format="rows"),
        lambda: x.is_contiguous(memory_format=loopnest.channels_last_3d),
    ):
        with pytest.raises(ValueError, match=r"memory_format|axes"):
            call()


def test_other_libraries_arrays():
    torch = pytest.importorskip("torch")
    theirs = torch.arange(4.0)
    ours = loopnest.from_dlpack(theirs)
    ours.mul_(2)
    assert theirs.tolist() == [0, 2, 4, 6]
    back = torch.from_dlpack(ours)
    back += 1
    assert ours.tolist() == [1, 3, 5, 7]
    with pytest.raises(RuntimeError):
        torch.from_dlpack(tensor([1.0], requires_grad=True))


def test_arrays_and_buffers():
    a = np.zeros(3)
    assert loopnest.asarray(a).fill_(2).tolist() == a.tolist()
    assert loopnest.asarray(a, copy=True).fill_(5).tolist() != a.tolist()
    assert loopnest.asarray([1.0, 2.0], requires_grad=True).requires_grad
    assert loopnest.asarray(a, dtype=np.float32).dtype == np.float32
    with pytest.raises(ValueError, match="copy"):
        loopnest.asarray([1, 2], copy=False)
    memory = bytearray(np.arange(4, dtype=np.int32).tobytes())
    x = loopnest.frombuffer(memory, dtype=loopnest.int32, count=2, offset=4)
    x.fill_(9)
    assert np.frombuffer(memory, np.int32).tolist() == [0, 9, 9, 3]


def test_seeds():
    loopnest.manual_seed(11)
    assert loopnest.initial_seed() == 11
    first = loopnest.seed()
    assert loopnest.initial_seed() == first != loopnest.seed()


MOMENTS = {  # the mean and the variance that they must have
    "uniform_": ((-1.0, 3.0), 1.0, 16 / 12),
    "normal_": ((2.0, 3.0), 2.0, 9.0),
    "bernoulli_": ((0.3,), 0.3, 0.21),
    "exponential_": ((2.0,), 0.5, 0.25),
    "geometric_": ((0.25,), 4.0, 12.0),
    "log_normal_": ((0.0, 0.5), math.exp(0.125), (math.exp(0.25) - 1) * math.exp(0.25)),
    "random_": ((2, 8), 4.5, 35 / 12),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", MOMENTS)
def test_distributions(name, dtype):
    arguments, mean, variance = MOMENTS[name]
    loopnest.manual_seed(5)
    x = tensor(np.zeros((300, 200), dtype))
    view = x.T
    assert getattr(view, name)(*arguments) is view
    a = x.numpy().astype(float)
    assert abs(a.mean() - mean) < 5 * math.sqrt(variance / a.size) and abs(a.var() / variance - 1) < 0.06
    own = [
        getattr(tensor(np.zeros(5)), name)(*arguments, generator=loopnest.Generator().manual_seed(1)).tolist()
        for _ in range(2)
    ]
    assert own[0] == own[1]
    leaf = tensor(np.zeros(3), requires_grad=True)
    with pytest.raises(RuntimeError):
        getattr(leaf, name)(*arguments)


def test_other_distributions():
    loopnest.manual_seed(5)
    heavy = np.sort(loopnest.zeros(9999).cauchy_(1.0, 2.0).numpy())
    assert abs(heavy[4999] - 1) < 0.2 and abs(heavy[7499] - 3) < 0.4
    counts = loopnest.poisson(tensor(np.full(9999, 3.0)))
    assert counts.dtype == np.float64 and abs(counts.mean().item() - 3) < 0.1
    wins = loopnest.binomial(loopnest.full((9999,), 10.0), tensor(0.3))
    assert abs(wins.mean().item() - 3) < 0.1 and wins.max().item() <= 10
    assert loopnest.randint_like(loopnest.zeros(50), 2, 4).unique().tolist() == [2, 3]
    assert tensor(np.zeros(50, np.int64)).random_(3).max().item() == 2
    assert tensor(np.zeros(50)).random_().max().item() > 2**40
    assert loopnest.zeros(50).bernoulli_(loopnest.ones(50)).sum().item() == 50
    assert loopnest.logspace(0, 3, 4, base=2, dtype=np.float64).tolist() == [1, 2, 4, 8]


def test_mistakes_are_told():
    x, whole = loopnest.zeros(3), tensor([1, 2])
    for call in (
        lambda: x.bernoulli_(1.5),
        lambda: x.exponential_(0.0),
        lambda: x.geometric_(1.0),
        lambda: x.log_normal_(0.0, 0.0),
        lambda: x.cauchy_(0.0, -1.0),
        lambda: x.random_(5, 5),
        lambda: loopnest.poisson(tensor([-1.0])),
        lambda: loopnest.binomial(tensor([1.0]), tensor([2.0])),
        lambda: loopnest.logspace(0, float("inf"), 3),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    for call in (whole.exponential_, whole.cauchy_, whole.log_normal_, lambda: x.uniform_(generator=3)):
        with pytest.raises(TypeError, match="expected"):
            call()
