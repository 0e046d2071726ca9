"""`loopnest.compile`: a network, or one layer, as a plan that runs without Python between its layers.

How it comes about, each part in a file of its own:

    trace.py     the network runs once on the examples; what is done to its inputs is written down as a Graph
    passes.py    batch norm into the weights before it, activations and residual sums into the layer before
    record.py    the Graph runs on the engine while engine/plan.pyx records the kernels; twice, on other data
    compiled.py  the callable: a plan for each size of the inputs, as many as the cache holds
"""

from loopnest.planning.compiled import CacheInfo as CacheInfo
from loopnest.planning.compiled import CompiledModule as CompiledModule
from loopnest.planning.compiled import compile as compile
from loopnest.planning.trace import NotPlannable as NotPlannable
