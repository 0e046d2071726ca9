"""Images sampled at points, fractional pools, Gumbel's samples, and functions under other names."""

import copy

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tensor
from loopnest.autograd import gradcheck
from loopnest.planning import NotPlannable

RNG = np.random.default_rng(0)
IMAGE, GRID = RNG.normal(size=(2, 3, 4, 5)), RNG.uniform(-1.4, 1.4, (2, 3, 2, 2))
VOLUME, POINTS = RNG.normal(size=(1, 2, 3, 4, 3)), RNG.uniform(-1.4, 1.4, (1, 2, 2, 3, 3))
HOW = [(m, p) for m in ("bilinear", "nearest", "bicubic") for p in ("zeros", "border", "reflection")]


def by_hand(image, x, y):
    """Bilinear, zeros outside, align_corners: one point of one channel."""
    height, width = image.shape
    x, y = (x + 1) / 2 * (width - 1), (y + 1) / 2 * (height - 1)
    total = 0.0
    for i in (int(np.floor(y)), int(np.floor(y)) + 1):
        for j in (int(np.floor(x)), int(np.floor(x)) + 1):
            if 0 <= i < height and 0 <= j < width:
                total += (1 - abs(y - i)) * (1 - abs(x - j)) * image[i, j]
    return total


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grid_sample_is_its_formula(dtype):
    turned = tensor(IMAGE.astype(dtype).T.copy()).permute(3, 2, 1, 0)
    y = F.grid_sample(turned, tensor(GRID.astype(dtype)), align_corners=True)
    assert y.dtype == dtype and y.shape == (2, 3, 3, 2)
    right = [by_hand(IMAGE[n, c], *GRID[n, i, j]) for n, c, i, j in np.ndindex(2, 3, 3, 2)]
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.numpy().ravel(), right, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize(("mode", "padding"), HOW)
def test_grid_sample_as_torch(mode, padding, align):
    torch = pytest.importorskip("torch")
    for x, grid in ((IMAGE, GRID), (VOLUME, POINTS)):
        if mode == "bicubic" and x is VOLUME:
            continue
        found = []
        for f, make in ((F, tensor), (torch.nn.functional, torch.tensor)):
            given = [make(x, requires_grad=True), make(grid, requires_grad=True)]
            y = f.grid_sample(*given, mode, padding, align)
            (y * y).sum().backward()
            found.append([y.detach().numpy(), *(t.grad.numpy() for t in given)])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("mode", "padding"), [h for h in HOW if h[0] != "nearest"])
def test_gradients_of_grid_sample(mode, padding):
    grid = np.where(np.abs(np.abs(GRID) - 1) < 0.05, 0.5, GRID)  # off the edges, where slopes jump
    given = [tensor(IMAGE, requires_grad=True), tensor(grid, requires_grad=True)]
    assert gradcheck(lambda x, g: F.grid_sample(x, g, mode, padding, False), given)


def test_an_affine_grid_turns_an_image():
    torch = pytest.importorskip("torch")
    for shape, size in (((2, 2, 3), (2, 3, 4, 1)), ((2, 3, 4), (2, 3, 2, 3, 4))):
        theta = RNG.normal(size=shape)
        for align in (True, False):
            ours = F.affine_grid(tensor(theta), size, align)
            theirs = torch.nn.functional.affine_grid(torch.tensor(theta), list(size), align)
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-12, atol=1e-12)
    theta = tensor(RNG.normal(size=(2, 2, 3)), requires_grad=True)
    assert gradcheck(lambda t: F.affine_grid(t, (2, 1, 2, 3), False), theta)
    turned = tensor([[[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]])
    square = tensor(IMAGE[:1, :, :4, :4].astype("f"))
    y = F.grid_sample(square, F.affine_grid(turned, (1, 3, 4, 4), False), align_corners=False)
    np.testing.assert_allclose(y.numpy(), np.rot90(square.numpy(), -1, (2, 3)), atol=1e-5)
    assert F.grid_sample(square[:0], loopnest.zeros(0, 2, 3, 2)).shape == (0, 3, 2, 3)
    with pytest.raises(NotPlannable):
        loopnest.compile(lambda x: F.grid_sample(x, loopnest.zeros(1, 2, 2, 2)), square)


@pytest.mark.parametrize("axes", [2, 3])
def test_fractional_pools_as_torch(axes):
    torch = pytest.importorskip("torch")
    x, samples = RNG.normal(size=(2, 3, *(9, 8, 7)[:axes])), RNG.random((2, 3, axes))
    name = f"fractional_max_pool{axes}d"
    for options in ({"output_size": (5, 3, 4)[:axes]}, {"output_ratio": (0.6, 0.5, 0.7)[:axes]}):
        ours, theirs = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, at = getattr(F, name)(ours, 2, **options, return_indices=True, _random_samples=tensor(samples))
        z, there = getattr(torch.nn.functional, name)(
            theirs, 2, **options, return_indices=True, _random_samples=torch.tensor(samples)
        )
        np.testing.assert_array_equal(y.detach().numpy(), z.detach().numpy())
        np.testing.assert_array_equal(at.numpy(), there.numpy())
        (y * y).sum().backward()
        (z * z).sum().backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("axes", [2, 3])
def test_fractional_layers(axes):
    layer = getattr(nn, f"FractionalMaxPool{axes}d")(2, output_ratio=0.7)
    x = tensor(RNG.normal(size=(2, 3, *(8,) * axes)))
    loopnest.manual_seed(1)
    y = layer(x)
    loopnest.manual_seed(1)
    np.testing.assert_array_equal(copy.deepcopy(layer)(x).numpy(), y.numpy())
    assert y.shape == (2, 3, *(5,) * axes) and layer(x[0]).shape == (3, *(5,) * axes)
    assert layer(x).tolist() != y.tolist()  # other windows
    assert not list(layer.parameters()) and layer(x[:0]).shape[0] == 0
    values, at = getattr(nn, f"FractionalMaxPool{axes}d")(2, 3, return_indices=True)(x)
    np.testing.assert_array_equal(
        np.take_along_axis(x.flatten(2).numpy(), at.flatten(2).numpy(), 2), values.flatten(2).numpy()
    )


def test_gumbel_softmax():
    loopnest.manual_seed(0)
    p = np.array([0.1, 0.6, 0.3])
    logits = tensor(np.log(np.tile(p, (20000, 1))), requires_grad=True)
    hard = F.gumbel_softmax(logits, tau=0.7, hard=True)
    assert set(np.unique(hard.detach().numpy())) == {0, 1} and (hard.sum(1) == 1).all()
    np.testing.assert_allclose(hard.detach().numpy().mean(0), p, atol=0.02)
    (hard * tensor(RNG.normal(size=3))).sum().backward()
    assert logits.grad.numpy().any() and np.abs(logits.grad.numpy().sum(1)).max() < 1e-12
    soft = F.gumbel_softmax(logits.detach(), dim=0)
    np.testing.assert_allclose(soft.numpy().sum(0), 1)
    with pytest.raises(ValueError, match="tau"):
        F.gumbel_softmax(logits, tau=0)


CHANGING = {"relu_": (), "leaky_relu_": (0.2,), "elu_": (0.5,), "celu_": (0.5,), "selu_": (), "hardtanh_": ()}
CHANGING |= {"threshold_": (0.1, 7.0), "rrelu_": (0.3, 0.3)}


@pytest.mark.parametrize(("name", "arguments"), CHANGING.items())
def test_activations_that_change_their_input(name, arguments):
    x = tensor(IMAGE.copy())
    view, right = x[0], getattr(F, name[:-1])(tensor(IMAGE), *arguments)
    assert getattr(F, name)(x, *arguments) is x
    np.testing.assert_array_equal(x.numpy(), right.numpy())
    np.testing.assert_array_equal(view.numpy(), right.numpy()[0])


def test_functions_under_other_names():
    x = tensor(IMAGE)
    for axes, given in ((1, x[0]), (2, x), (3, tensor(VOLUME))):
        for pool in ("max_pool", "adaptive_max_pool"):
            pair = getattr(F, f"{pool}{axes}d_with_indices")(given, 2)
            right = getattr(F, f"{pool}{axes}d")(given, 2, return_indices=True)
            assert [t.tolist() for t in pair] == [t.tolist() for t in right]
    assert F.upsample_nearest(x, scale_factor=2).tolist() == F.interpolate(x, scale_factor=2).tolist()
    right = F.interpolate(x, (7, 6), mode="bilinear", align_corners=True)
    assert F.upsample_bilinear(x, (7, 6)).tolist() == right.tolist()


X, G = tensor(IMAGE), tensor(GRID)
WRONG = {
    "batch": (ValueError, lambda: F.grid_sample(X, G[:1])),
    "axes": (ValueError, lambda: F.grid_sample(X[0], G)),
    "coordinates": (ValueError, lambda: F.grid_sample(X, G[..., :1])),
    "dtype": (TypeError, lambda: F.grid_sample(X, G.float())),
    "mode": (ValueError, lambda: F.grid_sample(X, G, "linear")),
    "cubic volume": (ValueError, lambda: F.grid_sample(tensor(VOLUME), tensor(POINTS), "bicubic")),
    "padding": (ValueError, lambda: F.grid_sample(X, G, padding_mode="wrap")),
    "theta": (ValueError, lambda: F.affine_grid(loopnest.zeros(2, 3, 3), (2, 1, 4, 4))),
    "theta dtype": (TypeError, lambda: F.affine_grid(tensor(np.zeros((1, 2, 3), int)), (1, 1, 4, 4))),
    "size": (ValueError, lambda: F.affine_grid(loopnest.zeros(1, 2, 3), (1, 1, 0, 4))),
    "both": (ValueError, lambda: nn.FractionalMaxPool2d(2, 3, 0.5)),
    "neither": (ValueError, lambda: F.fractional_max_pool2d(X, 2)),
    "ratio": (ValueError, lambda: nn.FractionalMaxPool2d(2, output_ratio=1.0)),
    "large": (ValueError, lambda: F.fractional_max_pool2d(X, 3, 4)),
    "samples": (ValueError, lambda: F.fractional_max_pool2d(X, 2, 2, _random_samples=loopnest.ones(2, 3, 3))),
    "pool axes": (ValueError, lambda: F.fractional_max_pool3d(X[0, 0], 2, 2)),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_told(name):
    kind, call = WRONG[name]
    with pytest.raises(kind, match=r"expected|fit"):
        call()
