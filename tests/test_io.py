"""Weights on disk: what is written comes back, damage is noticed, a failed save leaves the older file."""

import os

import numpy as np
import pytest

import loopnest
from loopnest import nn

pytest.importorskip("safetensors")
io = pytest.importorskip("loopnest.io")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def test_round_trip(path):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LSTM(3, 4))
    net[0].weight = nn.Parameter(np.asfortranarray(net[0].weight.detach().numpy()))  # any layout
    state = {
        **net.state_dict(),
        "scalar": np.array(3.0),
        "counts": np.arange(3),
        "half": np.ones(2, np.float16),
    }
    io.save(state, path, metadata={"epoch": "3"})
    back = io.load(str(path))
    assert set(back) == set(state)
    for name, value in state.items():
        np.testing.assert_array_equal(back[name].numpy(), np.asarray(value))
        assert back[name].dtype == value.dtype
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LSTM(3, 4))
    assert other.load_state_dict(back, strict=False).missing_keys == []
    assert os.listdir(path.parent) == [path.name]


def test_torch_reads_it(path):
    torch = pytest.importorskip("torch")
    reader = pytest.importorskip("safetensors.torch")
    net = nn.Linear(3, 2)
    io.save(net.state_dict(), path)
    theirs = torch.nn.Linear(3, 2)
    theirs.load_state_dict(reader.load_file(path))
    np.testing.assert_array_equal(theirs.weight.detach().numpy(), net.weight.detach().numpy())


def test_every_truncation_is_noticed(path):
    io.save({"a": np.arange(6.0).reshape(2, 3)}, path)
    whole = path.read_bytes()
    for damaged in [*(whole[:n] for n in range(len(whole))), whole + b"x", b"\xff" * 40]:
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="safetensors"):
            io.load(path)


def test_failed_save_leaves_the_old_file(path, monkeypatch):
    io.save({"a": np.ones(3)}, path)
    old = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        io.save({"a": np.zeros(3)}, path)
    assert path.read_bytes() == old and os.listdir(path.parent) == [path.name]


def test_bad_arguments(path):
    for bad in ({"a": 3}, {1: np.ones(2)}, [np.ones(2)], {"a": "text"}):
        with pytest.raises(TypeError):
            io.save(bad, path)
    with pytest.raises(FileNotFoundError):
        io.load(path)
    with pytest.raises((TypeError, ValueError)):
        io.save({"a": np.array([object()])}, path)
    assert not path.exists()


def test_save_takes_tensors_that_require_grad(path):
    io.save({"w": nn.Parameter(np.ones(2, np.float32)), "t": loopnest.tensor(np.ones(2))}, path)
    assert io.load(path)["w"].numpy().tolist() == [1, 1]
