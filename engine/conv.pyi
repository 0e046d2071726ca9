from collections.abc import Sequence

from loopnest.engine.tape import Tensor

_Each = int | Sequence[int]
_Padding = str | int | Sequence[int | Sequence[int]]

PADDINGS: tuple[str, ...]

def each(op: str, name: str, value: object, axes: int) -> tuple[int, ...]: ...
def pads(
    op: str,
    value: object,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[int, ...]: ...
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Each = 1,
    padding: _Padding = 0,
    dilation: _Each = 1,
    groups: int = 1,
) -> Tensor: ...
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Each = 1,
    padding: _Each = 0,
    output_padding: _Each = 0,
    groups: int = 1,
    dilation: _Each = 1,
) -> Tensor: ...
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Each = 1,
    padding: _Padding = 0,
    dilation: _Each = 1,
    groups: int = 1,
) -> Tensor: ...
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Each = 1,
    padding: _Each = 0,
    output_padding: _Each = 0,
    groups: int = 1,
    dilation: _Each = 1,
) -> Tensor: ...
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Each = 1,
    padding: _Padding = 0,
    dilation: _Each = 1,
    groups: int = 1,
) -> Tensor: ...
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Each = 1,
    padding: _Each = 0,
    output_padding: _Each = 0,
    groups: int = 1,
    dilation: _Each = 1,
) -> Tensor: ...
