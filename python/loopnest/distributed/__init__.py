"""Data-parallel training over MPI (extra `mpi`): n ranks make the same steps, each on its part of a batch.

    mpiexec -n 4 loopnest run classify          every system, by its Trainer
    mpiexec -n 4 python train.py                a loop of one's own, with three more lines

A Trainer needs nothing but init_process_group(). For a loop of one's own see DistributedDataParallel.
"""

from loopnest.distributed.group import (
    barrier,
    destroy_process_group,
    from_first,
    get_rank,
    get_world_size,
    init_process_group,
    is_initialized,
    launched,
)
from loopnest.distributed.parallel import DistributedDataParallel
from loopnest.distributed.shard import DistributedSampler, by_rows, set_weight, shard, whole

__all__ = [
    "DistributedDataParallel",
    "DistributedSampler",
    "barrier",
    "by_rows",
    "destroy_process_group",
    "from_first",
    "get_rank",
    "get_world_size",
    "init_process_group",
    "is_initialized",
    "launched",
    "set_weight",
    "shard",
    "whole",
]
