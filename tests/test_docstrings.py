"""Every public name says what it does, and Tensor's methods and the functions of loopnest show how."""

import doctest
import importlib
import inspect

import pytest

import loopnest

MODULES = ("nn", "nn.functional", "nn.init", "nn.utils", "optim", "data", "train", "metrics", "models")
# What the examples of loopnest.data need beside NumPy, by module.
EXTRAS = {
    "audio": ["soundfile"],
    "digits": ["sklearn"],
    "images": ["PIL"],
    "text": ["tokenizers"],
}


def documented(module):
    """The public classes and functions that loopnest brings into a module."""
    for name in dir(module):
        value = getattr(module, name)
        home = getattr(value, "__module__", None) or ""
        if not name.startswith("_") and callable(value) and home.startswith("loopnest"):
            yield name, value


def members(kind):
    """The public methods and properties that a class itself defines."""
    for name, value in vars(kind).items():
        if isinstance(value, (staticmethod, classmethod)):
            value = value.__func__
        if not name.startswith("_") and (inspect.isroutine(value) or inspect.isdatadescriptor(value)):
            yield name, value


def shown(text):
    """The examples in a docstring."""
    return doctest.DocTestParser().get_examples(text or "")


@pytest.mark.parametrize("name", ["", *MODULES])
def test_every_public_name_says_what_it_does(name):
    module = importlib.import_module(f"loopnest.{name}".rstrip("."))
    found = dict(documented(module))
    assert found
    missing = [key for key, value in found.items() if not inspect.getdoc(value)]
    assert not missing


@pytest.mark.parametrize("name", ["data", "train", "metrics", "models"])
def test_every_public_method_says_what_it_does(name):
    module = importlib.import_module(f"loopnest.{name}")
    missing = [
        f"{kind.__name__}.{key}"
        for _, kind in documented(module)
        if inspect.isclass(kind) and not issubclass(kind, (tuple, loopnest.Tensor))
        for key, value in members(kind)
        if not inspect.getdoc(value)
    ]
    assert not missing


def test_functions_of_loopnest_have_an_example():
    missing = [
        name
        for name, value in documented(loopnest)
        if not inspect.isclass(value) and not shown(inspect.getdoc(value))
    ]
    assert not missing


def test_tensor_has_an_example():
    assert shown(loopnest.Tensor.__doc__)


@pytest.mark.parametrize("name", sorted(dict(members(loopnest.Tensor))))
def test_what_a_tensor_does_is_shown_and_runs(name):
    # doctest itself overlooks what Cython made properties, and what tensor_ops attaches.
    text = inspect.getdoc(inspect.getattr_static(loopnest.Tensor, name))
    assert text
    assert shown(text), f"Tensor.{name} has no example"
    run(text, f"Tensor.{name}")


@pytest.mark.parametrize("name", sorted(name for name, _ in documented(loopnest)))
def test_examples_of_loopnest_run(name):
    run(inspect.getdoc(getattr(loopnest, name)) or "", f"loopnest.{name}")


@pytest.mark.parametrize(
    "name", ["audio", "collate", "dataset", "digits", "images", "loader", "sampler", "series", "sets", "text"]
)
def test_examples_of_data_run(name):
    for extra in EXTRAS.get(name, []):
        pytest.importorskip(extra)
    assert doctest.testmod(importlib.import_module(f"loopnest.data.{name}")).failed == 0


def run(text, name):
    """The examples of a docstring, which import all that they need."""
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test)
    assert runner.failures == 0
