"""ResNet-50 (He, Zhang, Ren and Sun, arXiv:1512.03385; version 1.5, with the stride in the 3x3
convolution), and
their ResNet-20 for CIFAR's images of 32 x 32."""

from loopnest import nn


class Bottleneck(nn.Module):
    """1x1 down, 3x3, 1x1 up, and the way around them.

    Example:
      >>> import loopnest
      >>> from loopnest.models.resnet import Bottleneck
      >>> Bottleneck(32, 8).eval()(loopnest.zeros(1, 32, 4, 4)).shape
      (1, 32, 4, 4)
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample=None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        """(N, inplanes, H, W) -> (N, 4 * planes, H / stride, W / stride)."""
        way = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out)) + way
        return self.relu(out)


class BasicBlock(nn.Module):
    """Two 3x3, and the way around them.

    Example:
      >>> import loopnest
      >>> from loopnest.models.resnet import BasicBlock
      >>> BasicBlock(8, 8).eval()(loopnest.zeros(1, 8, 4, 4)).shape
      (1, 8, 4, 4)
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample=None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x):
        """(N, inplanes, H, W) -> (N, planes, H / stride, W / stride)."""
        way = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(out)) + way)


def stage(block, inplanes: int, planes: int, out: int, blocks: int, stride: int):
    """`blocks` blocks; the first changes the number of channels and has the stride.

    Example:
      >>> import loopnest
      >>> from loopnest.models.resnet import BasicBlock, stage
      >>> stage(BasicBlock, 8, 16, 16, blocks=2, stride=2).eval()(loopnest.zeros(1, 8, 4, 4)).shape
      (1, 16, 2, 2)
    """
    downsample = None
    if stride != 1 or inplanes != out:
        downsample = nn.Sequential(
            nn.Conv2d(inplanes, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out)
        )
    first = block(inplanes, planes, stride, downsample)
    return nn.Sequential(first, *[block(out, planes) for _ in range(blocks - 1)])


class ResNet(nn.Module):
    """(N, 3, 224, 224) images to (N, classes) scores; torchvision's names.

    Example:
      >>> import loopnest
      >>> from loopnest import models
      >>> models.ResNet((1, 1, 1, 1), num_classes=10).eval()(loopnest.zeros(1, 3, 64, 64)).shape
      (1, 10)
    """

    def __init__(self, layers=(3, 4, 6, 3), num_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = stage(Bottleneck, 64, 64, 256, layers[0], 1)
        self.layer2 = stage(Bottleneck, 256, 128, 512, layers[1], 2)
        self.layer3 = stage(Bottleneck, 512, 256, 1024, layers[2], 2)
        self.layer4 = stage(Bottleneck, 1024, 512, 2048, layers[3], 2)
        self.fc = nn.Linear(2048, num_classes)

    def forward(self, x):
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class CifarResNet(nn.Module):
    """(N, 3, 32, 32) images to (N, classes) scores: 6 n + 2 layers, 1x1 convolutions where the way changes
    size.

    Example:
      >>> import loopnest
      >>> from loopnest import models
      >>> models.CifarResNet(n=1).eval()(loopnest.zeros(1, 3, 32, 32)).shape
      (1, 10)
    """

    def __init__(self, n: int = 3, num_classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = stage(BasicBlock, 16, 16, 16, n, 1)
        self.layer2 = stage(BasicBlock, 16, 32, 32, n, 2)
        self.layer3 = stage(BasicBlock, 32, 64, 64, n, 2)
        self.fc = nn.Linear(64, num_classes)

    def forward(self, x):
        """(N, 3, H, W) -> (N, num_classes)."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


def resnet50(num_classes: int = 1000) -> ResNet:
    """ResNet-50 v1.5; 25,557,032 parameters.

    Example:
      >>> from loopnest import models
      >>> sum(p.numel() for p in models.resnet50().parameters())
      25557032
    """
    return ResNet((3, 4, 6, 3), num_classes)


def resnet20(num_classes: int = 10) -> CifarResNet:
    """ResNet-20 for CIFAR; 272,474 parameters.

    Example:
      >>> from loopnest import models
      >>> sum(p.numel() for p in models.resnet20().parameters())
      272474
    """
    return CifarResNet(3, num_classes)
