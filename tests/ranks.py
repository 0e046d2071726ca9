"""What test_distributed.py runs on several ranks: mpiexec -n N python tests/ranks.py JOB FOLDER [more].

Each job is a function below; what it finds is written into FOLDER, for the test to judge.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

import loopnest
from loopnest import distributed, nn, optim
from loopnest.data import DataLoader, Drawn, TensorDataset
from loopnest.distributed.group import current
from loopnest.train import Callback, EarlyStopping, Trainer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(45, 6)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int64)


class Net(nn.Module):
    """Several buckets, a parameter used twice, one that is never used."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.first = nn.Linear(6, 16)
        self.twice = nn.Linear(16, 16)
        self.unused = nn.Linear(3, 3)
        self.drop = nn.Dropout(dropout)
        self.last = nn.Linear(16, 2)

    def forward(self, x):
        h = self.twice(self.first(x).relu()).relu()
        return self.last(self.drop(self.twice(h)).relu())


class Convs(nn.Module):
    """Batch norm, and channels-last gradients."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
        )

    def forward(self, x):
        return self.body(x)


def loss_of(model, batch):
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def state_of(model):
    return {name: value.detach().numpy().copy() for name, value in model.state_dict().items()}


def write(folder, name, **arrays):
    np.savez(folder / f"{name}-{distributed.get_rank()}.npz", **arrays)


class Losses(Callback):
    per_rank = False

    def __init__(self):
        self.losses = []

    def step(self, trainer, loss):
        self.losses.append(loss)


# Jobs


def train(folder):
    """Trainings whose order, dropout and weights come from random numbers that differ between the ranks:
    batches of 7 from 45 samples (shares of 2, 2, 2, 1; the last batch has 3, and rank 3 of 4 none of them),
    batches made on the fly of 1 to 8 samples, and batch norm."""
    loopnest.manual_seed(distributed.get_rank())
    model, seen = Net(dropout=0.2), Losses()
    trainer = Trainer(model, optim.Adam(model.parameters(), 1e-2), loss_of, callbacks=[seen], clip_norm=1.0)
    trainer.fit(DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True), 2, validate=lambda _: {"a": 1.5})
    assert trainer.history[-1]["a"] == 1.5
    write(folder, "adam", losses=seen.losses, **state_of(model))

    loopnest.manual_seed(3)
    model, seen = Net(), Losses()
    trainer = Trainer(model, optim.SGD(model.parameters(), 0.5), loss_of, callbacks=[seen])
    trainer.fit(Drawn(drawn, steps=6, seed=2), 1)
    write(folder, "drawn", losses=seen.losses, **state_of(model))

    loopnest.manual_seed(4)
    model = Convs()
    trainer = Trainer(model, optim.SGD(model.parameters(), 0.1), loss_of)
    images = np.random.default_rng(1).normal(size=(20, 1, 6, 6)).astype(np.float32)
    trainer.fit(DataLoader(TensorDataset(images, Y[:20]), batch_size=8), 1)
    write(folder, "norm", **state_of(model))


def drawn(rng):
    x = rng.normal(size=(int(rng.integers(1, 9)), 6)).astype(np.float32)
    return x, (x.sum(1) > 0).astype(np.int64)


def loop(folder, alone=False):
    """The plain loop; with three more lines, unless `alone`."""
    loopnest.manual_seed(5)
    net = model = Net()
    loader = DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True)
    if not alone:
        model = distributed.DistributedDataParallel(net, bucket_cap_mb=0.001)
        loader = distributed.shard(loader)
        assert all(name.startswith("module.") for name in model.state_dict())
    sgd = optim.SGD(model.parameters(), 0.5, momentum=0.9)
    for _ in range(2):
        for batch in loader:
            sgd.zero_grad()
            loss_of(model, batch).backward()
            sgd.step()
    assert net.unused.weight.grad is None
    write(folder, "loop", **state_of(net))


def linear_loss(model, batch):
    x, t = batch
    return (model(x) * t).sum() / len(x)


WHOLE = np.random.default_rng(2).integers(-2, 3, (40, 9)).astype(np.float32)


def exact(folder):
    """Small integers: sums are exact in any order, so 1, 2 and 4 ranks must agree in every bit, over many
    steps and through halves whose gradients stay on their rank. And gradients of single batches of any size,
    for the bound."""
    x, t = WHOLE[:, :6], WHOLE[:, 6:]
    loopnest.manual_seed(6)
    model = nn.Linear(6, 3)
    model.load_state_dict({"weight": loopnest.tensor(np.ones((3, 6))), "bias": loopnest.tensor(np.zeros(3))})
    trainer = Trainer(model, optim.SGD(model.parameters(), 0.5), linear_loss)
    trainer.fit(DataLoader(TensorDataset(x, t), batch_size=8, shuffle=True), 3)
    write(folder, "exact", losses=[r["loss"] for r in trainer.history], **state_of(model))

    wrapped = distributed.DistributedDataParallel(model)
    found = {}
    for count in (1, 2, 3, 5, 7, 8, 40):
        loader = distributed.shard(DataLoader(TensorDataset(x[:count], t[:count]), batch_size=count))
        for batch in loader:
            model.zero_grad()
            linear_loss(wrapped, batch).backward()
            found[str(count)] = model.weight.grad.numpy().copy()
            if count == 8:
                model.zero_grad()
                with wrapped.no_sync():
                    (linear_loss(wrapped, batch) / 2).backward()
                (linear_loss(wrapped, batch) / 2).backward()
                found["halves"] = model.weight.grad.numpy().copy()
    write(folder, "gradients", **found)


def everything(folder):
    train(folder)
    loop(folder)
    exact(folder)
    (folder / f"threads-{distributed.get_rank()}").write_text(str(loopnest.get_num_threads()))


def differ(folder):
    """Models that are not the same on all ranks; what every rank is told."""
    rank, told = distributed.get_rank(), []
    models = [
        lambda: nn.Linear(3, 4 if rank == 1 else 5),
        lambda: nn.Sequential(nn.Linear(3, 4), *([nn.Linear(4, 2)] if rank != 1 else [])),
        lambda: nn.Linear(3, 4).to(np.float64 if rank == 1 else np.float32),
        lambda: nn.Linear(3, 4, bias=rank != 1),
        lambda: nn.BatchNorm1d(3, track_running_stats=rank != 1),
    ]
    for make in models:
        try:
            distributed.DistributedDataParallel(make())
            told.append("")
        except ValueError as error:
            told.append(str(error))
    (folder / f"told-{rank}.json").write_text(json.dumps(told))


def resume(folder, steps, going):
    """Dropout, a generator, a checkpoint after every step; broken off after `steps` steps, then gone on."""

    class Break(Callback):
        def step(self, trainer, loss):
            if trainer.step_count == int(steps) and going != "resume":
                trainer.checkpoint_seconds = 1e9
                raise Stop

    class Stop(Exception):
        pass

    loopnest.manual_seed(1)
    model, seen = Net(dropout=0.3), Losses()
    trainer = Trainer(
        model,
        optim.Adam(model.parameters(), 1e-2),
        loss_of,
        checkpoint=folder / "run.checkpoint" if going != "whole" else None,
        checkpoint_seconds=0.0,
        callbacks=[seen, EarlyStopping("loss", patience=9), Break() if going == "break" else Callback()],
    )
    loader = DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True)
    try:
        trainer.fit(loader, 3, resume=going == "resume")
    except Stop:
        return
    losses = [record["loss"] for record in trainer.history]
    write(folder, going, losses=losses, steps=seen.losses, **state_of(model))


def lost(folder, where):
    """Trains for ever; says where it is, so that the test can kill or stop it there."""
    loopnest.manual_seed(1)
    model = Net()

    class Place(Callback):
        per_rank = False

        def step(self, trainer, loss):
            if where == "step" and trainer.step_count == 20:
                (folder / f"here-{distributed.get_rank()}").write_text(str(os.getpid()))
            time.sleep(0.002)

        def state_dict(self):
            if where == "save" and trainer.step_count > 20:
                (folder / f"here-{distributed.get_rank()}").write_text(str(os.getpid()))
                time.sleep(60)
            return {}

    def validate(model):
        if where == "validate":
            time.sleep(4)  # longer than the patience: rank 0 is busy, not lost
        return {}

    trainer = Trainer(
        model,
        optim.SGD(model.parameters(), 0.1),
        loss_of,
        callbacks=[Place()],
        checkpoint=folder / "run.checkpoint",
        checkpoint_seconds=0.2,
    )
    x = np.repeat(X, 40, 0) if where != "validate" else X
    y = np.repeat(Y, 40, 0) if where != "validate" else Y
    epochs = 10**6 if where != "validate" else 1
    trainer.fit(DataLoader(TensorDataset(x, y), batch_size=7), epochs, validate=validate)


def uneven(folder, how):
    """One rank makes fewer steps than the others, or leaves, or fails."""
    rank = distributed.get_rank()
    if how == "steps":
        model = Net()
        trainer = Trainer(model, optim.SGD(model.parameters(), 0.1), loss_of)
        trainer.fit(Drawn(drawn, steps=4 - (rank == 1)), 1)
    elif how == "exit" and rank == 1:
        sys.exit(0)
    elif how == "error" and rank == 1:
        raise KeyError("only here")
    current().barrier()


def main():
    job, folder, *more = sys.argv[1:]
    distributed.init_process_group()
    globals()[job](Path(folder), *more)


if __name__ == "__main__":
    main()
