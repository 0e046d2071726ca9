"""Training: a Trainer that stays out of the way, callbacks, and checkpoints that resume exactly."""

from loopnest.train.callbacks import Callback, EarlyStopping, Log, Progress
from loopnest.train.trainer import Trainer

__all__ = ["Callback", "EarlyStopping", "Log", "Progress", "Trainer"]
