"""AdaptiveLogSoftmaxWithLoss: log probabilities of all classes, as torch's, with its gradients."""

import copy

import numpy as np
import pytest

import loopnest
from loopnest import nn, tensor
from loopnest.autograd import gradcheck
from loopnest.planning import NotPlannable

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(7, 8)), np.array([0, 19, 4, 5, 9, 10, 3])


def made(module=nn, **options):
    return module.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0, **options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("head_bias", [False, True])
def test_it_is_a_softmax_over_all_classes(head_bias, dtype):
    layer = made(head_bias=head_bias, dtype=dtype)
    x = tensor(X.astype(dtype))
    logs = layer.log_prob(x).detach().numpy()
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(np.exp(logs).sum(1), 1, rtol=rtol)
    output, loss = layer(x, tensor(Y))
    np.testing.assert_allclose(output.detach().numpy(), logs[np.arange(7), Y], rtol=rtol)
    np.testing.assert_allclose(loss.item(), -logs[np.arange(7), Y].mean(), rtol=rtol)
    np.testing.assert_array_equal(layer.predict(x).numpy(), logs.argmax(1))
    one = layer(x[1], tensor(np.array(19)))
    assert one.output.shape == () and abs(one.output.item() - output[1].item()) < 1e-5


def test_as_torch():
    torch = pytest.importorskip("torch")
    ours, theirs = made(dtype=np.float64), made(torch.nn, dtype=torch.float64)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    x, z = tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    ours(x, tensor(Y)).loss.backward()
    theirs(z, torch.tensor(Y)).loss.backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-9, atol=1e-12)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(
        ours.log_prob(x).detach().numpy(), theirs.log_prob(z).detach().numpy(), rtol=1e-9
    )
    np.testing.assert_array_equal(ours.predict(x).numpy(), theirs.predict(z).numpy())


def test_gradient_and_copies():
    layer = made(dtype=np.float64)
    assert gradcheck(lambda x: layer(x, tensor(Y)).output, tensor(X, requires_grad=True))
    again = copy.deepcopy(layer)
    first, second = (m(tensor(X), tensor(Y)).output for m in (layer, again))
    assert first.tolist() == second.tolist()
    layer.reset_parameters()
    assert (again.head.weight != layer.head.weight).any()
    empty = layer(tensor(X[:0]), tensor(Y[:0]))
    assert empty.output.shape == (0,) and np.isnan(empty.loss.item())


def test_compiled_or_refused():
    layer, x = made().eval(), tensor(X.astype("f"))
    fast = loopnest.compile(layer.log_prob, x)
    np.testing.assert_allclose(fast(x).numpy(), layer.log_prob(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    with pytest.raises(NotPlannable):
        loopnest.compile(layer, x, tensor(Y))


def test_mistakes_are_told():
    layer, x = made(dtype=np.float64), tensor(X)
    for call in (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, []),
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [10, 5]),
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [20]),
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5], div_value=0.0),
        lambda: layer(x, tensor(Y[:3])),
        lambda: layer(x[0], tensor(Y)),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    with pytest.raises(IndexError, match="expected targets"):
        layer(x, tensor(Y + 1))
    with pytest.raises(TypeError, match="int64"):
        layer(x, tensor(Y * 1.0))
