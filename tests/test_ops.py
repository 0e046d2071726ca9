"""The laboratory: functions written once, public with the choice of a rung, checked in their arguments."""

import doctest
import importlib
import inspect
import pickle
import typing

import numpy as np
import pytest

from loopnest import ladder, ops

X = np.array([-1.0, 2.0], np.float32)


def test_every_ladder_has_its_function():
    assert set(ladder.operators()) <= set(ops.OPERATORS) <= set(ops.__all__)


@pytest.mark.parametrize("op", ops.OPERATORS)
def test_the_public_function_says_all_that_it_takes(op):
    function = getattr(ops, op)
    parameters = inspect.signature(function).parameters
    chosen = {name: p.default for name, p in parameters.items() if name in ("rung", "isa", "threads")}
    assert chosen == {"rung": None, "isa": None, "threads": 0}
    assert not any(p.kind == p.VAR_KEYWORD for p in parameters.values())
    assert typing.get_type_hints(function).keys() == {"return"}
    assert function.__name__ == op and pickle.loads(pickle.dumps(function)) is function


@pytest.mark.parametrize("op", ops.OPERATORS)
def test_doctest_finds_the_examples(op):
    home = importlib.import_module(getattr(ops, op).__module__)
    found = doctest.DocTestFinder().find(home)
    assert [test.name for test in found if test.name == f"{home.__name__}.{op}" and test.examples]


@pytest.mark.parametrize("call", [ops.relu, lambda *args, **how: ops.call("relu", *args, **how)])
def test_arguments_that_nobody_takes_are_refused(call):
    with pytest.raises(TypeError, match=r"relu\(\) got an unexpected keyword argument 'rungs'"):
        call(X, rungs="naive")
    with pytest.raises(TypeError, match=r"relu\(\) got an unexpected keyword argument 'rungs'"):
        call(X, rung="numpy", rungs="naive")
    with pytest.raises(TypeError, match=r"relu\(\) missing 1 required positional argument: 'input'"):
        call()
    with pytest.raises(TypeError, match="NumPy array"):
        call([1.0])
    with pytest.raises(ValueError, match="NumPy alone"):
        call(X, rung="numpy", isa="scalar")


def test_a_call_waits_until_it_is_run():
    call = ops.call("softmax", X[:, None], dim=0, rung="naive")
    assert call.rung == "naive" and call.result.shape == (1, 2, 1)  # as the kernel sees it
    call.run()
    expected = ops.softmax(X[:, None], dim=0)
    assert expected.shape == (2, 1) and np.array_equal(call.result.ravel(), expected.ravel())


@pytest.mark.parametrize(
    ("function", "args", "shape"),
    [
        (ops.softmax, (np.ones((2, 3, 4, 5), "f"), 1), (2, 3, 4, 5)),
        (ops.softmax_backward, (np.ones((2, 3, 4), "f"), np.ones((2, 3, 4), "f"), 1), (2, 3, 4)),
        (ops.reduce, (np.ones((2, 3, 4), "f"), (0, 2)), (3,)),
        (ops.reduce, (np.ones((2, 3, 4), "f"), -2, "amax", 1.0, True), (2, 1, 4)),
        (ops.reduce, (np.ones((2, 3, 4), "f"),), ()),
    ],
)
@pytest.mark.parametrize("rung", [None, "naive", "numpy"])
def test_results_have_the_shape_of_what_was_asked(function, args, shape, rung):
    assert function(*args, rung=rung).shape == shape
