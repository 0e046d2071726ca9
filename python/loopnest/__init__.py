"""loopnest: convolutional and recurrent networks on the CPU, with loop nests you can read, change, measure and beat."""

from loopnest import ops as ops
from loopnest._core import get_num_threads as get_num_threads
from loopnest._core import set_num_threads as set_num_threads
