"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998) as it is taught today: ReLU and maximum pooling."""

from loopnest import nn


class LeNet5(nn.Module):
    """(N, 1, 32, 32) images (digits of 28 x 28 with a frame of 2) to (N, classes) scores.

    Example:
      >>> import loopnest
      >>> from loopnest import models
      >>> models.LeNet5()(loopnest.zeros(2, 1, 32, 32)).shape
      (2, 10)
    """

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 120, 5),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, num_classes)
        )

    def forward(self, x):
        """(N, 1, 32, 32) -> (N, num_classes)."""
        return self.classifier(self.features(x))


def lenet5(num_classes: int = 10) -> LeNet5:
    """LeNet-5 for 32 x 32 images of one channel; 61,706 parameters.

    Example:
      >>> from loopnest import models
      >>> sum(p.numel() for p in models.lenet5().parameters())
      61706
    """
    return LeNet5(num_classes)
