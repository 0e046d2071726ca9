"""Weak and strong scaling: constants measured here, the model beside what is measured, and to 1,024 ranks.

    python bench/scale.py measure                                under a minute; starts mpiexec itself
    python bench/scale.py tables bench/results/scale.json        the tables of docs/scale.md
    python bench/scale.py charts bench/results/scale.json docs   scale-weak.png, scale-strong.png, the table

`measure` runs itself on 1 rank (computing time by number of samples, when which bucket is full), on 2 (the
all-reduce by size: alpha, beta, gamma) and 1, 2 and 4 ranks (whole steps, weak and strong). All ranks are on
this machine: more ranks than cores are oversubscribed, and marked.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import loopnest
from loopnest import distributed, machine, models, nn, optim
from loopnest.distributed.group import current
from loopnest.distributed.model import Link, Step, on_paper, ranks_to, simulate
from loopnest.distributed.reducer import Bucket, Reducer

# name: (model, shape of a sample, classes, samples a rank or in all)
CASES = {
    "LeNet-5": (models.lenet5, (1, 32, 32), 10, 64),
    "ResNet-20": (models.resnet20, (3, 32, 32), 10, 8),
    "MLP-2048": (
        lambda: nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 2048),
            nn.ReLU(),
            nn.Linear(2048, 2048),
            nn.ReLU(),
            nn.Linear(2048, 10),
        ),
        (1, 28, 28),
        10,
        32,
    ),
}
SIZES = [1 << k for k in range(12, 25, 2)]  # bytes of a bucket: 4 KiB to 16 MiB

# What a network between machines is taken to do; not measured. beta: the line rate of the standard
# (IEEE 802.3ae; InfiniBand HDR, 200 Gb/s). alpha: round numbers of what MPI over TCP and over verbs takes.
NETWORKS = {
    "InfiniBand HDR": {"alpha": 1.5e-6, "beta": 1 / 25e9},
    "10 Gb/s Ethernet, TCP": {"alpha": 30e-6, "beta": 1 / 1.25e9},
}


# On the ranks


def setting(name):
    make, shape, classes, samples = CASES[name]
    loopnest.manual_seed(0)
    model = make()
    return model.train(), optim.SGD(model.parameters(), 1e-3, momentum=0.9), shape, classes, samples


def batch_of(shape, classes, samples):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(samples, *shape)).astype(np.float32)
    return loopnest.tensor(x), loopnest.tensor(rng.integers(0, classes, samples))


def one_step(model, optimizer, batch, marks=None):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
    if marks is not None:
        marks.append(time.perf_counter())
    loss.backward()
    if marks is not None:
        marks.append(time.perf_counter())
    optimizer.step()


def timed(function, seconds):
    """Seconds of each call, for so long; the first two do not count."""
    function()
    function()
    taken, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 5:
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return taken


def anatomy(name, seconds):
    """One rank alone: seconds by number of samples, the parts of a step, and when its buckets are full."""
    model, optimizer, shape, classes, samples = setting(name)
    loopnest.set_num_threads(1)
    by_samples = {}
    for count in sorted({1, samples // 8, samples // 4, samples // 2, samples}):
        batch = batch_of(shape, classes, count)
        taken = timed(lambda batch=batch: one_step(model, optimizer, batch), seconds)
        by_samples[count] = [float(np.min(taken)), float(np.median(taken))]
    params = list(model.parameters())
    buckets = Reducer.cut(params, 1.0)
    place = {id(p): k for k, some in enumerate(buckets) for p in some}
    arrived = []
    handles = [
        p.register_post_accumulate_grad_hook(lambda p: arrived.append((place[id(p)], time.perf_counter())))
        for p in params
    ]
    rows, hooks = [], []
    batch = batch_of(shape, classes, samples)
    for _ in range(20):
        arrived.clear()
        marks = [time.perf_counter()]
        one_step(model, optimizer, batch, marks)
        marks.append(time.perf_counter())
        start, forward, backward, end = marks
        at = [(k, (t - forward) / (backward - forward)) for k, t in arrived]
        full = [max(t for b, t in at if b == k) for k in range(len(buckets))]
        rows.append([(forward - start) / (end - start), (backward - forward) / (end - start), *full])
        hooks.append([t for _, t in at])
    for handle in handles:
        handle.remove()
    middle = np.median(rows, 0).tolist()
    return {
        "samples": samples,
        "by_samples": by_samples,
        "forward": middle[0],
        "backward": middle[1],
        "full": np.maximum.accumulate(middle[2:]).tolist(),
        "hooks": sorted(np.median(hooks, 0).tolist()),
        "sizes": [float(sum(p.numel() + 1 for p in some)) * 4 for some in buckets],
        "parameters": sum(p.numel() for p in params),
    }


def exchanges():
    """The all-reduce of one bucket by its size, and the processor's part of it alone."""
    group, rows = current(), []
    for size in SIZES:
        param = nn.Parameter(np.zeros(size // 4, np.float32))
        reducer = Reducer(group, [param], bucket_megabytes=64)
        param.grad = loopnest.tensor(np.ones(size // 4, np.float32))

        def both(reducer=reducer):
            reducer._begin()
            reducer.finish()

        count = max(5, min(200, int(2e7 / size)))
        every = []
        group.barrier()
        for _ in range(count):
            start = time.perf_counter()
            both()
            every.append(time.perf_counter() - start)
        bucket, alone = Bucket([param], group.size), []
        for _ in range(count):
            start = time.perf_counter()
            bucket.put(0)
            bucket.sum_slice(np.full(group.size, 1 / group.size), 0)
            bucket.take()
            alone.append(time.perf_counter() - start)
        rows.append([size, float(np.min(every)), float(np.median(every)), float(np.median(alone))])
        reducer.close()
    return rows


def steps(name, seconds, strong):
    """Seconds of whole steps on all ranks at once, with gradients summed and without."""
    model, optimizer, shape, classes, samples = setting(name)
    group = current()
    mine = max(1, samples // group.size) if strong else samples
    batch = batch_of(shape, classes, mine)
    found = {}
    for how in ("alone", "together"):  # alone: all ranks at once, but each for itself
        net = model
        if how == "together":
            net = distributed.DistributedDataParallel(model, broadcast_buffers=False)
        one_step(net, optimizer, batch)
        start = time.perf_counter()
        one_step(net, optimizer, batch)
        count = group.broadcast_value(max(5, int(seconds / (time.perf_counter() - start))))
        group.barrier()
        taken = []
        for _ in range(count):
            start = time.perf_counter()
            one_step(net, optimizer, batch)
            taken.append(time.perf_counter() - start)
        group.barrier()
        # The mean: where ranks take turns on a core, most steps are undisturbed and some wait for a turn.
        found[how], found[f"{how} least"] = float(np.mean(taken)), float(np.min(taken))
        found[f"{how} spread"] = float(np.std(np.sort(taken)[: max(2, int(0.9 * count))]) / np.median(taken))
    return found


def worker(arguments):
    distributed.init_process_group()
    loopnest.set_num_threads(1)
    found = {"ranks": distributed.get_world_size()}
    if found["ranks"] == 2:
        found["exchanges"] = exchanges()
    for name in CASES:
        found[name] = {
            kind: steps(name, arguments.seconds, kind == "strong")
            for kind in (("weak", "strong") if found["ranks"] > 1 else ("weak",))
        }
    every = current().gather_values(found)
    if distributed.get_rank() == 0:
        Path(arguments.out).write_text(json.dumps(every[0]))


# Outside


def measure(arguments):
    facts = {
        "machine": machine.describe(),
        "cores": len(os.sched_getaffinity(0)),
        "command": arguments.command,
    }
    facts["anatomy"] = {name: anatomy(name, arguments.seconds / 4) for name in CASES}
    here = Path(sys.executable).parent / "mpiexec"
    mpiexec = str(here) if here.exists() else "mpiexec"
    env = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT"):
        env |= {name: "1", f"{name}_CONFIRM": "1"}
    version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, env=env).stdout
    facts["mpi"] = version.strip().splitlines()[0]
    more = ["--oversubscribe"] if "Open MPI" in version or "OpenRTE" in version else []
    facts["runs"] = {}
    for ranks in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "found.json"
            command = [
                mpiexec,
                *more,
                "-n",
                str(ranks),
                sys.executable,
                __file__,
                "worker",
                "--out",
                str(out),
            ]
            subprocess.run([*command, "--seconds", str(arguments.seconds)], check=True, env=env)
            facts["runs"][str(ranks)] = json.loads(out.read_text())
    Path(arguments.out).write_text(json.dumps(facts, indent=1) + "\n")
    tables(facts)


def fitted(facts):
    """The link of this machine's shared memory, from the all-reduces of 2 ranks: 2 alpha + B beta is what is
    left of each after the processor's own work."""
    rows = np.array(facts["runs"]["2"]["exchanges"])
    size, whole, alone = rows[:, 0], rows[:, 2], rows[:, 3]
    gamma, delta = line(size, alone)
    beta, twice_alpha = line(size, whole - alone)
    return Link("shared memory", twice_alpha / 2, beta, gamma, delta, overlaps=False)


def line(x, y):
    """Slope and value at 0 of the line with the least relative errors, neither below 0."""
    a = np.stack([x, np.ones_like(x)], 1) / y[:, None]
    slope, base = np.linalg.lstsq(a, np.ones_like(y), rcond=None)[0]
    return max(float(slope), 0.0), max(float(base), 0.0)


def step_of(facts, name, spread=0.0):
    a = facts["anatomy"][name]
    counts = np.array([float(k) for k in a["by_samples"]])
    per_sample, fixed = line(counts, np.array([v[1] for v in a["by_samples"].values()]))
    return Step(
        name, fixed, per_sample, a["forward"], a["backward"], a["full"], a["sizes"], a["hooks"], spread
    )


def tables(facts):
    link = fitted(facts)
    print(f"\n{facts['machine']['cpu']}, {facts['cores']} cores; {facts['mpi']}\n")
    print("| bytes | all-reduce, 2 ranks | model | processor alone |\n|---|---|---|---|")
    for size, _, whole, alone in facts["runs"]["2"]["exchanges"]:
        said = link.allreduce(2, size)
        print(f"| {size:,} | {1e6 * whole:,.0f} us | {1e6 * said:,.0f} us | {1e6 * alone:,.0f} us |")
    print(
        f"\nalpha {1e6 * link.alpha:.1f} us, 1/beta {1e-9 / max(link.beta, 1e-15):.2f} GB/s, 1/gamma "
        f"{1e-9 / max(link.gamma, 1e-15):.2f} GB/s, delta {1e6 * link.delta:.0f} us\n"
    )
    print("| model | ranks | | computing | together | model | model / measured | efficiency |")
    print("|---|---|---|---|---|---|---|---|")
    for name in CASES:
        for ranks, found in facts["runs"].items():
            for kind, taken in found[name].items():
                print(row(facts, link, name, int(ranks), kind, taken))


def row(facts, link, name, ranks, kind, taken):
    """A line of the table of steps measured and modelled."""
    seconds = predicted(facts, link, name, ranks, kind, taken)
    one = facts["runs"]["1"][name]["weak"]["together"]
    gain = one / taken["together"] / (ranks if kind == "strong" else 1)
    mark = " (oversubscribed)" if ranks > facts["cores"] else ""
    cells = " | ".join(f"{1e3 * each:.2f} ms" for each in seconds)
    return f"| {name} | {ranks}{mark} | {kind} | {cells} | {seconds[2] / seconds[1]:.2f} | {gain:.0%} |"


def predicted(facts, link, name, ranks, kind, taken):
    """Seconds of computing, of a step as measured, and as modelled. The computing is what the ranks take at
    once, each for itself: sharing memory is no matter of messages. More ranks than cores take turns."""
    a, turns = facts["anatomy"][name], max(1.0, ranks / facts["cores"])
    each = a["samples"] / (ranks if kind == "strong" else 1)
    computing = taken["alone"] if turns == 1 else turns * step_of(facts, name).compute(each)
    said = computing + turns * sum(link.allreduce(ranks, size) for size in a["sizes"])
    return computing, taken["together"], said


def charts(facts, folder):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    here = fitted(facts)
    print("\n| model | network | | " + " | ".join(f"{n:,}" for n in SHOWN) + " |")
    print("|---|---|---|" + "---|" * len(SHOWN))
    for strong in (False, True):
        figure, axes = pyplot.subplots(1, len(CASES), figsize=(10, 3.8), sharey=True, constrained_layout=True)
        for axis, name in zip(axes, CASES, strict=True):
            draw(axis, facts, here, name, strong)
        axes[0].set_ylabel("efficiency")
        handles = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
        figure.legend(
            handles.values(), handles.keys(), fontsize=8, frameon=False, ncols=4, loc="outside lower center"
        )
        kind = "strong" if strong else "weak"
        title = "one batch shared by all ranks" if strong else "the same samples on every rank"
        figure.suptitle(f"{kind.capitalize()} scaling: {title}", fontsize=11)
        figure.savefig(Path(folder) / f"scale-{kind}.png", dpi=100)


SHOWN = [2, 16, 128, 1024]
COLOURS = {"InfiniBand HDR": "#0072b2", "10 Gb/s Ethernet, TCP": "#d55e00"}


def draw(axis, facts, here, name, strong):
    spread = facts["runs"]["2"][name]["weak"]["alone spread"]
    step, samples = step_of(facts, name, spread), facts["anatomy"][name]["samples"]
    # A batch for 1,024 ranks: strong scaling shares 1,024 samples' worth, one for each rank at the end.
    whole = samples if not strong else 1024
    alone = step.compute(whole)
    for network, numbers in NETWORKS.items():
        link = Link(network, gamma=here.gamma, delta=here.delta, **numbers)
        said, paper = {}, {}
        for ranks in ranks_to(1024):
            each = whole / ranks if strong else whole
            scale = ranks if strong else 1
            said[ranks] = alone / simulate(step, link, ranks, each)[0] / scale
            paper[ranks] = alone / on_paper(step, link, ranks, each) / scale
        axis.plot(said.keys(), said.values(), color=COLOURS[network], label=f"{network}, simulated")
        axis.plot(paper.keys(), paper.values(), color=COLOURS[network], ls=":", label=f"{network}, on paper")
        cells = " | ".join(f"{said[n]:.0%} / {paper[n]:.0%}" for n in SHOWN)
        print(f"| {name} | {network} | {'strong' if strong else 'weak'} | {cells} |")
    if not strong:  # the strong runs here share a smaller batch: they are in the tables
        dots(axis, facts, here, name)
    axis.set_xscale("log", base=2)
    axis.set_xticks([1, 4, 16, 64, 256, 1024], ["1", "4", "16", "64", "256", "1024"])
    axis.set_xlabel("ranks")
    axis.set_ylim(0, 1.08)
    axis.grid(alpha=0.3)
    count = facts["anatomy"][name]["parameters"]
    share = "in all" if strong else "a rank"
    axis.set_title(f"{name}: {count / 1e6:.2f} M parameters,\n{whole:,} samples {share}", fontsize=9)


def dots(axis, facts, here, name):
    """What was measured here, and the model's word for it."""
    one = facts["runs"]["1"][name]["weak"]["together"]
    for ranks, found in facts["runs"].items():
        if int(ranks) > 1:
            _, together, said = predicted(facts, here, name, int(ranks), "weak", found[name]["weak"])
            over = int(ranks) > facts["cores"]
            label = "measured here" + (", more ranks than cores" if over else "")
            face = "none" if over else "black"
            axis.plot([int(ranks)], [one / together], "o", color="black", mfc=face, ms=5, label=label)
            axis.plot(
                [int(ranks)], [one / said], "x", color="black", ms=5, label="model of these" if over else None
            )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["measure", "tables", "charts", "worker"])
    parser.add_argument("file", nargs="?", default="bench/results/scale.json")
    parser.add_argument("folder", nargs="?", default="docs")
    parser.add_argument("--out", default="bench/results/scale.json")
    parser.add_argument("--seconds", type=float, default=1.0, help="spent on each measurement")
    arguments = parser.parse_args()
    arguments.command = f"python bench/scale.py measure --seconds {arguments.seconds:g}"
    if arguments.what == "worker":
        worker(arguments)
    elif arguments.what == "measure":
        measure(arguments)
    elif arguments.what == "tables":
        tables(json.loads(Path(arguments.file).read_text()))
    else:
        charts(json.loads(Path(arguments.file).read_text()), arguments.folder)


if __name__ == "__main__":
    main()
