"""MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov and Chen, arXiv:1801.04381)."""

from loopnest import nn

# expansion, channels, blocks, stride of the first
SETTINGS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def layer(inp: int, oup: int, kernel: int, stride: int = 1, groups: int = 1):
    """Convolution, batch norm, ReLU6.

    Example:
      >>> import loopnest
      >>> from loopnest.models.mobilenet import layer
      >>> layer(3, 32, 3, stride=2).eval()(loopnest.zeros(1, 3, 8, 8)).shape
      (1, 32, 4, 4)
    """
    return nn.Sequential(
        nn.Conv2d(inp, oup, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(oup),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """1x1 up, depthwise 3x3, 1x1 down, and the way around them where sizes agree.

    Example:
      >>> import loopnest
      >>> from loopnest.models.mobilenet import InvertedResidual
      >>> InvertedResidual(8, 8, stride=1, expand_ratio=6).eval()(loopnest.zeros(1, 8, 4, 4)).shape
      (1, 8, 4, 4)
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        hidden = inp * expand_ratio
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            *([layer(inp, hidden, 1)] if expand_ratio != 1 else []),
            layer(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        )

    def forward(self, x):
        """(N, inp, H, W) -> (N, oup, H / stride, W / stride)."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """(N, 3, 224, 224) images to (N, classes) scores; torchvision's names.

    Example:
      >>> import loopnest
      >>> from loopnest import models
      >>> models.MobileNetV2(num_classes=10).eval()(loopnest.zeros(1, 3, 64, 64)).shape
      (1, 10)
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        features, channels = [layer(3, 32, 3, 2)], 32
        for expansion, width, blocks, stride in SETTINGS:
            for i in range(blocks):
                features.append(InvertedResidual(channels, width, stride if i == 0 else 1, expansion))
                channels = width
        features.append(layer(channels, 1280, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(p=dropout), nn.Linear(1280, num_classes))

    def forward(self, x):
        """(N, 3, H, W) -> (N, num_classes)."""
        return self.classifier(self.features(x).mean((2, 3)))


def mobilenet_v2(num_classes: int = 1000) -> MobileNetV2:
    """MobileNetV2 of width 1; 3,504,872 parameters.

    Example:
      >>> from loopnest import models
      >>> sum(p.numel() for p in models.mobilenet_v2().parameters())
      3504872
    """
    return MobileNetV2(num_classes)
