"""Layers and networks, with PyTorch's names, arguments, defaults, weight layouts and state_dict keys."""

from loopnest.nn import functional as functional
from loopnest.nn import init as init
from loopnest.nn import utils as utils
from loopnest.nn.activation import ReLU as ReLU
from loopnest.nn.activation import Sigmoid as Sigmoid
from loopnest.nn.activation import Tanh as Tanh
from loopnest.nn.container import ModuleDict as ModuleDict
from loopnest.nn.container import ModuleList as ModuleList
from loopnest.nn.container import Sequential as Sequential
from loopnest.nn.conv import Conv2d as Conv2d
from loopnest.nn.dropout import Dropout as Dropout
from loopnest.nn.embedding import Embedding as Embedding
from loopnest.nn.linear import Flatten as Flatten
from loopnest.nn.linear import Identity as Identity
from loopnest.nn.linear import Linear as Linear
from loopnest.nn.loss import CrossEntropyLoss as CrossEntropyLoss
from loopnest.nn.module import Module as Module
from loopnest.nn.parameter import Parameter as Parameter
from loopnest.nn.pooling import AvgPool2d as AvgPool2d
from loopnest.nn.pooling import MaxPool2d as MaxPool2d
from loopnest.nn.rnn import LSTM as LSTM
