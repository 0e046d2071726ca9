"""What `import loopnest` brings with it: NumPy, and nothing else; and the names that people expect."""

import subprocess
import sys

import pytest

import loopnest

# What stands in sys.modules after the import, beyond NumPy's own import, by the first part of the name.
SHOW = """
import sys
import numpy
before = set(sys.modules)
import loopnest
print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))
"""

TOUCH = """
import sys
import loopnest
loopnest.nn.Linear(2, 2), loopnest.optim.SGD, loopnest.ladder, loopnest.autograd, loopnest.io
print(*sorted({name.partition('.')[0] for name in sys.modules}))
"""

HEAVY = {"torch", "matplotlib", "rich", "typer", "sklearn", "scipy", "pandas", "safetensors", "PIL"}


def run(code):
    return set(
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
    )


def test_import_brings_only_numpy():
    new = run(SHOW)
    assert "loopnest" in new
    foreign = {
        name
        for name in new - {"loopnest", "numpy"}
        if name not in sys.stdlib_module_names and not name.startswith(("_cython", "cython"))
    }
    assert not foreign
    # importlib.metadata costs more than all of loopnest, through email; __version__ is looked up when it is
    # asked for.
    assert "email" not in new


def test_using_the_api_brings_no_extras():
    assert not run(TOUCH) & HEAVY


NAMES = (
    "Tensor tensor from_numpy no_grad enable_grad is_grad_enabled set_grad_enabled manual_seed "
    "nn optim ops ladder autograd io get_num_threads set_num_threads set_flush_denormal "
    "get_precision set_precision precision "
    "float32 float64 int64 __version__"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_names(name):
    assert getattr(loopnest, name) is not None
    assert name in dir(loopnest)


def test_version_is_the_installed_one():
    from importlib.metadata import version

    assert loopnest.__version__ == version("loopnest")


def test_unknown_names():
    with pytest.raises(AttributeError, match="module 'loopnest' has no attribute 'nothing'"):
        _ = loopnest.nothing
