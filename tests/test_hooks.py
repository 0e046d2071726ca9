"""Tensor.register_hook and autograd.grad."""

import gc
import weakref

import numpy as np
import pytest

import loopnest
from loopnest import autograd, nn, tensor


def test_a_hook_sees_and_changes_a_gradient():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = y.register_hook(lambda g: g * 10)
    (y * y).sum().backward(retain_graph=True)
    assert seen == [[6, 12]] and x.grad.tolist() == [180, 360]
    handle.remove()
    handle.remove()
    x.grad = None
    (y * y).sum().backward()
    assert x.grad.tolist() == [18, 36]


def test_a_hook_of_a_leaf_gets_the_whole_gradient_once(torch):
    for lib in (loopnest, torch):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        seen = []

        def hook(g, seen=seen):
            seen.append(g.tolist())
            return g * 2

        handle = x.register_hook(hook)
        (x * 3 + x * x).sum().backward()
        assert seen == [[5, 7]] and x.grad.tolist() == [10, 14]
        handle.remove()
        (x * 3).sum().backward()
        assert seen == [[5, 7]] and x.grad.tolist() == [13, 17]


def test_a_leaf_with_hooks_goes_away():
    x = tensor([1.0], requires_grad=True)
    x.register_hook(lambda g: None)
    y = x * 2
    gone = weakref.ref(x)
    del x, y
    gc.collect()
    assert gone() is None


def test_hooks_before_relu_that_waits():
    x = tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32), requires_grad=True)
    bn, seen = nn.BatchNorm2d(3), []
    y = bn(x)
    y.register_hook(lambda g: seen.append(g.numpy().copy()))
    z = y.relu()
    z.sum().backward()
    np.testing.assert_array_equal(seen[0], (y.detach().numpy() > 0).astype(np.float32))


def test_a_hook_must_keep_the_shape():
    x = tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    y.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="require"):
        tensor([1.0]).register_hook(print)


def test_grad_gives_gradients_and_changes_none(torch):
    found = []
    for lib in (loopnest, torch):
        x = lib.tensor([1.0, 2.0], requires_grad=True)
        w = lib.tensor([3.0, 4.0], requires_grad=True)
        x.grad = lib.tensor([7.0, 7.0])
        h = x * w
        y = (h * h).sum()
        z = h.sum()
        gradients = lib.autograd.grad([y, z], [x, h], retain_graph=True)
        (weighted,) = lib.autograd.grad(h, w, grad_outputs=lib.tensor([1.0, -1.0]))
        assert x.grad.tolist() == [7, 7] and w.grad is None
        found.append([g.tolist() for g in (*gradients, weighted)])
    assert found[0] == found[1]


def test_grad_of_what_is_not_used():
    x, w = tensor([1.0], requires_grad=True), tensor([1.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="allow_unused"):
        autograd.grad((x * 2).sum(), [x, w])
    assert autograd.grad((x * 2).sum(), [x, w], allow_unused=True)[1] is None
    assert autograd.grad((x * 2).sum(), [w], materialize_grads=True)[0].tolist() == [0]
    with pytest.raises(ValueError, match="create_graph"):
        autograd.grad((x * 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="require"):
        autograd.grad((x * 2).sum(), tensor([1.0]))


def test_backward_hooks_of_a_module_as_torch(torch):
    found = []
    for lib in (loopnest, torch):
        layer = lib.nn.Linear(3, 2)
        with lib.no_grad():
            layer.weight.copy_(lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
        seen = []

        def hook(module, grad_input, grad_output, seen=seen):
            seen.append([g.tolist() for g in (*grad_input, *grad_output)])
            return (grad_input[0] * 2,)

        handle = layer.register_full_backward_hook(hook)
        x = lib.tensor([[1.0, -1.0, 0.5]], requires_grad=True)
        y = layer(x * 1)
        (y * lib.tensor([[1.0, 3.0]]) + y).sum().backward()
        first = x.grad.tolist()
        handle.remove()
        layer(x).sum().backward()
        found.append((seen, first, x.grad.tolist(), layer.weight.grad.tolist()))
    assert found[0] == found[1] and len(found[0][0]) == 1


def test_backward_hooks_where_no_input_requires_grad(torch):
    for lib in (loopnest, torch):
        layer, seen = lib.nn.Linear(3, 2), []
        layer.register_full_backward_hook(lambda m, gi, go, seen=seen: seen.append((gi, go[0].tolist())))
        layer(lib.ones(1, 3)).sum().backward()
        assert seen == [((None,), [[1.0, 1.0]])]
        with lib.no_grad():
            layer(lib.ones(1, 3))


def test_backward_hooks_of_a_layer_before_relu_that_waits():
    bn, seen = nn.BatchNorm2d(3), []
    bn.register_full_backward_hook(lambda m, gi, go: seen.append((gi[0].shape, go[0].numpy().copy())))
    x = tensor(np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32), requires_grad=True)
    y = bn(x)
    y.relu().sum().backward()
    assert seen[0][0] == (2, 3, 4, 4)
    np.testing.assert_array_equal(seen[0][1], (y.detach().numpy() > 0).astype(np.float32))


def test_backward_hooks_replace_the_gradient_of_one_input_only():
    class Sum(nn.Module):
        def forward(self, a, b):
            return a + b

    module, a, b = Sum(), tensor([1.0], requires_grad=True), tensor([2.0], requires_grad=True)
    module.register_full_backward_hook(lambda m, gi, go: gi)
    with pytest.raises(ValueError, match="one input"):
        module(a, b).sum().backward()


@pytest.mark.parametrize("wants", [True, False])
def test_backward_pre_hooks_of_a_module_as_torch(torch, wants):
    found = []
    for lib in (loopnest, torch):
        layer, seen = lib.nn.Linear(3, 1), []
        with lib.no_grad():
            layer.weight.copy_(lib.tensor([[1.0, 2.0, 3.0]]))

        def note(name, new, seen=seen):
            def hook(module, *grads):
                seen.append((name, [[None if g is None else g.tolist() for g in each] for each in grads]))
                return new(*grads)

            return hook

        layer.register_full_backward_hook(note("after", lambda gi, go: None))
        layer.register_full_backward_pre_hook(note("doubled", lambda go: (go[0] * 2,)))
        handle = layer.register_full_backward_pre_hook(note("removed", lambda go: go))
        layer.register_full_backward_pre_hook(note("first", lambda go: None), prepend=True)
        handle.remove()
        x = lib.tensor([[1.0, -1.0, 0.5]], requires_grad=wants)
        layer(x).sum().backward()
        found.append((seen, x.grad.tolist() if wants else None, layer.weight.grad.tolist()))
    assert found[0] == found[1] and [name for name, _ in found[0][0]] == ["first", "doubled", "after"]


@pytest.mark.parametrize("used", [(0, 1), (0,), (1,)])
@pytest.mark.parametrize("wants", [True, False])
def test_backward_pre_hooks_of_several_outputs_as_torch(torch, wants, used):
    """They see all gradients at once, None where an output is not used, and may replace them."""
    found = []
    for lib in (loopnest, torch):

        class Two(lib.nn.Module):
            def __init__(self, lib=lib):
                super().__init__()
                self.scale = lib.nn.Parameter(lib.tensor([1.0, 1.0]))

            def forward(self, x):
                return x * self.scale * 3, x * self.scale * 5

        module, seen = Two(), []

        def before(module, grads, seen=seen):
            seen.append(("before", [None if g is None else g.tolist() for g in grads]))
            return tuple(None if g is None else g * 2 for g in grads)

        def after(module, grad_input, grad_output, seen=seen):
            seen.append(("after", [None if g is None else g.tolist() for g in grad_output]))

        module.register_full_backward_pre_hook(before)
        module.register_full_backward_hook(after)
        x = lib.tensor([1.0, 2.0], requires_grad=wants)
        for _ in range(2):
            outputs = module(x)
            sum((outputs[k] * (k + 1)).sum() for k in used).backward()
        found.append((seen, x.grad.tolist() if wants else None, module.scale.grad.tolist()))
    assert found[0] == found[1] and len(found[0][0]) == 4


def test_backward_pre_hooks_keep_what_forward_gives():
    lstm, seen = nn.LSTM(2, 3), []
    lstm.register_full_backward_pre_hook(lambda m, go: seen.append([g.shape for g in go]))
    y, (h, c) = lstm(tensor(np.ones((4, 1, 2), np.float32)))
    assert type(h) is type(c) is loopnest.Tensor
    (y.sum() + c.sum()).backward()
    assert seen == [[(4, 1, 3)]] and lstm.weight_hh_l0.grad is not None
    with loopnest.no_grad():
        lstm(tensor(np.ones((4, 1, 2), np.float32)))


def test_a_backward_pre_hook_that_gives_too_much():
    layer = nn.Linear(2, 1)
    layer.register_full_backward_pre_hook(lambda m, go: go * 2)
    with pytest.raises(ValueError, match="1 gradients, one for each output, got 2 from a hook of Linear"):
        layer(loopnest.ones(1, 2)).sum().backward()


def test_graphs_of_a_leaf_with_hooks_come_and_go():
    x = tensor([1.0, 2.0], requires_grad=True)
    kept = []
    x.register_hook(lambda g: kept.append(g))
    for k in range(3000):
        y = (x * 3).sum()
        if k % 3:  # also graphs that nobody goes back through
            y.backward()
        if k % 500 == 0:
            del y
            gc.collect()
    assert len(kept) == 2000 and x.grad.tolist() == [6000, 6000]
