"""The examples in the docstrings run."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import loopnest

# Programs, and parts whose modules need extras to be imported: they have no examples.
ELSEWHERE = ("loopnest.cli", "loopnest.viz", "loopnest.tour")
RIVALS = ("loopnest.bench.rivals.", "loopnest.bench.onnx_model")
EXTRAS = {"loopnest.io": "safetensors", "loopnest.data.digits": "sklearn"}


def modules():
    """All of them by name. The engine's folder may lie elsewhere (not so in a wheel), so it is walked too."""
    paths = {"loopnest.": loopnest.__path__, "loopnest.engine.": loopnest.engine.__path__}
    found = {"loopnest", "loopnest.engine"}
    for prefix, path in paths.items():
        found |= {m.name for m in pkgutil.walk_packages(path, prefix, onerror=lambda name: None)}
    return sorted(
        name for name in found if not name.startswith((*ELSEWHERE, *RIVALS)) and not name.endswith("__main__")
    )


def test_the_engine_is_among_them():
    assert {"loopnest.engine.conv", "loopnest.engine.cell", "loopnest.data.dataset"} <= set(modules())


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    loopnest.manual_seed(0)
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def public(module):
    """Its classes and functions that are ours, by name."""
    for name, value in vars(module).items():
        ours = getattr(value, "__module__", None) or ""
        if not name.startswith("_") and callable(value) and ours.startswith("loopnest."):
            yield name, value


def test_public_classes_have_an_example_and_functions_a_docstring():
    for module in (loopnest.nn, loopnest.optim, loopnest.nn.functional, loopnest.nn.init, loopnest.nn.utils):
        for name, value in public(module):
            assert value.__doc__, f"{module.__name__}.{name} has no docstring"
            if inspect.isclass(value) and name not in ("Optimizer", "Tensor"):
                assert ">>>" in value.__doc__, f"{module.__name__}.{name} has no example"
