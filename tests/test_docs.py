"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

import loopnest

# Parts that need extras, or that are programs; their examples are tested where the extras are.
ELSEWHERE = ("loopnest.cli", "loopnest.viz", "loopnest.tour", "loopnest.data")
RIVALS = ("loopnest.bench.rivals.", "loopnest.bench.onnx_model")


def modules():
    found = [m.name for m in pkgutil.walk_packages(loopnest.__path__, "loopnest.", onerror=lambda name: None)]
    return [
        name
        for name in ["loopnest", *found]
        if not name.startswith((*ELSEWHERE, *RIVALS)) and not name.endswith("__main__")
    ]


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    if name == "loopnest.io":
        pytest.importorskip("safetensors")
    loopnest.manual_seed(0)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_public_classes_and_functions_have_an_example_or_a_docstring():
    import inspect

    for module in (loopnest.nn, loopnest.optim, loopnest.nn.functional, loopnest.nn.init, loopnest.nn.utils):
        for name, value in vars(module).items():
            if name.startswith("_") or not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if not value.__module__.startswith("loopnest."):
                continue
            assert value.__doc__, f"{module.__name__}.{name} has no docstring"
            if inspect.isclass(value) and name not in ("Optimizer", "Tensor"):
                assert ">>>" in value.__doc__, f"{module.__name__}.{name} has no example"
