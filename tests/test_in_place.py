"""Changes in place: elements and diagonals are views, + - * / are recorded, what backward needs stays."""

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F

tensor = loopnest.tensor


def leaf(*values):
    return tensor(values, dtype=np.float32, requires_grad=True)


def test_elements_are_views():
    z = loopnest.zeros(3)
    z[1].fill_(5)
    z[0].add_(1)
    z[tensor(2)].fill_(7)
    assert z.tolist() == [1, 5, 7]
    for v in z:
        v += 1
    assert z.tolist() == [2, 6, 8]


def test_diagonal_is_a_view():
    z = loopnest.zeros(2, 3)
    z.diagonal().fill_(1)
    z.diagonal(1).add_(2)
    assert z.tolist() == [[1, 2, 0], [0, 1, 2]]


@pytest.mark.parametrize(
    "name", ["add_", "sub_", "mul_", "div_", "__iadd__", "__isub__", "__imul__", "__itruediv__"]
)
def test_arithmetic_in_place_is_recorded(torch, name):
    gradients = []
    for make in (tensor, torch.tensor):
        h = make([1.0, 2.0], requires_grad=True)
        b = make([3.0, 5.0], requires_grad=True)
        x = h * 2
        same = x
        result = getattr(x, name)(b)
        assert result is x
        (same * same).sum().backward()
        gradients.append([*same.detach().tolist(), *h.grad.tolist(), *b.grad.tolist()])
    assert gradients[0] == pytest.approx(gradients[1])


def test_a_list_changes_in_place():
    hs = [leaf(1, 2) * 1, leaf(3, 4) * 1]
    for h in hs:
        h += 1
    assert [h.tolist() for h in hs] == [[2, 3], [4, 5]]


def test_a_number_becomes_part_of_the_graph():
    w, loss = leaf(2), loopnest.zeros(1)
    for _ in range(3):
        loss += w * w
    loss.backward()
    assert w.grad.item() == 12


def test_a_sum_that_waits_for_relu():
    x = tensor(np.random.default_rng(0).normal(size=(4, 3, 5, 5)).astype(np.float32), requires_grad=True)
    bn = loopnest.nn.BatchNorm2d(3)
    results = []
    for in_place in (True, False):
        x.grad = None
        y = bn(x)
        if in_place:
            y += x
        else:
            y = y + x
        z = F.relu(y)
        z.sum().backward()
        results.append((z.detach().numpy().copy(), x.grad.numpy().copy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_views_are_not_changed_behind_each_other():
    h = leaf(1, 2) * 1
    v = h[0]
    with pytest.raises(RuntimeError, match="view"):
        v *= 3
    with pytest.raises(RuntimeError, match="view"):
        h += 1
    del v
    h += 1  # nobody else looks at it any more
    assert h.tolist() == [2, 3]


def test_a_view_of_what_is_gone_may_change():
    x = (leaf(1, 2, 3, 4) * 1).reshape(2, 2)
    x += 1
    assert x.tolist() == [[2, 3], [4, 5]]


def test_in_place_keeps_shape_and_dtype():
    x = leaf(1) * 1
    with pytest.raises(ValueError, match="shape"):
        x += loopnest.ones(2, 1)
    y = leaf(1, 2) * 1
    y += tensor([1, 2])
    assert y.dtype == np.float32
    with pytest.raises(RuntimeError, match="leaf"):
        p = leaf(1)
        p += 1


def test_masks_may_change_before_backward():
    h, mask = loopnest.ones(3, requires_grad=True), tensor([False] * 3)
    x = h * 1
    for k in range(3):
        x = x.masked_fill(mask, 0.0) * 2
        mask[k] = True
    x.sum().backward()
    assert h.grad.tolist() == [0, 0, 8]


@pytest.mark.parametrize(
    "pick",
    [
        lambda x, i: x.gather(0, i),
        lambda x, i: x.index_select(0, i),
        lambda x, i: x[i],
        lambda x, i: x[:, None][i, 0],
        lambda x, i: x.scatter(0, i, loopnest.zeros(2)),
        lambda x, i: x.take_along_dim(i, 0),
    ],
)
def test_indices_may_change_before_backward(pick):
    gradients = []
    for change in (False, True):
        x, i = leaf(1, 2, 3), tensor([0, 2])
        y = (pick(x, i) * leaf(1, 2, 3)[: pick(x, i).shape[0]]).sum()
        if change:
            i.fill_(1)
        y.backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize(
    "reduce",
    [
        lambda x: x.norm(),
        lambda x: x.amax(),
        lambda x: x.max(),
        lambda x: x.logsumexp(0),
    ],
)
def test_results_of_reductions_may_change_before_backward(reduce):
    gradients = []
    for change in (False, True):
        x = leaf(1, 2, 3)
        y = reduce(x)
        z = y * 2
        if change:
            with loopnest.no_grad():
                y.fill_(-1)
        z.backward()
        gradients.append(x.grad.tolist())
    assert gradients[0] == gradients[1]


def test_targets_that_change_before_backward_are_an_error():
    x, target = leaf(1, 2, 3).reshape(1, 3), tensor([1])
    loss = F.cross_entropy(x, target)
    target.fill_(2)
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_weights_of_losses_may_change_before_backward():
    x, t, w = leaf(0.5, 0.25), tensor([1.0, 0.0]), tensor([1.0, 2.0])
    loss = F.binary_cross_entropy_with_logits(x, t, weight=w) + F.binary_cross_entropy(x, t, weight=w)
    w.fill_(0)
    loss.backward()
    assert np.all(np.abs(x.grad.numpy()) > 0.1)


@pytest.mark.parametrize("index", [0, slice(1, 3), (slice(None), 1), [2, 0], ..., "mask", (None, 1)], ids=str)
def test_setting_elements_is_recorded(torch, index):
    gradients = []
    for make in (tensor, torch.tensor):
        x = make([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], requires_grad=True)
        v = make(3.0, requires_grad=True)
        y = x * x
        at = y.detach() > 8 if isinstance(index, str) else index
        y[at] = v * 2
        (y * make([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])).sum().backward()
        gradients.append([*y.detach().reshape(-1).tolist(), *x.grad.reshape(-1).tolist(), v.grad.item()])
    assert gradients[0] == gradients[1]


def test_steps_are_collected_in_a_tensor():
    x, w = loopnest.ones(2, 3), leaf(2)
    out, h = loopnest.zeros(2, 4, 3), x
    for t in range(4):
        h = h * w
        out[:, t] = h
    out.sum().backward()
    assert out[0, :, 0].tolist() == [2, 4, 8, 16]
    assert w.grad.item() == 6 * (1 + 2 * 2 + 3 * 4 + 4 * 8)


def test_what_a_node_has_kept_is_not_overwritten():
    h = leaf(1, 2) * 1
    y = h * h
    h[0] = 5.0
    (y.sum() + h.sum()).backward()  # PyTorch refuses; the right gradient of y needs the old h
    assert h.tolist() == [5, 2]


def test_a_value_that_does_not_fit_its_place():
    x = loopnest.zeros(2, 3)
    with pytest.raises(ValueError, match="does not fit"):
        x[0] = loopnest.ones(2)
    x[0, 0] = tensor([7.0])
    assert x[0, 0].item() == 7
