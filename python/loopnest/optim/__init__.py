"""Optimizers, with PyTorch's names, defaults, formulas and state_dict; schedules; averaged weights."""

from loopnest.optim import lr_scheduler as lr_scheduler
from loopnest.optim import swa_utils as swa_utils
from loopnest.optim.adadelta import Adadelta as Adadelta
from loopnest.optim.adafactor import Adafactor as Adafactor
from loopnest.optim.adagrad import Adagrad as Adagrad
from loopnest.optim.adam import Adam as Adam
from loopnest.optim.adam import AdamW as AdamW
from loopnest.optim.asgd import ASGD as ASGD
from loopnest.optim.lbfgs import LBFGS as LBFGS
from loopnest.optim.optimizer import Optimizer as Optimizer
from loopnest.optim.plain import Adamax as Adamax
from loopnest.optim.plain import NAdam as NAdam
from loopnest.optim.plain import RAdam as RAdam
from loopnest.optim.plain import Rprop as Rprop
from loopnest.optim.rmsprop import RMSprop as RMSprop
from loopnest.optim.sgd import SGD as SGD
