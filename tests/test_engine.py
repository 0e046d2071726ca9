"""The engine: gradients against differences, PyTorch's semantics, memory, threads, bad input."""

import gc
import threading

import numpy as np
import pytest
from loopnest.engine import conv, losses, tape
from loopnest.engine.tape import Tensor, from_numpy, no_grad, tensor

from loopnest.autograd import GradcheckError, gradcheck


def leaf(*shape, seed=0, low=-1.0, high=1.0):
    return tensor(np.random.default_rng(seed).uniform(low, high, shape), requires_grad=True)


# ------------------------------------------------------------------------------
# Gradients: every operator, float64, against central differences

UNARY = {
    "neg": lambda x: -x,
    "add scalar": lambda x: 3 + x,
    "sub scalar": lambda x: 3 - (x - 1),
    "mul scalar": lambda x: x * 2.5,
    "div scalar": lambda x: 2 / (x + 3) + x / 4,
    "pow 2": lambda x: x**2,
    "pow 3.5": lambda x: (x + 2) ** 3.5,
    "rpow": lambda x: 2.0**x,
    "exp": lambda x: x.exp(),
    "log": lambda x: (x + 2).log(),
    "sqrt": lambda x: (x + 2).sqrt(),
    "abs": lambda x: x.abs(),
    "clamp": lambda x: x.clamp(-0.5, 0.5),
    "relu": lambda x: x.relu(),
    "sigmoid": lambda x: x.sigmoid(),
    "tanh": lambda x: x.tanh(),
    "sum": lambda x: x.sum(),
    "sum 1": lambda x: x.sum(1),
    "sum keepdim": lambda x: x.sum(dim=(0, 2), keepdim=True),
    "mean": lambda x: x.mean(),
    "mean -1": lambda x: x.mean(-1),
    "var": lambda x: x.var(1),
    "std": lambda x: x.std(),
    "max": lambda x: x.max(),
    "max 1": lambda x: x.max(1)[0],
    "min keepdim": lambda x: x.min(2, keepdim=True).values,
    "softmax": lambda x: tape.softmax(x, 1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "reshape": lambda x: x.reshape(4, -1),
    "view": lambda x: x.view((2, 12)),
    "flatten": lambda x: x.flatten(1),
    "transpose": lambda x: x.transpose(0, 2) * 2,
    "permute": lambda x: x.permute(1, 2, 0) * 2,
    "T": lambda x: x[0].T * 2,
    "squeeze": lambda x: x[:1].squeeze(0),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "expand": lambda x: x[:, :1].expand(2, 3, 4) * 2,
    "contiguous": lambda x: x.transpose(0, 1).contiguous(),
    "clone": lambda x: x.clone(),
    "flip": lambda x: x.flip(0, 2),
    "getitem int": lambda x: x[1],
    "getitem slice": lambda x: x[:, ::2, 1:],
    "getitem none": lambda x: x[None, ..., 0],
    "getitem list": lambda x: x[[0, 1, 0]],
    "getitem mask": lambda x: x[x.detach() > 0],
    "getitem tensors": lambda x: x[tensor([0, 1]), tensor([2, 2])],
    "unbind": lambda x: x.unbind(1),
    "split": lambda x: x.split(2, 2),
    "chunk": lambda x: x.chunk(2, -1),
    "cat": lambda x: tape.cat([x, x * 2, x[:1]], 0),
    "stack": lambda x: tape.stack([x, x * 2], -1),
    "where": lambda x: tape.where(x.detach() > 0, x, x * 3),
    "same dtype": lambda x: x.double(),
    "branches": lambda x: x * x + x * x.exp() - x,
    "iteration": lambda x: sum(row * i for i, row in enumerate(x)),
}


@pytest.mark.parametrize("name", UNARY)
def test_gradient_of_one_tensor(name):
    assert gradcheck(UNARY[name], leaf(2, 3, 4))


@pytest.mark.parametrize(
    "shapes", [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 3)), ((1,), (2, 3)), ((), (2, 3)), ((), ())]
)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "pow"])
def test_gradient_of_two_tensors(name, shapes):
    operator = getattr(Tensor, f"__{name}__")
    a, b = leaf(*shapes[0], low=0.5, high=2), leaf(*shapes[1], seed=1, low=0.5, high=2)
    assert gradcheck(lambda a, b: operator(a, b), (a, b))


@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 3), (3, 4)),
        ((3,), (3,)),
        ((2, 3), (3,)),
        ((3,), (3, 2)),
        ((5, 2, 3), (3, 4)),
        ((2, 1, 2, 3), (4, 3, 2)),
        ((2, 3), (3, 1)),
    ],
)
def test_gradient_of_matmul(shapes):
    assert gradcheck(lambda a, b: a @ b, (leaf(*shapes[0]), leaf(*shapes[1], seed=1)))


@pytest.mark.parametrize("lead", [(), (4,), (2, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_gradient_of_linear(lead, bias):
    inputs = [leaf(*lead, 5), leaf(3, 5, seed=1)] + [leaf(3, seed=2)] * bias
    assert gradcheck(tape.linear, inputs)


CONV = [
    ((2, 3, 5, 6), (4, 3, 3, 2), {}),
    ((2, 4, 5, 5), (6, 2, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ((1, 2, 7, 6), (2, 2, 3, 2), {"stride": (2, 1), "padding": (2, 0), "dilation": (2, 3)}),
    ((1, 3, 4, 4), (3, 1, 3, 3), {"padding": "same", "groups": 3}),
    ((2, 2, 4, 5), (2, 2, 2, 4), {"padding": "same"}),
    ((2, 2, 4, 4), (2, 2, 1, 1), {"padding": "valid"}),
    ((2, 4, 4), (4, 1, 2, 2), {"groups": 2}),
]


@pytest.mark.parametrize(("x", "w", "options"), CONV)
@pytest.mark.parametrize("bias", [True, False])
def test_gradient_of_conv2d(x, w, options, bias):
    inputs = [leaf(*x), leaf(*w, seed=1)] + [leaf(w[0], seed=2)] * bias
    assert gradcheck(lambda *a: conv.conv2d(*a, **options), inputs)


@pytest.mark.parametrize("wanted", range(1, 8))
def test_only_the_wanted_gradients(wanted):
    x, w, b = leaf(2, 3, 4, 4), leaf(2, 3, 3, 3, seed=1), leaf(2, seed=2)
    y = conv.conv2d(x, w, b, padding=1)
    y.sum().backward()
    full = [t.grad.numpy().copy() for t in (x, w, b)]
    for bit, t in enumerate((x, w, b)):
        t.grad = None
        t.requires_grad = bool(wanted >> bit & 1)
    conv.conv2d(x, w, b, padding=1).sum().backward()
    for bit, t in enumerate((x, w, b)):
        if wanted >> bit & 1:
            np.testing.assert_allclose(t.grad.numpy(), full[bit], rtol=1e-12)
        else:
            assert t.grad is None


POOLS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": (2, 3), "stride": (1, 2), "ceil_mode": True},
]


@pytest.mark.parametrize("options", [*POOLS, {"kernel_size": 2, "dilation": 2}])
def test_gradient_of_max_pool2d(options):
    assert gradcheck(lambda x: tape.max_pool2d(x, **options), leaf(2, 2, 6, 5))
    assert gradcheck(lambda x: tape.max_pool2d(x, **options), leaf(2, 6, 5))


@pytest.mark.parametrize(
    "options",
    [
        *POOLS,
        {"kernel_size": 3, "padding": 1, "count_include_pad": False},
        {"kernel_size": 2, "divisor_override": 3},
    ],
)
def test_gradient_of_avg_pool2d(options):
    assert gradcheck(lambda x: tape.avg_pool2d(x, **options), leaf(2, 2, 6, 5))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smooth", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (3,), (2, 3, 2, 2)])
def test_gradient_of_cross_entropy(shape, weighted, smooth, reduction):
    rng = np.random.default_rng(3)
    rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
    target = tensor(np.asarray(rng.integers(0, 3, rows)))
    if len(shape) > 1:
        with no_grad():
            target[0] = -100
    weight = tensor([0.5, 1.0, 2.0], dtype=np.float64) if weighted else None
    assert gradcheck(
        lambda x: losses.cross_entropy(x, target, weight, reduction=reduction, label_smoothing=smooth),
        leaf(*shape),
    )


def test_gradient_of_cross_entropy_by_probabilities():
    target = tensor(np.random.default_rng(0).dirichlet(np.ones(3), 4))
    assert gradcheck(lambda x: losses.cross_entropy(x, target, label_smoothing=0.1), leaf(4, 3))


def test_gradient_of_embedding():
    index = tensor([[1, 2, 1], [0, 3, 3]])
    assert gradcheck(lambda w: tape.embedding(index, w), leaf(5, 2))
    w = leaf(5, 2)
    tape.embedding(index, w, padding_idx=-2).sum().backward()
    assert w.grad.tolist() == [[1, 1], [2, 2], [1, 1], [0, 0], [0, 0]]


def test_gradient_of_dropout():
    x = leaf(40, 50)
    tape.manual_seed(0)
    y = tape.dropout(x, 0.25)
    y.sum().backward()
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 0.05
    np.testing.assert_allclose(x.grad.numpy(), kept / 0.75)
    assert tape.dropout(x, 0.5, training=False) is x
    assert tape.dropout(x, 1.0).sum().item() == 0


def test_gradcheck_notices_a_wrong_gradient():
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x * x.detach(), leaf(3))
    assert not gradcheck(lambda x: x * x.detach(), leaf(3), raise_exception=False)


def test_gradcheck_leaves_gradients_as_they_were():
    """Of the inputs and of what else the function uses: the same objects with the same numbers."""
    x, bystander, fresh = leaf(2, 3), leaf(3, seed=1), leaf(3, seed=2)
    (x.sum() + bystander.sum()).backward()
    grads = x.grad, bystander.grad
    assert gradcheck(lambda a: (a * bystander + fresh, bystander, a * a), x)
    with pytest.raises(RuntimeError, match="inplace"):
        gradcheck(spoiled, x)
    assert x.grad is grads[0] and bystander.grad is grads[1] and fresh.grad is None
    assert (x.grad.numpy() == 1).all() and (bystander.grad.numpy() == 1).all()


def spoiled(a):
    """A result whose backward raises."""
    y = a * 1.0
    z = y * y
    with tape.no_grad():
        y.add_(1.0)
    return z


@pytest.mark.parametrize("op", ["relu", "sigmoid", "tanh"])
@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (1, 2, 1, 2, 1, 2, 1, 2)])
def test_activations_of_any_rank(op, shape):
    x = leaf(*shape)
    y = getattr(tape, op)(x)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad.shape == shape


def test_activation_of_a_strided_view():
    x = leaf(4, 6)
    assert gradcheck(lambda x: x[::2, ::-2].T.tanh(), x)
    assert gradcheck(lambda x: x.reshape(1, 2, 3, 4).permute(0, 3, 1, 2).relu() * x.reshape(1, 4, 2, 3), x)


# ------------------------------------------------------------------------------
# Semantics


def test_tensor_copies_and_from_numpy_shares():
    a = np.zeros(3, np.float32)
    t, s = tensor(a), from_numpy(a)
    a[0] = 1
    assert t.tolist() == [0, 0, 0] and s.tolist() == [1, 0, 0]
    assert np.asarray(s) is a and s.numpy() is a and np.shares_memory(np.array(s, copy=False), a)


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        (1, np.int64),
        (True, np.bool_),
        ([1, 2.0], np.float32),
        ([1, 2], np.int64),
        (np.zeros(2), np.float64),
        ([np.float64(1)], np.float64),
        ([[True]], np.bool_),
    ],
)
def test_dtype_of_new_tensors(data, dtype):
    assert tensor(data).dtype == dtype


def test_what_a_tensor_says_of_itself():
    t = tape.zeros(2, 3)
    assert t.shape == (2, 3) == t.size() and t.size(-1) == 3
    assert t.ndim == 2 and t.numel() == 6 and len(t) == 2
    assert t.is_leaf and not t.requires_grad and t.grad is None and t.grad_fn is None
    assert tensor(2.5).item() == 2.5 and float(tensor(2.5)) == 2.5 and int(tensor(2)) == 2
    assert tensor([1, 2])[tensor(1)].item() == 2
    assert repr(tensor([1.0, 2.5])) == "tensor([1.0000, 2.5000])"
    assert repr(tensor([1.0, 2.0], requires_grad=True)) == "tensor([1., 2.], requires_grad=True)"
    assert repr(tensor([1, 2])) == "tensor([1, 2])"
    assert repr(tensor(0.5)) == "tensor(0.5000)"
    assert repr(tensor(np.zeros(1))) == "tensor([0.], dtype=float64)"
    assert "grad_fn=<MulBackward>" in repr(tensor([1.0], requires_grad=True) * 2)
    assert [x.item() for x in tensor([1, 2])] == [1, 2]
    assert hash(t) == hash(t) and t in {t}


def test_gradients_accumulate():
    x = tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    assert x.grad is first and x.grad.tolist() == [5, 7]
    x.grad = None
    (x + x).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_gradients_of_two_leaves_do_not_share_memory():
    x, y = tape.ones(3, requires_grad=True), tape.ones(3, requires_grad=True)
    z = x + y
    z.backward(tape.ones(3))
    x.grad.mul_(5)
    assert y.grad.tolist() == [1, 1, 1]
    g = tape.ones(3)
    x.grad = None
    x.backward(g)
    x.grad.mul_(2)
    assert g.tolist() == [1, 1, 1]


def test_gradient_taken_by_a_leaf_is_not_changed_by_the_next():
    x = tape.ones(3, requires_grad=True)
    h = x * 1
    (h + x).sum().backward()  # one array goes to x.grad and to h
    assert x.grad.tolist() == [2, 2, 2]
    x.grad = None
    y = x.reshape(3, 1)
    (y + x.reshape(3, 1)).backward(tape.ones(3, 1))
    assert x.grad.tolist() == [2, 2, 2]


def test_backward_twice():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()
    z = (x + 1).sum()
    z.backward()
    z.backward()  # nothing was kept, so nothing was freed


def test_backward_needs_a_scalar_or_a_gradient():
    x = tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="scalar"):
        (x * 2).backward()
    with pytest.raises(ValueError, match=r"\(2,\)"):
        (x * 2).backward(tape.ones(3))
    (x * 2).backward(tape.ones(2))
    assert x.grad.tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="does not require grad"):
        tape.ones(1).backward()


def test_in_place_changes_are_noticed():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with no_grad():
        x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        y.backward()
    h = x * 2
    z = h.tanh()
    z.detach().zero_()  # detach shares the version counter
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        z.sum().backward()
    with pytest.raises(RuntimeError, match="leaf"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="leaf"):
        x[0] = 1.0
    x = tape.zeros(3)
    x[1] = 5
    x += 1
    x[:1] = tensor([7.0])
    assert x.tolist() == [7, 6, 1]


def test_grad_mode():
    x = tape.ones(2, requires_grad=True)
    with no_grad():
        assert not tape.is_grad_enabled()
        assert not (x * 2).requires_grad
        with tape.enable_grad():
            assert (x * 2).requires_grad
    assert tape.is_grad_enabled()

    @no_grad()
    def f():
        return x * 2

    assert not f().requires_grad and (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        1 / 0  # noqa: B018
    assert tape.is_grad_enabled()
    with tape.set_grad_enabled(False):
        assert not tape.is_grad_enabled()
    assert tape.is_grad_enabled()


def test_requires_grad():
    x = tape.ones(2)
    x.requires_grad = True
    y = x * 2
    assert y.requires_grad and not y.is_leaf and not y.detach().requires_grad
    with pytest.raises(RuntimeError):
        y.requires_grad = False
    with pytest.raises(RuntimeError, match="floating"):
        tensor([1], requires_grad=True)
    with pytest.raises(RuntimeError, match="detach"):
        y.numpy()
    y.retain_grad()
    y.sum().backward()
    assert y.grad.tolist() == [1, 1]


def test_long_chain_neither_recurses_nor_leaks():
    x = tensor([1.0], requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1]
    z = x
    for _ in range(20_000):
        z = z * 1.0
    del y, z  # freed without a backward


def test_branches_and_closures_chain():
    x = tensor([1.0], requires_grad=True)
    y = x
    for _ in range(5_000):
        y = tape.cat([y, y])[:1].exp().log()
    y.backward()
    np.testing.assert_allclose(x.grad.numpy(), [1], rtol=0.05)
    del y


def test_promotion():
    f, d, i, b = tape.ones(2), tensor(np.ones(2)), tensor([1, 2]), tensor([True, False])
    for t in (f + 1, f + 1.5, f + i, i + f, i + 0.5, i / i, f * tensor(np.float64(2)), f * np.float64(2)):
        assert t.dtype == np.float32
    for t in (i + 1, b + i, b + 1, i.sum(), b.sum()):
        assert t.dtype == np.int64
    assert (f + d).dtype == np.float64
    assert (i > 1).dtype == np.bool_ and (i == 1).tolist() == [True, False]
    a = np.ones(2, np.float32)
    assert isinstance(a + f, Tensor) and isinstance(f + a, Tensor) and (a * f).tolist() == [1, 1]


def test_memory_does_not_grow():
    from loopnest import _core

    rng = np.random.default_rng(0)
    x, t = tensor(rng.standard_normal((4, 1, 8, 8)).astype(np.float32)), tensor([0, 1, 2, 1])
    w, b = tape.randn(8, 1, 3, 3, requires_grad=True), tape.zeros(8, requires_grad=True)
    v = tape.randn(3, 8 * 16, requires_grad=True)

    def step():
        y = tape.max_pool2d(tape.relu(conv.conv2d(x, w, b, padding=1)), 2)
        loss = losses.cross_entropy(tape.linear(y.flatten(1), v), t)
        loss.backward()
        with no_grad():
            for p in (w, b, v):
                p.sub_(p.grad * 1e-3)
                p.grad = None

    def used():
        stats = _core.arena_stats() if hasattr(_core, "arena_stats") else {"used": 0, "system_calls": 0}
        return stats["used"], stats["system_calls"]

    for _ in range(10):
        step()
    gc.collect()
    before, objects = used(), len(gc.get_objects())
    for _ in range(1000):
        step()
    gc.collect()
    assert used() == before
    assert len(gc.get_objects()) <= objects + 50


def test_threads():
    """Each thread has its own grad mode and graphs; gradients of a shared leaf add up."""
    w = tensor(np.ones((3, 3)), requires_grad=True)
    failures = []

    def work(seed):
        try:
            x = leaf(5, 3, seed=seed)
            for _ in range(50):
                with no_grad():
                    assert not tape.linear(x, w).requires_grad
                tape.linear(x, w).tanh().sum().backward()
        except Exception as e:
            failures.append(e)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures and tape.is_grad_enabled()
    together = w.grad.numpy().copy()
    w.grad = None
    for i in range(4):
        work(i)
    np.testing.assert_allclose(together, w.grad.numpy(), rtol=1e-9)


# ------------------------------------------------------------------------------
# Bad input: an exception that says what, never a crash

f4, w4 = np.ones((1, 4, 5, 5)), np.ones((2, 4, 3, 3))


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: conv.conv2d(tensor(f4[0, 0]), tensor(w4)), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4[:, :3])), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), tensor(np.ones(3))), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4[0])), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4[0]), padding="same"), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), stride=0), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), stride=(1, 2, 3)), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), stride=1.5), TypeError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), stride=None), TypeError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), padding="full"), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), padding="same", stride=2), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), padding=-1), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), padding=10**30), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), padding=2**60), (ValueError, MemoryError)),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), dilation=2**62, padding="same"), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4), groups=3), ValueError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4.astype("f4"))), TypeError),
        (lambda: conv.conv2d(tensor(f4.astype("i8")), tensor(w4)), TypeError),
        (lambda: conv.conv2d(tensor(f4.astype("f2")), tensor(w4)), TypeError),
        (lambda: conv.conv2d(f4, w4), TypeError),
        (lambda: conv.conv2d(None, tensor(w4)), TypeError),
        (lambda: conv.conv2d(tensor(f4), tensor(w4[:, :, :0])), ValueError),
        (lambda: tape.linear(tensor(np.ones((2, 3))), tensor(np.ones((4, 2)))), ValueError),
        (lambda: tape.linear(tensor(np.ones((2, 3))), tensor(np.ones(3))), ValueError),
        (lambda: tape.linear(tensor(1.0), tensor(np.ones((2, 2)))), ValueError),
        (
            lambda: tape.linear(tensor(np.ones((2, 3))), tensor(np.ones((4, 3))), tensor(np.ones(5))),
            ValueError,
        ),
        (lambda: tape.matmul(tensor(np.ones((2, 3))), tensor(np.ones((2, 3)))), ValueError),
        (lambda: tape.matmul(tensor(np.ones((2, 2, 3))), tensor(np.ones((2, 3)))), ValueError),
        (lambda: tensor([1, 2]) @ tensor([1.0, 2.0]), TypeError),
        (lambda: tape.max_pool2d(tensor(f4), 0), ValueError),
        (lambda: tape.max_pool2d(tensor(f4), 9), ValueError),
        (lambda: tape.max_pool2d(tensor(f4), 2, padding=2), ValueError),
        (lambda: tape.max_pool2d(tensor(f4), 2, stride=0), ValueError),
        (lambda: tape.max_pool2d(tensor(f4[0, 0]), 2), ValueError),
        (lambda: tape.avg_pool2d(tensor(f4), 2, divisor_override=0), ValueError),
        (lambda: tape.avg_pool2d(tensor(f4.astype("i8")), 2), TypeError),
        (lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([0])), ValueError),
        (lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([0, 3])), IndexError),
        (lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([0, -1])), IndexError),
        (lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([True, False])), TypeError),
        (
            lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([0, 1]), tensor(np.ones(2))),
            ValueError,
        ),
        (lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([0, 1]), reduction="x"), ValueError),
        (
            lambda: losses.cross_entropy(tensor(np.ones((2, 3))), tensor([0, 1]), label_smoothing=2.0),
            ValueError,
        ),
        (lambda: losses.cross_entropy(tensor(np.ones((2, 0))), tensor([-100, -100])), ValueError),
        (lambda: tape.embedding(tensor([5]), tensor(np.ones((3, 2)))), IndexError),
        (lambda: tape.embedding(tensor([-1]), tensor(np.ones((3, 2)))), IndexError),
        (lambda: tape.embedding(tensor([1.0]), tensor(np.ones((3, 2)))), TypeError),
        (lambda: tape.embedding(tensor([1]), tensor(np.ones(3))), ValueError),
        (lambda: tape.embedding(tensor([1]), tensor(np.ones((3, 2))), padding_idx=7), ValueError),
        (lambda: tape.dropout(tensor(np.ones(3)), 1.5), ValueError),
        (lambda: tape.relu(tensor([1, 2])), TypeError),
        (lambda: tape.tanh(None), TypeError),
        (lambda: tape.ones(2, 3) + tape.ones(4), ValueError),
        (lambda: tape.ones(2, 3).reshape(4), ValueError),
        (lambda: tape.ones(2, 3).T.view(6), ValueError),
        (lambda: tape.ones(2, 3).sum(2), IndexError),
        (lambda: tape.ones(2, 3).sum((0, 0)), ValueError),
        (lambda: tape.ones(2, 3).permute(0, 0), ValueError),
        (lambda: tape.ones(2, 3)[5], IndexError),
        (lambda: tape.ones(2, 3).item(), ValueError),
        (lambda: tape.cat([]), ValueError),
        (lambda: tape.cat([tape.ones(2), tape.ones(2, 2)]), ValueError),
        (lambda: tape.stack([tape.ones(2), tape.ones(3)]), ValueError),
        (lambda: tensor("x"), TypeError),
        (lambda: tensor([1.0, "x"]), (TypeError, ValueError)),
        (lambda: tensor(1.0) + "x", TypeError),
        (lambda: tape.zeros(-1), ValueError),
        (lambda: bool(tape.ones(2)), ValueError),
        (lambda: len(tensor(1.0)), TypeError),
        (lambda: setattr(tape.ones(2), "grad", tape.ones(3)), ValueError),
        (lambda: setattr(tape.ones(2), "grad", 3), TypeError),
    ],
)
def test_bad_input(call, kind):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value)


def test_odd_but_allowed_input():
    assert Tensor.__new__(Tensor).shape == (0,)
    assert conv.conv2d(tape.ones(0, 4, 5, 5), tape.ones(2, 4, 3, 3)).shape == (0, 2, 3, 3)
    assert tape.linear(tape.ones(0, 3), tape.ones(2, 3)).shape == (0, 2)
    assert tape.linear(tape.ones(2, 0, 3), tape.ones(2, 3)).shape == (2, 0, 2)
    assert tape.embedding(tape.zeros(0, 2, dtype=np.int64), tape.ones(3, 4)).shape == (0, 2, 4)
    assert np.isnan(losses.cross_entropy(tape.ones(2, 3), tensor([-100, -100])).item())
    assert losses.cross_entropy(tape.ones(0, 3), tensor(np.zeros(0, np.int64)), reduction="sum").item() == 0
    swapped = np.ones((2, 3), ">f4")
    with pytest.raises(TypeError):
        tape.relu(from_numpy(swapped))
    packed = np.zeros(4, np.dtype([("a", "u1"), ("b", "f4")]))["b"]  # elements on odd addresses
    assert tape.relu(from_numpy(packed)).shape == (4,)
    backwards = from_numpy(np.arange(6.0)[::-1].reshape(2, 3)[:, ::-1])
    assert tape.linear(backwards, tensor(np.eye(3))).tolist() == backwards.tolist()


# ------------------------------------------------------------------------------
# Against PyTorch


def both(shape, seed=0, grad=True):
    torch = pytest.importorskip("torch")
    a = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return tensor(a, requires_grad=grad), torch.tensor(a, requires_grad=grad)


def same(ours, theirs, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=rtol, atol=atol)
    assert ours.shape == tuple(theirs.shape)


@pytest.mark.parametrize(
    ("x", "w", "options"),
    [
        *CONV,
        ((2, 8, 9, 9), (16, 8, 3, 3), {"padding": 1, "stride": 2}),
        ((1, 1, 28, 28), (8, 1, 5, 5), {"padding": 2}),
    ],
)
def test_conv2d_like_torch(x, w, options):
    torch = pytest.importorskip("torch")
    (x, tx), (w, tw), (b, tb) = both(x), both(w, 1), both(w[0], 2)
    y, ty = conv.conv2d(x, w, b, **options), torch.nn.functional.conv2d(tx, tw, tb, **options)
    same(y, ty)
    (y * y).sum().backward()
    (ty * ty).sum().backward()
    for a, c in ((x, tx), (w, tw), (b, tb)):
        same(a.grad, c.grad, 1e-3, 1e-3)


def test_cnn_like_torch():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    (x, tx), (w, tw) = both((3, 1, 12, 12), grad=False), both((8, 1, 3, 3), 1)
    (v, tv), (b, tb) = both((10, 8 * 25), 2), both(10, 3)
    for _ in range(2):  # the second time the gradients accumulate
        h = tape.max_pool2d(tape.relu(conv.conv2d(x, w)), 2).flatten(1)
        y = losses.cross_entropy(tape.linear(h, v, b), tensor([1, 2, 3]), label_smoothing=0.1)
        th = F.max_pool2d(F.relu(F.conv2d(tx, tw)), 2).flatten(1)
        ty = F.cross_entropy(F.linear(th, tv, tb), torch.tensor([1, 2, 3]), label_smoothing=0.1)
        same(y, ty)
        y.backward()
        ty.backward()
    for a, c in ((w, tw), (v, tv), (b, tb)):
        same(a.grad, c.grad)


def test_indices_and_shapes_like_torch():
    torch = pytest.importorskip("torch")
    x, tx = both((2, 3, 7, 7))
    y, i = tape.max_pool2d(x, 3, 2, 1, return_indices=True)
    ty, ti = torch.nn.functional.max_pool2d(tx, 3, 2, 1, return_indices=True)
    same(y, ty)
    assert (i.numpy() == ti.numpy()).all()
    for f in (
        lambda t: t.sum((1, 2), keepdim=True),
        lambda t: t.mean(-1),
        lambda t: t.max(2)[0],
        lambda t: t.argmax(1),
        lambda t: t.argmax(),
        lambda t: t.std(0),
        lambda t: t.permute(3, 0, 2, 1).flatten(1, 2),
        lambda t: t.squeeze().unsqueeze(-1),
        lambda t: t[..., None, 0],
        lambda t: t[:, [0, 2]],
        lambda t: 1 - t / 2,
        lambda t: (t > 0).sum(),
    ):
        same(f(x), f(tx))
