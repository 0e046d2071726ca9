"""Data-parallel training: n ranks train as one would, with the same bits each time, and end together.

tests/ranks.py is what runs on the ranks. Needs mpi4py and an MPI library with its mpiexec (extra mpi).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.autograd import queue_callback
from loopnest.distributed import DistributedSampler, by_rows, model
from loopnest.distributed.shard import share

# The tests share trainings: in one process, when tests run in several.
pytestmark = pytest.mark.xdist_group("distributed")

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
MPIEXEC = next((str(p) for p in (BIN / "mpiexec",) if p.exists()), None) or shutil.which("mpiexec")


@cache
def library():
    """The MPI library's name, or why there is none. In a process of its own: importing MPI starts it."""
    if MPIEXEC is None:
        return None, "there is no mpiexec"
    code = "from mpi4py import MPI; print(MPI.get_vendor()[0])"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    if made.returncode:
        return None, f"mpi4py does not work: {made.stderr[-300:]}"
    return made.stdout.strip(), ""


def environment(**more):
    """Open MPI wants to be told that root may use it; threads are shared out as for a user."""
    env = {k: v for k, v in os.environ.items() if k not in ("LOOPNEST_NUM_THREADS", "OMP_NUM_THREADS")}
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT"):
        env |= {name: "1", f"{name}_CONFIRM": "1"}
    return env | {"OPENBLAS_NUM_THREADS": "1"} | more


@pytest.fixture(scope="module")
def mpi():
    """Asked when a test needs it, not when tests are collected: by every process that runs some."""
    vendor, why = library()
    if vendor is None:
        pytest.skip(f"needs mpi4py and mpiexec (extra mpi): {why}")


needs_mpi = pytest.mark.usefixtures("mpi")


def command(ranks, *args):
    more = ["--oversubscribe"] if library()[0] == "Open MPI" else []
    return [MPIEXEC, *more, "-n", str(ranks), sys.executable, *map(str, args)]


def start(ranks, job, *args, **env):
    return subprocess.Popen(
        command(ranks, ROOT / "tests" / "ranks.py", job, *args),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(**env),
        cwd=ROOT,
    )


def end(process):
    """Ends mpiexec so that it can end its ranks; killed at once it would leave them behind."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()


def run(ranks, job, *args, fails=False, **env):
    """Output of a job. It must end by itself, with status 0, or not 0 if `fails`."""
    process = start(ranks, job, *args, **env)
    try:
        output, _ = process.communicate(timeout=100)
    except subprocess.TimeoutExpired:
        end(process)
        raise AssertionError(f"{job} on {ranks} ranks hangs") from None
    assert (process.returncode != 0) == fails, f"status {process.returncode}\n{output}"
    return output


def arrays(folder, name, rank=0):
    with np.load(folder / f"{name}-{rank}.npz") as file:
        return {key: file[key] for key in file}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


# Hooks of the engine


def test_a_hook_runs_when_the_gradient_is_complete():
    """A weight used twice: one call, with the sum; before the nodes that lie behind it are replayed."""
    order = []
    w = loopnest.tensor(np.ones(3, np.float32), requires_grad=True)
    v = loopnest.tensor(np.full(3, 2, np.float32), requires_grad=True)
    u = loopnest.tensor(np.ones(3, np.float32), requires_grad=True)

    def seen(name):
        def hook(t):
            order.append((name, t.grad.numpy().copy()))
            if name == "w":
                assert v.grad is None, "v's gradient is made after w's"
                queue_callback(lambda: order.append(("end", None)))

        return hook

    handles = [t.register_post_accumulate_grad_hook(seen(name)) for t, name in ((w, "w"), (v, "v"), (u, "u"))]
    y = v * 3
    ((y * w) * w + w).sum().backward()
    assert [name for name, _ in order] == ["w", "v", "end"]  # u is not in the graph
    assert np.array_equal(order[0][1], np.full(3, 2 * 6 + 1, np.float32))
    assert np.array_equal(order[1][1], np.full(3, 3, np.float32))
    for handle in handles:
        handle.remove()
    order.clear()
    ((v * 3) * w).sum().backward()
    assert not order
    with pytest.raises(RuntimeError, match="leaf"):
        (v * 1).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="no backward"):
        queue_callback(print)


def test_a_hook_that_fails_leaves_the_engine_whole():
    w = loopnest.tensor(np.ones(2, np.float32), requires_grad=True)

    def hook(_):
        raise KeyError("mine")

    with w.register_post_accumulate_grad_hook(hook), pytest.raises(KeyError, match="mine"):
        (w * 2).sum().backward()
    w.grad = None
    (w * 2).sum().backward()
    assert np.array_equal(w.grad.numpy(), [2, 2])


def test_gradients_with_hooks_are_the_same_bits():
    """The net of a training step, with a hook on every parameter and without."""
    grads = []
    for hooked in (False, True):
        loopnest.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))
        calls = []
        if hooked:
            for p in net.parameters():
                p.register_post_accumulate_grad_hook(calls.append)
        nn.functional.cross_entropy(net(loopnest.rand(3, 1, 6, 6)), loopnest.arange(3)).backward()
        grads.append([p.grad.numpy() for p in net.parameters()])
        assert len(calls) == (4 if hooked else 0)
    assert all(np.array_equal(a, b) for a, b in zip(*grads, strict=True))


# Shares


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_shares_are_a_partition(count, size):
    parts = [list(range(count))[share(count, rank, size)] for rank in range(size)]
    assert [*chain(*parts)] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_batches_are_cut_by_rows():
    batch = {"x": np.arange(10).reshape(5, 2), "y": [loopnest.arange(5), "kept"]}
    part, samples = by_rows(batch, 1, 3)
    assert samples == 2 and part["x"].tolist() == [[4, 5], [6, 7]] and part["y"][0].tolist() == [2, 3]
    assert part["y"][1] == "kept"
    part, samples = by_rows((np.arange(2),), 2, 3)
    assert samples == 0 and part[0].tolist() == [0]
    for bad in ((np.arange(2), np.arange(3)), ("text",), (np.float32(1),)):
        with pytest.raises(ValueError, match="same length of axis 0"):
            by_rows(bad, 0, 2)


@pytest.mark.parametrize("count,size,drop", [(10, 4, False), (10, 4, True), (3, 5, False), (8, 2, False)])
def test_distributed_sampler_is_pytorchs(count, size, drop):
    torch = pytest.importorskip("torch")
    for rank in range(size):
        args = dict(num_replicas=size, rank=rank, shuffle=False, drop_last=drop)
        theirs = torch.utils.data.DistributedSampler(range(count), **args)
        ours = DistributedSampler(range(count), **args)
        assert list(ours) == list(theirs) and len(ours) == len(theirs)
    shuffled = [DistributedSampler(range(12), 3, rank, seed=1) for rank in range(3)]
    first = [list(s) for s in shuffled]
    assert sorted(chain(*first)) == list(range(12)) and first == [list(s) for s in shuffled]
    for s in shuffled:
        s.set_epoch(1)
    assert first != [list(s) for s in shuffled]


# The model of scaling


def step(full, sizes, **more):
    """30 ms for 30 samples: 10 forward, 20 backward."""
    return model.Step("step", 0.0, 1e-3, 1 / 3, 2 / 3, full, sizes, **more)


def test_the_simulation_follows_the_schedule():
    """By hand. Two buckets of 1 MB at 10 and 20 ms of backward, 0.5 ms an exchange: the first bucket's second
    exchange begins when the processor looks, at the end (30 ms); three exchanges follow each other then."""
    link = model.Link("a gigabyte a second", alpha=0.0, beta=1e-9)
    two = step((0.5, 1.0), (1e6, 1e6), hooks=(0.5, 1.0))
    assert model.simulate(two, link, 2, 30)[0] == pytest.approx(31.5e-3)
    # a look at 16 ms: the first bucket is through before the second is full
    looked = step((0.5, 1.0), (1e6, 1e6), hooks=(0.5, 0.8, 1.0))
    assert model.simulate(looked, link, 2, 30) == (pytest.approx(31e-3), pytest.approx(1e-3))
    assert model.on_paper(looked, link, 2, 30) == pytest.approx(31e-3)
    # the processor as the link: all is added
    shared = model.Link("memory", alpha=1e-4, beta=1e-9, gamma=1e-9, delta=1e-3, overlaps=False)
    said = 30e-3 + 2 * (2 * (1e-4 + 0.5e-3) + 1e-3 + 1e-3)
    assert model.simulate(two, shared, 2, 30)[0] == pytest.approx(said)
    assert model.on_paper(two, shared, 2, 30) == pytest.approx(said)
    assert model.simulate(two, shared, 1, 30) == (pytest.approx(30e-3), 0.0)


def test_more_ranks_wait_longer():
    link = model.Link("network", alpha=1e-6, beta=1e-9)
    spread = step((0.5, 1.0), (1e6, 1e6), hooks=(0.5, 1.0), spread=0.05)
    taken = [model.simulate(spread, link, ranks, 30)[0] for ranks in model.ranks_to(1024)]
    assert taken == sorted(taken) and len(taken) == 11
    assert taken[-1] > 30e-3 * 1.15  # the slowest of 1,024 is over 3 deviations behind


# Several ranks


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """folder of jobs `train` and `loop` on n ranks, run when first asked for."""
    folders = {}

    def get(ranks, again=0):
        if (ranks, again) not in folders:
            folders[ranks, again] = tmp_path_factory.mktemp(f"ranks{ranks}-{again}")
            run(ranks, "everything", folders[ranks, again])
        return folders[ranks, again]

    return get


NAMES = ["adam", "drawn", "norm", "loop"]


def alone(folder):
    """What the same trainings give without MPI, in this process."""
    import ranks

    ranks.train(folder)
    ranks.loop(folder, alone=True)


@needs_mpi
def test_one_rank_is_training_without_mpi(trained, tmp_path):
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        alone(tmp_path)
    finally:
        sys.path.pop(0)
    for name in NAMES:
        assert same(arrays(trained(1), name), arrays(tmp_path, name)), name


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_all_ranks_hold_the_same_bits(trained, ranks):
    for name in NAMES:
        first = arrays(trained(ranks), name)
        for rank in range(1, ranks):
            assert same(arrays(trained(ranks), name, rank), first), f"{name} on rank {rank}"


@needs_mpi
def test_the_same_number_of_ranks_gives_the_same_bits(trained):
    for name in NAMES:
        assert same(arrays(trained(3), name), arrays(trained(3, again=1), name)), name


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 4])
def test_exact_sums_are_equal_to_one_rank(trained, ranks):
    """Losses and weights of 15 steps in integers and halves: not a bit may differ from one rank's."""
    assert same(arrays(trained(ranks), "exact"), arrays(trained(1), "exact"))
    one, many = (arrays(trained(n), "gradients") for n in (1, ranks))
    for count in ("8", "halves"):
        assert np.array_equal(one[count], many[count]), count
    assert np.array_equal(one["8"], one["halves"])


@needs_mpi
@pytest.mark.parametrize("ranks", [1, 2, 3, 4])
def test_gradients_are_within_the_bound(trained, ranks):
    """Of any batch, with uneven and empty shares. g = sum of x t / count: the quotient, the product,
    count - 1 sums, the rounded share and its product, and the levels of the tree round once each."""
    from ranks import WHOLE

    found, u = arrays(trained(ranks), "gradients"), 2.0**-24
    for count in (1, 2, 3, 5, 7, 8, 40):
        x, t = WHOLE[:count, :6].astype(np.float64), WHOLE[:count, 6:].astype(np.float64)
        true, size = t.T @ x / count, np.abs(t).T @ np.abs(x) / count
        steps = count + 3 + int(np.ceil(np.log2(ranks)))
        assert np.all(np.abs(found[str(count)] - true) <= steps * u / (1 - steps * u) * size), count
        assert np.any(size > 0)


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_all_samples_count_and_statistics_are_the_first_ranks(trained, ranks):
    """The losses follow those of one rank (the dropout is another), and batch norm has rank 0's statistics:
    those of one rank on the samples that are rank 0's."""
    one, many = (arrays(trained(n), "drawn")["losses"] for n in (1, ranks))
    assert np.all(np.abs(one - many) <= 1e-4 * np.abs(one))  # losses of 6 steps; a lost sample is over 1e-2
    assert int(arrays(trained(ranks), "norm")["body.1.num_batches_tracked"]) == 3


@needs_mpi
@pytest.mark.parametrize("ranks", [2, 4])
def test_cores_are_shared_out(trained, ranks):
    cores = len(os.sched_getaffinity(0))
    threads = [int((trained(ranks) / f"threads-{rank}").read_text()) for rank in range(ranks)]
    assert all(n >= 1 for n in threads) and sum(threads) <= max(cores, ranks)


@needs_mpi
def test_models_that_differ_are_found_at_the_start(tmp_path):
    run(3, "differ", tmp_path)
    told = [json.loads((tmp_path / f"told-{rank}.json").read_text()) for rank in range(3)]
    assert told[0] == told[1] == told[2]
    shape, count, dtype, missing, buffers = told[0]
    assert "'weight': (4, 3) float32 on rank 1" in shape and "'weight': (5, 3) float32 on rank 0" in shape
    assert "rank 1 has 2, rank 0 4" in count and "'1.weight': (2, 4) float32 of rank 0" in count
    assert "'weight': (4, 3) float64 on rank 1" in dtype and "float32 on rank 0" in dtype
    assert "rank 1 has 1, rank 0 2" in missing and "'bias'" in missing
    assert "buffers" in buffers and "running_mean" in buffers


@needs_mpi
@pytest.mark.parametrize("ranks,steps", [(2, 9), (3, 2)])
def test_a_broken_run_goes_on_bit_for_bit(tmp_path, ranks, steps):
    """Broken off within an epoch: dropout, order, losses and weights go on as if it had not been."""
    run(ranks, "resume", tmp_path, steps, "whole")
    run(ranks, "resume", tmp_path, steps, "break")
    assert [p.name for p in tmp_path.glob("*checkpoint*")] == ["run.checkpoint"]
    run(ranks, "resume", tmp_path, steps, "resume")
    for rank in range(ranks):
        whole, resumed = (arrays(tmp_path, how, rank) for how in ("whole", "resume"))
        tail = resumed.pop("steps")
        assert np.array_equal(whole.pop("steps")[-len(tail) :], tail) and len(tail) == 22 - steps
        assert same(whole, resumed)


# Faults


@needs_mpi
@pytest.mark.parametrize("where", ["step", "save"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_a_lost_rank_ends_the_job(tmp_path, where, number):
    """Killed or stopped among steps, and rank 0 while it saves: all is over soon, with a status that is not
    0, and no process is left."""
    victim = 0 if where == "save" else 1
    process = start(3, "lost", tmp_path, where, LOOPNEST_MPI_PATIENCE="2")
    try:
        pids = [wait_for(tmp_path / f"here-{rank}", process) for rank in range(3)]
        os.kill(pids[victim], number)
        began = time.monotonic()
        output, _ = process.communicate(timeout=30)
        print(f"ended after {time.monotonic() - began:.1f} s", output)
    finally:
        end(process)
    assert process.returncode != 0
    if number == signal.SIGSTOP:
        assert f"rank {victim} has given no sign of life for 2 s" in output
    deadline = time.monotonic() + 5
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in pids)


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate(timeout=5)
        time.sleep(0.02)
    return int(path.read_text())


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


@needs_mpi
def test_a_rank_that_is_busy_is_not_lost(tmp_path):
    """Rank 0 validates for longer than the others' patience."""
    run(2, "lost", tmp_path, "validate", LOOPNEST_MPI_PATIENCE="1")


@needs_mpi
@pytest.mark.parametrize(
    "how,says",
    [
        ("steps", "has no more batches, but rank"),
        ("exit", "rank 1 has left while rank"),
        ("error", "only here"),
    ],
)
def test_a_rank_that_leaves_ends_the_job(tmp_path, how, says):
    assert says in run(3 if how == "steps" else 2, "uneven", tmp_path, how, fails=True)


# The command


@needs_mpi
def test_a_system_runs_on_two_ranks(tmp_path):
    """Files, table and pictures once; the same accuracy as one rank gives, up to rounding."""
    pytest.importorskip("sklearn")
    from systems_data import folder as data_folder

    data = data_folder(tmp_path / "data", ["airline-passengers.csv"])
    outputs = {}
    for ranks in (1, 2):
        folder = tmp_path / f"out{ranks}"
        args = ["-m", "loopnest", "run", "forecast", "--quick", "--json", "--data", data, "--save", folder]
        made = subprocess.run(
            command(ranks, *args), capture_output=True, text=True, env=environment(), timeout=100
        )
        assert made.returncode == 0, made.stderr
        outputs[ranks] = json.loads(made.stdout)  # one rank's table alone
        assert (folder / "result.html").is_file() and (folder / "gru.safetensors").is_file()
    for name, records in outputs[1]["history"].items():
        one, two = (np.array([r["loss"] for r in each]) for each in (records, outputs[2]["history"][name]))
        assert np.all(np.abs(one - two) <= 1e-3 * np.abs(one)), (name, one, two)
