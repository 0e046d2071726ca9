"""Functions of one number after the other, and their gradients; arrays of any shape."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np  # noqa: F401 (for the examples)

from loopnest import _core, reference
from loopnest.ops.ready import Array, Choice, Ready, operator
from loopnest.reference.activation_functions import FUNCTIONS


@operator
def relu(input, **choice: Unpack[Choice]) -> Ready[Array]:
    """max(x, 0), NaN stays NaN.

    >>> relu(np.array([-1, 2], "f"))
    array([0., 2.], dtype=float32)
    """
    return _core.relu(input, **choice), lambda: reference.relu(input)


@operator
def relu_backward(output, grad_output, **choice: Unpack[Choice]) -> Ready[Array]:
    """dL/dinput = dL/doutput where output > 0, else 0.

    >>> relu_backward(np.array([0, 2], "f"), np.array([5, 5], "f"))
    array([0., 5.], dtype=float32)
    """
    call = _core.relu_backward(output, grad_output, **choice)
    return call, lambda: reference.relu_backward(grad_output, output)


@operator
def sigmoid(input, **choice: Unpack[Choice]) -> Ready[Array]:
    """1 / (1 + exp(-x)).

    >>> sigmoid(np.zeros(1, "f"))
    array([0.5], dtype=float32)
    """
    return _core.sigmoid(input, **choice), lambda: reference.sigmoid(input)


@operator
def sigmoid_backward(output, grad_output, **choice: Unpack[Choice]) -> Ready[Array]:
    """dL/dinput = dL/doutput * output * (1 - output).

    >>> sigmoid_backward(np.full(1, 0.5, "f"), np.ones(1, "f"))
    array([0.25], dtype=float32)
    """
    call = _core.sigmoid_backward(output, grad_output, **choice)
    return call, lambda: reference.sigmoid_backward(grad_output, output)


@operator
def tanh(input, **choice: Unpack[Choice]) -> Ready[Array]:
    """The hyperbolic tangent.

    >>> tanh(np.zeros(1, "f"))
    array([0.], dtype=float32)
    """
    return _core.tanh(input, **choice), lambda: reference.tanh(input)


@operator
def tanh_backward(output, grad_output, **choice: Unpack[Choice]) -> Ready[Array]:
    """dL/dinput = dL/doutput * (1 - output ** 2).

    >>> tanh_backward(np.full(1, 0.5, "f"), np.ones(1, "f"))
    array([0.75], dtype=float32)
    """
    call = _core.tanh_backward(output, grad_output, **choice)
    return call, lambda: reference.tanh_backward(grad_output, output)


def _function(op: str, function: Any, parameters: Any) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """A function's number, its parameters, and the same as the kernels want them: always three."""
    if function not in FUNCTIONS:
        raise ValueError(f"{op}: expected function to be one of {', '.join(FUNCTIONS)}, got {function!r}")
    usual = FUNCTIONS[function][1]
    given = tuple(map(float, parameters)) or usual
    if len(given) != len(usual):
        raise ValueError(f"{op}: {function} takes {len(usual)} parameters, got {given}")
    return list(FUNCTIONS).index(function), given, (*given, 0.0, 0.0, 0.0)[:3]


@operator
def activation(input, function, parameters=(), **choice: Unpack[Choice]) -> Ready[Array]:
    """One of the activations beyond relu, sigmoid and tanh, of every element; any shape.

    function: "leaky_relu" (parameters: slope), "elu" (alpha, scale, rate), "silu", "gelu", "gelu_tanh",
    "softplus" (beta, threshold), "hardtanh" (low, high), "hardsigmoid", "hardswish", "mish", "logsigmoid",
    "threshold" (threshold, value), "hardshrink" (lambda), "softshrink" (lambda), "softsign", "tanhshrink",
    "nonpositive", "huber" (width, slope), "square", "absolute".

    >>> activation(np.array([-2.0, 3.0], "f"), "leaky_relu", (0.5,)).tolist()
    [-1.0, 3.0]
    """
    number, given, three = _function("activation", function, parameters)
    call = _core.activation(input, number, three, **choice)
    return call, lambda: reference.activation(input, function, given)


@operator
def activation_backward(
    grad_output, input, function, parameters=(), **choice: Unpack[Choice]
) -> Ready[Array]:
    """grad_output times the activation's derivative at input.

    >>> x = np.array([-2.0, 3.0], "f")
    >>> activation_backward(np.ones_like(x), x, "leaky_relu", (0.5,)).tolist()
    [0.5, 1.0]
    """
    number, given, three = _function("activation_backward", function, parameters)
    call = _core.activation_backward(grad_output, input, number, three, **choice)
    return call, lambda: reference.activation_backward(grad_output, input, function, given)
