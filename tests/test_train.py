"""loopnest.train: the Trainer is the plain loop, and a run that was broken off goes on bit for bit."""

import json

import numpy as np
import pytest

import loopnest
from loopnest import nn, optim
from loopnest.data import DataLoader, TensorDataset
from loopnest.train import EarlyStopping, Log, Trainer, checkpoint

pytest.importorskip("safetensors")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
Y = (X.sum(1) > 0).astype(np.int64)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))

    def forward(self, x):
        return self.body(x)


def loss_of(model, batch):
    x, y = batch
    return nn.functional.cross_entropy(model(x), y)


def make(path=None, generator=False, **more):
    loopnest.manual_seed(1)
    model = Net()
    own = loopnest.Generator().manual_seed(4) if generator else None
    loader = DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True, generator=own)
    optimizer = optim.Adam(model.parameters(), 1e-2)
    return Trainer(model, optimizer, loss_of, checkpoint=path, clip_norm=1.0, **more), loader


def losses(trainer):
    return [record["loss"] for record in trainer.history]


def test_it_is_the_plain_loop():
    trainer, loader = make()
    trainer.fit(loader, 3)
    loopnest.manual_seed(1)
    model = Net()
    optimizer = optim.Adam(model.parameters(), 1e-2)
    loader = DataLoader(TensorDataset(X, Y), batch_size=7, shuffle=True)
    plain = []
    for _ in range(3):
        total = 0.0
        for batch in loader:
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
        plain.append(total / len(loader))
    assert losses(trainer) == plain and plain[-1] < plain[0]


class Stop(Exception):
    pass


@pytest.mark.parametrize("generator", [False, True])
@pytest.mark.parametrize("steps", [0, 4, 9, 13])
def test_a_broken_run_goes_on_bit_for_bit(tmp_path, steps, generator):
    """Broken off within an epoch, with a checkpoint after every step: everything as if it had not been."""
    whole, loader = make(generator=generator)
    whole.fit(loader, 3)

    class Break(loopnest.train.Callback):
        def step(self, trainer, loss):
            if trainer.step_count == steps + 1:
                raise Stop  # after the checkpoint of step `steps`

    path = tmp_path / "run.checkpoint"
    broken, loader = make(path, generator, checkpoint_seconds=0.0)
    broken.callbacks = [Break()]
    with pytest.raises(Stop):
        broken.fit(loader, 3)
    resumed, loader = make(path, generator, checkpoint_seconds=0.0)
    resumed.callbacks = [loopnest.train.Callback()]
    loopnest.manual_seed(12345)
    if steps == 0:
        assert not path.exists()
        resumed, loader = make(path, generator)  # nothing to resume from: it begins
        resumed.callbacks = [loopnest.train.Callback()]
    resumed.fit(loader, 3, resume=True)
    assert losses(resumed) == losses(whole)
    for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
    done, loader = make(path, generator)
    with pytest.raises(ValueError, match="callbacks"):
        Trainer(
            done.model, done.optimizer, loss_of, checkpoint=path, callbacks=[loopnest.train.Callback()] * 2
        ).fit(loader, 3, resume=True)
    done.callbacks = resumed.callbacks
    assert done.fit(loader, 3, resume=True) == resumed.history


def test_checkpoints_keep_trees_and_notice_damage(tmp_path):
    path = tmp_path / "c"
    tree = {1: [None, True, float("inf"), 0.1, 2**100], "a": {"x": np.arange(3.0)}, "t": (1, "b")}
    checkpoint.save(tree, path)
    back = checkpoint.load(path)
    assert back[1] == tree[1] and back["a"]["x"].tolist() == [0, 1, 2] and back["t"] == [1, "b"]
    raw = bytearray(path.read_bytes())
    for place in range(8, len(raw), 7):
        bad = bytearray(raw)
        bad[place] ^= 4
        path.write_bytes(bad)
        with pytest.raises(ValueError):
            checkpoint.load(path)
    for length in (0, 5, 40, len(raw) - 1):
        path.write_bytes(raw[:length])
        with pytest.raises(ValueError):
            checkpoint.load(path)
    with pytest.raises(TypeError):
        checkpoint.save({"f": print}, path)


def test_early_stopping_goes_back_to_the_best():
    values = iter([3.0, 1.0, 2.0, 4.0, 5.0])
    stopping = EarlyStopping("score", patience=2)
    trainer, loader = make(callbacks=[stopping])
    kept = []

    def validate(model):
        assert not model.training
        kept.append(model.body[0].weight.detach().numpy().copy())
        return {"score": next(values)}

    history = trainer.fit(loader, 10, validate=validate)
    assert len(history) == 4 and stopping.best == 1.0
    assert (trainer.model.body[0].weight.detach().numpy() == kept[1]).all()


def test_fit_goes_on_where_an_earlier_one_ended():
    trainer, loader = make()
    for epochs, done in ((2, 2), (2, 2), (4, 4)):
        assert len(trainer.fit(loader, epochs)) == done
    whole, loader = make()
    assert losses(trainer) == [record["loss"] for record in whole.fit(loader, 4)]


def test_fit_goes_on_after_an_early_stop(tmp_path):
    values = iter([1.0, 2.0, 3.0, 0.5, 4.0, 5.0])
    stopping = EarlyStopping("score", patience=2)
    trainer, loader = make(tmp_path / "c", callbacks=[stopping])
    validate = lambda model: {"score": next(values)}  # noqa: E731
    assert len(trainer.fit(loader, 10, validate=validate)) == 3
    other, loader = make(tmp_path / "c", callbacks=[EarlyStopping("score", patience=2)])
    assert len(other.fit(loader, 10, validate=validate, resume=True)) == 3  # that run had ended
    assert len(trainer.fit(loader, 10, validate=validate)) == 6 and stopping.best == 0.5


@pytest.mark.parametrize("mode", ["min", "max"])
def test_nan_is_never_the_best(mode):
    values = iter([float("nan"), 2.0, float("nan"), 2.0, 2.0])
    stopping = EarlyStopping("score", patience=3, mode=mode)
    trainer, loader = make(callbacks=[stopping])
    assert len(trainer.fit(loader, 9, validate=lambda model: {"score": next(values)})) == 5
    assert stopping.best == 2.0


def test_streams_train():
    class Stream(loopnest.data.IterableDataset):
        def __iter__(self):
            return zip(X, Y, strict=True)

    trainer, _ = make()
    assert len(trainer.fit(DataLoader(Stream(), batch_size=20), 2)) == 2 and trainer.step_count == 6
    assert trainer.total_steps is None


def test_log(tmp_path):
    trainer, loader = make(callbacks=[Log(tmp_path / "l.csv"), Log(tmp_path / "l.jsonl")])
    history = trainer.fit(loader, 2)
    assert [json.loads(line) for line in (tmp_path / "l.jsonl").read_text().splitlines()] == history
    head, *rows = (tmp_path / "l.csv").read_text().splitlines()
    assert head == "epoch,step,loss,seconds" and len(rows) == 2
    with pytest.raises(ValueError, match="csv"):
        Log("history.txt")


def test_seconds_are_of_the_clock_that_was_given():
    ticks = iter(range(100))
    trainer, loader = make(clock=lambda: 10.0 * next(ticks))
    trainer.fit(loader, 2)
    assert [record["seconds"] for record in trainer.history] == [10.0, 10.0]
    assert trainer.seconds == 20.0


def test_a_loss_that_is_no_number_ends_training():
    trainer, loader = make()
    trainer.loss = lambda model, batch: loss_of(model, batch) * float("nan")
    with pytest.raises(ValueError, match="epoch 1, step 1"):
        trainer.fit(loader, 1)
    with pytest.raises(ValueError, match="no batch"):
        make()[0].fit([], 1)
