"""CosineSimilarity and PairwiseDistance."""

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn.module import Module


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along dim; arguments as torch.nn.CosineSimilarity.

    Shapes: two inputs that broadcast; output without dim.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.CosineSimilarity(dim=0)(loopnest.tensor([2.0, 0.0]), loopnest.tensor([-1.0, 0.0])).item()
      -1.0
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x1 - x2 + eps along the last axis; arguments as torch.nn.PairwiseDistance.

    Shapes: two inputs (N, D) or (D,) that broadcast; output (N,) or (), with keepdim (N, 1) or (1,).

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.PairwiseDistance(eps=0.0)(loopnest.tensor([[3.0, 4.0]]), loopnest.zeros(1, 2)).tolist()
      [5.0]
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return functional.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
