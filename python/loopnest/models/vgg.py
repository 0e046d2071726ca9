"""VGG-16 (Simonyan and Zisserman, arXiv:1409.1556)."""

from loopnest import nn

CHANNELS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")


class VGG(nn.Module):
    """(N, 3, 224, 224) images (of this size only) to (N, classes) scores; torchvision's names.

    Example:
      >>> import loopnest
      >>> from loopnest import models
      >>> models.VGG()(loopnest.zeros(1, 3, 224, 224)).shape  # doctest: +SKIP
      (1, 1000)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for width in CHANNELS:
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            else:
                layers += [nn.Conv2d(channels, width, kernel_size=3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x):
        """(N, 3, 224, 224) -> (N, num_classes)."""
        return self.classifier(self.features(x).flatten(1))


def vgg16(num_classes: int = 1000) -> VGG:
    """VGG-16 without batch norm; 138,357,544 parameters.

    Example:
      >>> from loopnest import models
      >>> sum(p.numel() for p in models.vgg16().parameters())  # doctest: +SKIP
      138357544
    """
    return VGG(num_classes)
