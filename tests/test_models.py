"""The models: PyTorch's keys and results, and plans that agree with them."""

from __future__ import annotations

import numpy as np
import pytest

import loopnest
from loopnest import models, nn
from loopnest.bench import networks

MADE = {
    "lenet5": (models.lenet5, 61_706, (1, 32, 32)),
    "resnet20": (models.resnet20, 272_474, (3, 32, 32)),
    "mobilenetv2": (models.mobilenet_v2, 3_504_872, (3, 64, 64)),
    "bottlenecks": (lambda: models.ResNet((1, 1, 1, 2)), 14_527_528, (3, 48, 48)),  # a short ResNet-50
}


needs_norm = pytest.mark.skipif(not hasattr(nn, "BatchNorm2d"), reason="batch norm is not there yet")


@needs_norm
@pytest.mark.parametrize("name", MADE)
def test_same_as_pytorch_and_compiled(name):
    """The same source on PyTorch, with the same weights, gives the same; so does the plan."""
    torch = pytest.importorskip("torch", reason="the twin needs PyTorch: pip install 'loopnest[rivals]'")
    make, parameters, image = MADE[name]
    if name == "bottlenecks":
        twin = networks._twin_module("resnet50").ResNet((1, 1, 1, 2))
    else:
        twin = getattr(networks._twin_module(name), networks.NETWORKS[name][1])()
    assert sum(p.numel() for p in twin.parameters()) == parameters
    torch.manual_seed(0)
    for module in twin.modules():  # batch norm that does something
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    x = torch.randn(2, *image)
    with torch.no_grad():
        twin.train()(x)
        expected = twin.eval()(x).numpy()
    ours = make()
    ours.load_state_dict({k: v.numpy() for k, v in twin.state_dict().items()})
    ours.eval()
    mine = loopnest.tensor(x.numpy())
    with loopnest.no_grad():
        eager = np.asarray(ours(mine))
    compiled = loopnest.compile(ours, mine)
    plan = np.asarray(compiled(mine))
    largest = np.abs(expected).max()
    assert np.abs(eager - expected).max() <= 1e-4 * largest
    assert np.abs(plan - expected).max() <= 1e-4 * largest
    steps = [step.split("/")[0] for _, step in compiled.describe()]
    assert not {"batch_norm", "norm", "relu", "add"} & set(steps), steps


def test_resnet50_has_the_size_of_resnet50():
    assert sum(p.numel() for p in models.resnet50().parameters()) == 25_557_032


def test_vgg_has_the_layers_of_vgg():
    made = [m for m in networks.models.vgg.CHANNELS if m != "M"]
    assert len(made) == 13 and sum(m == 512 for m in made) == 6
    assert isinstance(models.lenet5(3).classifier[-1], nn.Linear)
