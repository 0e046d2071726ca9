"""Batch norms folded into layers: the same results as both behind each other. Norms of all gradients."""

import numpy as np
import pytest

import loopnest
from loopnest import nn, tensor
from loopnest.nn import init, utils

RNG = np.random.default_rng(0)


def trained(norm):
    """Running statistics, weight and bias that matter."""
    for name in ("running_mean", "weight", "bias"):
        if getattr(norm, name) is not None:
            getattr(norm, name).data.copy_(tensor(RNG.normal(size=norm.num_features)))
    norm.running_var.copy_(tensor(RNG.uniform(0.5, 2.0, norm.num_features)))
    return norm


CASES = {
    "conv1d": (lambda: nn.Conv1d(3, 4, 3), nn.BatchNorm1d, (2, 3, 7)),
    "conv2d groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, stride=2), nn.BatchNorm2d, (2, 4, 7, 7)),
    "conv2d no bias": (lambda: nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d, (2, 3, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(2, 3, 2), nn.BatchNorm3d, (1, 2, 4, 4, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, stride=2), nn.BatchNorm2d, (2, 3, 4, 4)),
    "linear": (lambda: nn.Linear(3, 4), nn.BatchNorm1d, (5, 3)),
    "linear no bias": (lambda: nn.Linear(3, 4, bias=False), nn.BatchNorm1d, (5, 3)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_fused(name, affine, dtype):
    make, norm, shape = CASES[name]
    layer = make().to(dtype=dtype).eval()
    norm = trained(norm(getattr(layer, "out_channels", 4), affine=affine, dtype=dtype)).eval()
    before = layer.weight.detach().numpy().copy()
    if name.startswith("linear"):
        fused = utils.fuse_linear_bn_eval(layer, norm)
    else:
        fused = utils.fuse_conv_bn_eval(layer, norm, name == "transposed")
    x = tensor(RNG.normal(size=shape).astype(dtype))
    rtol = 1e-4 if dtype == np.float32 else 1e-10
    expected = norm(layer(x)).detach().numpy()
    np.testing.assert_allclose(fused(x).detach().numpy(), expected, rtol=rtol, atol=rtol)
    assert type(fused) is type(layer) and fused is not layer
    np.testing.assert_array_equal(layer.weight.detach().numpy(), before)
    assert isinstance(fused.weight, nn.Parameter) and fused.weight.requires_grad and fused.weight.is_leaf


def test_one_feature_of_the_norm_for_all():
    layer, norm = nn.Linear(3, 4).eval(), trained(nn.BatchNorm1d(1)).eval()
    fused, x = utils.fuse_linear_bn_eval(layer, norm), tensor(RNG.normal(size=(5, 3)).astype("f"))
    expected = norm(layer(x).unsqueeze(1)).squeeze(1).detach().numpy()
    np.testing.assert_allclose(fused(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    without = utils.fuse_linear_bn_eval(nn.Linear(3, 4, bias=False).eval(), norm)
    assert without.bias.shape == (4,)


def test_mistakes_of_fusion_are_told():
    conv, norm = nn.Conv2d(3, 4, 3).eval(), nn.BatchNorm2d(4).eval()
    up = nn.ConvTranspose2d(4, 4, 2, groups=2).eval()
    for call in (
        lambda: utils.fuse_conv_bn_eval(nn.Conv2d(3, 4, 3), norm),
        lambda: utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(4)),
        lambda: utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(5).eval()),
        lambda: utils.fuse_conv_bn_eval(conv, nn.BatchNorm2d(4, track_running_stats=False).eval()),
        lambda: utils.fuse_conv_bn_eval(conv, norm, transpose=True),
        lambda: utils.fuse_conv_bn_eval(up, norm),
        lambda: utils.fuse_conv_bn_eval(up, norm, transpose=True),
        lambda: utils.fuse_linear_bn_eval(nn.Linear(3, 2).eval(), nn.BatchNorm1d(4).eval()),
    ):
        with pytest.raises(ValueError, match="fuse_"):
            call()
    for call in (
        lambda: utils.fuse_conv_bn_eval(nn.Linear(3, 4), norm),
        lambda: utils.fuse_linear_bn_eval(conv, norm),
        lambda: utils.fuse_conv_bn_eval(conv, nn.LayerNorm(4)),
    ):
        with pytest.raises(TypeError, match="fuse_"):
            call()


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.5, "inf"])
def test_total_norm(norm_type):
    torch = pytest.importorskip("torch")
    arrays = [RNG.normal(size=s) for s in ((2, 3), (4,), ())]
    ours = utils.get_total_norm([tensor(a) for a in arrays], norm_type)
    theirs = torch.nn.utils.get_total_norm([torch.tensor(a) for a in arrays], float(norm_type))
    np.testing.assert_allclose(ours.item(), theirs.item(), rtol=1e-12)
    assert ours.shape == () and ours.dtype == np.float64 and utils.get_total_norm([]).item() == 0
    with pytest.raises(ValueError, match="nan"):
        utils.get_total_norm([tensor([float("nan")])], norm_type, error_if_nonfinite=True)


def test_clipping_by_a_known_norm():
    layer = nn.Linear(2, 3)
    layer(loopnest.ones(1, 2)).sum().backward()
    before = [p.grad.numpy().copy() for p in layer.parameters()]
    utils.clip_grads_with_norm_(layer.parameters(), 2.0, 100.0)
    for p, g in zip(layer.parameters(), before, strict=True):
        np.testing.assert_allclose(p.grad.numpy(), g * 0.02, rtol=1e-5)
    utils.clip_grads_with_norm_(layer.parameters(), 2.0, tensor(1.0))
    np.testing.assert_allclose(layer.bias.grad.numpy(), before[1] * 0.02, rtol=1e-5)


def test_sparse_columns():
    t = init.sparse_(loopnest.empty(50, 40), 0.3, std=2.0)
    assert ((t == 0).sum(0) == 15).all() and 1.8 < t.numpy()[t.numpy() != 0].std() < 2.2
    assert len({tuple(column) for column in (t.numpy() == 0).T}) == 40
    one = init.sparse_(loopnest.empty(50, 40), 0.3, generator=loopnest.Generator().manual_seed(1))
    two = init.sparse_(loopnest.empty(50, 40), 0.3, generator=loopnest.Generator().manual_seed(1))
    assert one.tolist() == two.tolist()
    for bad in ((loopnest.empty(3), 0.5), (loopnest.empty(3, 2), 1.5)):
        with pytest.raises(ValueError, match="expected"):
            init.sparse_(*bad)
