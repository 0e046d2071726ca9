"""autograd.Function: backward passes of one's own, and what they may keep, give and get."""

import gc
import weakref

import numpy as np
import pytest

import loopnest
from loopnest import nn, tensor
from loopnest.autograd import Function, gradcheck

RNG = np.random.default_rng(0)


class Scaled(Function):
    """a * x * y, of whose arguments one is a number."""

    @staticmethod
    def forward(ctx, x, y, a=2.0):
        ctx.save_for_backward(x, y)
        ctx.a = a
        return x * y * a

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        assert not x.requires_grad
        return (g * y * ctx.a if ctx.needs_input_grad[0] else None), g * x * ctx.a, None


class Polar(Function):
    """Two outputs, in the other style."""

    @staticmethod
    def forward(x, y):
        return (x * x + y * y).sqrt(), loopnest.atan2(y, x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[0])

    @staticmethod
    def backward(ctx, dr, da):
        x, y, r = ctx.saved_tensors
        return dr * x / r - da * y / (r * r), dr * y / r + da * x / (r * r)


def test_gradients():
    given = [tensor(RNG.uniform(0.5, 2, (3, 4)), requires_grad=True) for _ in range(2)]
    assert gradcheck(lambda x, y: Scaled.apply(x, y, 3.0), given)
    assert gradcheck(lambda x, y: Polar.apply(x, y)[0] * 2 + Polar.apply(x, y)[1], given)
    assert gradcheck(lambda x, y: Polar.apply(x, y)[1], given)
    y = Scaled.apply(given[0], given[1].detach(), 3.0)
    assert y.grad_fn.name() == "ScaledBackward"
    y.sum().backward()
    np.testing.assert_allclose(given[0].grad.numpy(), 3 * given[1].detach().numpy())


def test_as_torch():
    torch = pytest.importorskip("torch")

    def written(library):
        class Odd(library.autograd.Function):
            @staticmethod
            def forward(ctx, x, k):
                ctx.save_for_backward(x)
                ctx.k = k
                at = x.argmax(1)
                ctx.mark_non_differentiable(at)
                return x.clamp(-k, k), at

            @staticmethod
            def backward(ctx, g, nothing):
                (x,) = ctx.saved_tensors
                assert nothing.shape == (3,)
                return g * (1 - (x / ctx.k) ** 2) + nothing.sum(), None

        return Odd

    a, found = RNG.normal(size=(3, 4)), []
    for library, make in ((loopnest, tensor), (torch, torch.tensor)):
        x = make(a, requires_grad=True)
        y, at = written(library).apply(x * 2, 1.5)
        assert y.requires_grad and not at.requires_grad and not y.is_leaf
        (y * y).sum().backward()
        found.append((y.detach().numpy(), at.numpy(), x.grad.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_outputs_without_gradients():
    class Two(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, first, second):
            seen.append((first is not None, second is not None))
            return second * 3, None

    seen = []
    x = tensor([1.0], requires_grad=True)
    Two.apply(x, True)[1].backward()
    Two.apply(x, False)[1].backward()
    assert seen == [(True, True), (False, True)] and x.grad.tolist() == [6]


def test_a_result_that_is_the_input():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = tensor([2.0], requires_grad=True)
    y = Same.apply(x)
    assert y is not x and not y.is_leaf
    (y + x).backward()
    assert x.grad.tolist() == [6]


def test_where_nothing_is_recorded():
    x = tensor([1.0, 2.0])
    assert Scaled.apply(x, x).is_leaf
    leaf = tensor([1.0], requires_grad=True)
    with loopnest.no_grad():
        assert not Scaled.apply(leaf, leaf).requires_grad
    fast = loopnest.compile(lambda x: Scaled.apply(x, x, 0.5) + x, x)
    assert fast(tensor([3.0, 4.0])).tolist() == [7.5, 12]


def test_in_a_module_that_learns():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.gain = nn.Linear(3, 4), nn.Parameter(np.ones(4, np.float32))

        def forward(self, x):
            return Scaled.apply(self.first(x), self.gain, 1.0)

    net = Net()
    net(loopnest.ones(2, 3)).sum().backward()
    assert all(p.grad is not None and p.grad.shape == p.shape for p in net.parameters())


def test_a_gradient_of_a_broadcast_argument_is_summed():
    x, y = tensor(RNG.normal(size=(3, 4)), requires_grad=True), tensor(RNG.normal(size=4), requires_grad=True)
    Scaled.apply(x, y).sum().backward()
    np.testing.assert_allclose(y.grad.numpy(), 2 * x.detach().numpy().sum(0))


def test_what_was_changed_or_freed_meanwhile():
    x = tensor([1.0, 2.0], requires_grad=True)
    z = x * 1
    y = Scaled.apply(z, z)
    z.detach().mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()
    y = Scaled.apply(x, x)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        y.sum().backward()


def test_nothing_is_kept_for_ever():
    x = tensor([1.0, 2.0], requires_grad=True)
    r, _ = Polar.apply(x, x)  # which keeps an output
    gone = weakref.ref(r)
    node = r.grad_fn
    del r, node, _
    gc.collect()
    assert gone() is None


def bad(result):
    class Bad(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return result(g)

    x = tensor([1.0, 2.0], requires_grad=True)
    return Bad.apply(x, x).sum().backward()


def test_mistakes_are_told():
    for result, kind, text in (
        (lambda g: g, RuntimeError, "2 gradients"),
        (lambda g: (g, g, g), RuntimeError, "got 3"),
        (lambda g: (loopnest.ones(3), g), RuntimeError, "index 0"),
        (lambda g: (g, 1.0), TypeError, "index 1"),
    ):
        with pytest.raises(kind, match=text):
            bad(result)
    bad(lambda g: (g, g, None))  # PyTorch lets None follow

    class Half(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x

    with pytest.raises(NotImplementedError, match="backward"):
        Half.apply(tensor([1.0]))
    Half.backward = staticmethod(lambda ctx, g: g)
    with pytest.raises(ValueError, match="new Tensors"):
        Half.apply(tensor([1.0]))
    with pytest.raises(TypeError, match="attributes"):
        loopnest.differentiable.FunctionCtx().save_for_backward(3)
