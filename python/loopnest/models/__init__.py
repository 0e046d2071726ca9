"""Well-known networks, with the names and state_dict keys of torchvision (weights of its models load as they
are), random weights otherwise. Each file runs on PyTorch too, with its import changed: the bench does that.

    lenet5()  resnet50()  resnet20()  mobilenet_v2()  vgg16()
"""

from loopnest.models.lenet import LeNet5 as LeNet5
from loopnest.models.lenet import lenet5 as lenet5
from loopnest.models.mobilenet import MobileNetV2 as MobileNetV2
from loopnest.models.mobilenet import mobilenet_v2 as mobilenet_v2
from loopnest.models.resnet import CifarResNet as CifarResNet
from loopnest.models.resnet import ResNet as ResNet
from loopnest.models.resnet import resnet20 as resnet20
from loopnest.models.resnet import resnet50 as resnet50
from loopnest.models.vgg import VGG as VGG
from loopnest.models.vgg import vgg16 as vgg16
