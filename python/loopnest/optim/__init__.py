"""Optimizers, with PyTorch's names, defaults, formulas and state_dict."""

from loopnest.optim.adam import Adam as Adam
from loopnest.optim.adam import AdamW as AdamW
from loopnest.optim.optimizer import Optimizer as Optimizer
from loopnest.optim.sgd import SGD as SGD
