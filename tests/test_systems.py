"""Every system runs, quickly, writes what it promises, and goes on after it was broken off."""

import html
import json
import math
import re
import shutil
import sys
import time

import numpy as np
import pytest

import loopnest
import systems_data
from loopnest import nn, optim, systems
from loopnest.systems import Options, caption, page
from loopnest.train import Trainer

for needed in ("sklearn", "matplotlib", "safetensors"):
    pytest.importorskip(needed)

# The tests share runs: in one process, when tests run in several.
pytestmark = [pytest.mark.xdist_group("systems"), pytest.mark.usefixtures("share_of_cores")]

# system: the files it reads, and what the model of a quick run must beat, as (figure, "above" or "below",
# value); "loss" is that of the last epoch of training, where a quick run is too short for the figure itself
RUNS = {
    "classify": (["mnist_10k_2k.npz"], ("accuracy", "above", 0.6)),
    "outline": (["nuclei_dsb2018_46.npz"], ("iou", "above", 0.3)),
    "features": (["mnist_10k_2k.npz"], ("labels100", "above", 0.6)),
    "video": (["radar_fmi_20160928_4km.npz", "mnist_10k_2k.npz"], ("share", "below", 1.2)),
    "caption": (["mnist_10k_2k.npz"], ("loss", "below", 2.8)),  # 19 words: guessing is 2.94 nats
    "generate": (["tinyshakespeare.txt.gz"], ("nats", "below", 3.6)),
    "translate": (systems_data.PAIRS, ("perplexity", "below", 400)),
    "sentiment": (systems_data.MOOD, ("MR", "above", 0.4)),
    "forecast": (["airline-passengers.csv"], ("airline", "below", 80)),
    "speech": (["fsdd_900_mulaw.npz"], ("accuracy", "above", 0.3)),
    "scan": (["mnist_10k_2k.npz"], ("accuracy", "above", 0.25)),
    "faceoff": (systems_data.SENTENCES, ("TREC", "above", 0.2)),
    "interchange": (
        ["JSB_Chorales.mat", "tinyshakespeare.txt.gz", "mnist_10k_2k.npz"],
        ("adding", "below", 2),
    ),
}


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("systems")


def options(place, name, run="run", **more):
    files, _ = RUNS[name]
    return Options(
        data=systems_data.folder(place / name / "data", files), quick=True, save=place / name / run, **more
    )


@pytest.fixture(scope="session")
def results(place):
    """Each system's quick run, once for all tests.

    `get.killed[name]`: what the folder held after each checkpoint, as (steps so far, name of the copy).
    """
    held, killed = {}, {}

    def get(name):
        if name not in held:
            copies, run, save = killed.setdefault(name, []), place / name / "run", Trainer._save
            done = {}  # steps by trainer

            def save_and_copy(self, loader):
                save(self, loader)
                done[self] = self.step_count
                copies.append((sum(done.values()), f"killed-{len(copies)}"))
                shutil.copytree(run, place / name / copies[-1][1])

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Trainer, "_save", save_and_copy)
                held[name] = systems.run(name, options(place, name))
        return held[name]

    get.killed = killed
    return get


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_every_system_is_tested(name):
    assert name in RUNS


@pytest.mark.parametrize("name", RUNS)
def test_quick_run(results, place, name):
    result = results(name)
    figure, side, bound = RUNS[name][1]
    first = next(iter(result.history.values()))
    best = first[-1]["loss"] if figure == "loss" else result.rows[0].figures[figure]
    assert best > bound if side == "above" else best < bound, (name, figure, best)
    assert any(row.baseline for row in result.rows), "an honest baseline belongs into the table"
    assert all(math.isfinite(v) for row in result.rows for v in row.figures.values())
    out = place / name / "run"
    written = (out / "result.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', written), "the page must need nothing from outside"
    for picture in result.pictures:
        assert (out / f"{picture.name}.png").stat().st_size > 1000
        assert html.escape(picture.title) in written
    facts = json.loads((out / "result.json").read_text())
    assert [row["model"] for row in facts["rows"]] == [row.model for row in result.rows]
    assert list(out.glob("*.safetensors")), "the trained model is kept"


def losses(result):
    return {model: [record["loss"] for record in records] for model, records in result.history.items()}


@pytest.mark.parametrize("name", RUNS)
def test_a_killed_run_resumes_to_the_same_losses(results, place, name, monkeypatch):
    """From what its folder held after two thirds of the steps: every loss the same, bit for bit."""
    whole = results(name)
    copies = results.killed[name]
    monkeypatch.setattr(page, "write", lambda *_: None)  # test_quick_run looks at it
    run = [copy for steps, copy in copies if steps <= copies[-1][0] * 2 // 3][-1]
    again = systems.run(name, options(place, name, run, resume=True))
    assert losses(again) == losses(whole)


def test_a_run_that_is_broken_off_resumes_to_the_same_losses(results, place, monkeypatch):
    """By Ctrl-C in the middle of an epoch."""
    whole = results("forecast")
    steps = {"left": 1 + sum(records[-1]["step"] for records in whole.history.values()) // 2}
    plain = Trainer._step

    def step(self, batch):
        steps["left"] -= 1
        if steps["left"] == 0:
            raise KeyboardInterrupt
        plain(self, batch)

    monkeypatch.setattr(Trainer, "_step", step)
    with pytest.raises(KeyboardInterrupt):
        systems.run("forecast", options(place, "forecast", "broken"))
    monkeypatch.undo()
    again = systems.run("forecast", options(place, "forecast", "broken", resume=True))
    assert losses(again) == losses(whole)


def test_outline_takes_haze_away():
    """Nuclei in a wide haze that is as bright: the haze goes, the nuclei stay."""
    from loopnest.systems import outline

    r, c = np.mgrid[:256, :300].astype(np.float32)
    true = (
        sum((r - y) ** 2 + (c - x) ** 2 < 12**2 for y, x in ((60, 40), (150, 90), (90, 200), (200, 230))) > 0
    )
    haze = 60 * np.exp(-((r + 80) ** 2 + (c - 350) ** 2) / 300**2)
    foggy = 60 * true + haze + np.random.default_rng(0).normal(10, 2, r.shape)

    def right(image):
        said = image > outline.otsu(image)
        return (said & true).sum() / (said | true).sum()

    image = outline.scaled(foggy)
    assert 0.7 < image[true].mean() < 1.2 and abs(np.median(image[~true])) < 0.1
    assert right(image) > 0.9 > 0.6 > right(foggy)


def test_outline_tells_nuclei_apart_that_touch():
    pytest.importorskip("scipy")
    from loopnest.systems import outline

    label = np.zeros((20, 30), np.uint16)
    label[4:14, 3:12], label[4:14, 12:22], label[16:20, 23:29] = 1, 2, 3
    said = outline.kinds(label)
    found = outline.objects(said)
    assert len(np.unique(found)) == 4 and (np.unique(found) == range(4)).all()
    assert outline.object_f1(found, label) == 1
    said[1, 28] = 1
    assert (outline.objects(said) == found).all(), "one pixel is dust"
    assert outline.object_f1((found > 0).astype(int), label) == 0, "one region overlaps no nucleus by half"
    assert outline.objects(np.zeros((5, 5), int)).max() == 0
    assert outline.object_f1(outline.objects(np.zeros((20, 30), int)), label) == 0


def test_outline_says_the_same_of_an_image_whatever_stands_beside_it_in_memory():
    from loopnest.systems import outline

    model = outline.UNet(4).eval()
    image = np.random.default_rng(1).random((36, 41), np.float32)
    said = outline.predict(model, image)
    assert said.shape == image.shape and set(np.unique(said)) <= {0, 1, 2}
    assert (said == outline.predict(model, np.asfortranarray(image))).all()


def test_outline_says_the_same_of_a_picture_in_tiles(monkeypatch):
    from loopnest.systems import outline

    loopnest.manual_seed(1)
    model = outline.UNet(4).double().eval()
    image = np.random.default_rng(1).random((301, 203))
    whole = outline.chances(model, image)

    def apart():
        return np.abs(outline.chances(model, image) - whole).max() / np.ptp(whole)

    monkeypatch.setattr(outline, "TILE", 64)
    assert apart() < 1e-12
    monkeypatch.setattr(outline, "AROUND", 16)
    assert apart() > 1e-9, "a margin that is too small says something else"


def test_faceoff_competitors_are_of_equal_size():
    from loopnest.systems import faceoff
    from loopnest.systems.frame import parameters

    def body(model):
        left_out = [model.embedding, model.out] if hasattr(model, "embedding") else []
        return parameters(model) - sum(parameters(part) for part in left_out)

    words = [body(make()) for name, make in faceoff.models(50, 6).items() if name != "bag of words"]
    latch = [body(make()) for make in faceoff.LATCH.values()]
    assert max(words) < 1.013 * min(words) and max(latch) < 1.02 * min(latch)


def test_textcnn_leaves_out_padding_that_says_nothing():
    """Scores and gradients are those of all the padding, for sentences of every length up to the widest."""
    from loopnest.systems.models import TextCNN

    rng = np.random.default_rng(0)
    ids, lengths = np.zeros((9, 20), np.int64), np.array([1, 2, 5, 9, 11, 14, 15, 16, 20])
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = rng.integers(1, 30, length)
    loopnest.manual_seed(0)
    model = TextCNN(30, 3, 8, 6).double().eval()
    for some in (slice(4), slice(6), slice(7), slice(8), slice(9)):
        found = []
        for widest in (5, 99):
            model.widest = widest
            model.zero_grad()
            scores = model(loopnest.tensor(ids[some]), loopnest.tensor(lengths[some]))
            (scores**2).sum().backward()
            found.append([scores.detach().numpy(), *(p.grad.numpy().copy() for p in model.parameters())])
        for cut, whole in zip(*found, strict=True):
            assert np.abs(cut - whole).max() <= 1e-13 * max(1, np.abs(whole).max())


def test_faceoff_finds_where_a_model_falls_behind():
    from loopnest.systems import faceoff

    def measure(name, steps, seed):
        return {"GRU": 0.99, "TCN": 0.98}.get(name, 1 - 0.004 * steps + 0.001 * seed)

    dial = faceoff.Dial(measure, [0, 1, 2])
    points = (5, 10, 20, 35, 50)
    at = dial.crossing("CNN", points)
    assert at == 16 and dial.behind("CNN", 16) and not dial.behind("CNN", 15)
    assert len(dial.found["CNN"]) < 9, "halving asks for few distances"
    assert dial.crossing("TCN", points) is None
    assert faceoff.Dial(measure, [0, 1, 2]).crossing("CNN", (40, 50)) == 40


def test_faceoff_names_all_who_are_best_within_the_interval():
    from loopnest.systems import faceoff

    found = faceoff.Found()
    for name, values in {
        "CNN": (0.90, 0.92, 0.91),
        "GRU": (0.91, 0.90, 0.90),
        "bag": (0.7, 0.7, 0.7),
    }.items():
        found.counts[name] = 9
        for value in values:
            found.note(name, "TREC", value)
    found.note("CNN", "one seed", 0.5)
    found.note("GRU", "one seed", 0.6)
    assert found.winners() == {"TREC": ["CNN", "GRU"]}, "one seed tells no winner"
    assert faceoff.finding(found, {"TCN": 30}, 50) == (
        "Best on TREC: CNN, GRU. CNN and GRU always. From 30 symbols on the TCN is behind the GRU."
    )
    found.figures["GRU"]["TREC"] = [0.89, 0.91, 0.9]
    assert found.winners()["TREC"] == ["CNN"], "a hundredth behind with every seed"
    result = systems.Result(
        "faceoff", "", "", found.rows(), {"TREC": ("TREC", ".1%"), "one seed": ("", ".1%")}, ""
    )
    assert page.cells_of(result, result.rows[0]) == ["CNN", "91.0% ±2.5", "50.0%", "9", ""]


def test_faceoff_compares_after_equal_seconds():
    from loopnest.systems import faceoff

    def history(seconds, *accuracies):
        return [{"seconds": seconds, "accuracy": a} for a in accuracies]

    trained = {"fast": history(1.0, 0.5, 0.6, 0.7), "slow": history(1.4, 0.4, 0.8, 0.9)}
    assert faceoff.in_time(trained, ["fast", "slow"]) == {"fast": 0.7, "slow": 0.8}
    trained["slow"] = history(9.0, 0.4, 0.8)
    assert faceoff.in_time(trained, ["fast", "slow"])["slow"] == 0.4, "at least one epoch"


def test_one_thread_trains_by_the_clock_of_the_cpu(tmp_path):
    model = nn.Linear(1, 1)
    before = loopnest.get_num_threads()
    try:
        for threads, clock in ((1, time.process_time), (2, time.perf_counter)):
            loopnest.set_num_threads(threads)
            made = Options(save=tmp_path).trainer("net", model, optim.SGD(model.parameters(), 0.1), None)
            assert made.clock is clock
    finally:
        loopnest.set_num_threads(before)


def test_interchange_chooses_the_epoch_by_the_part_to_watch():
    from loopnest.systems.interchange import held_loss

    held = [3.0, 2.0, 1.0]
    history = [{"epoch": k + 1, "held": v} for k, v in enumerate(held)]
    assert held_loss(history) == 1.0
    for record, watched in zip(history, (5.0, 4.0, 4.5), strict=True):
        record["watched"] = watched
    assert held_loss(history) == 2.0


def test_unknown_names_and_inputs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="there is no system 'clasify'"):
        systems.run("clasify", Options(save=tmp_path))
    with pytest.raises(ValueError, match="--image"):
        systems.apply("classify", Options(save=tmp_path, inputs={"prompt": "x"}))
    with pytest.raises(ValueError, match="--seed: expected 0 or more, got -1"):
        systems.run("classify", Options(save=tmp_path, seed=-1))
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", "/proc/nothing"):
        with pytest.raises(OSError, match="--save: cannot write into"):
            systems.run("classify", Options(save=place))


def test_bad_input_is_told_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.setattr(systems, "run", lambda *_: pytest.fail("it was trained first"))
    for name, inputs, error in (
        ("classify", {"image": "gone.png"}, FileNotFoundError),
        ("speech", {"wav": "gone.wav"}, FileNotFoundError),
        ("sentiment", {"text": " "}, ValueError),
    ):
        with pytest.raises(error, match=f"--{next(iter(inputs))}: "):
            systems.apply(name, Options(save=tmp_path, inputs=inputs))


def test_a_checkpoint_of_another_run_is_refused(results, place):
    results("features")
    for more in ({"seed": 1}, {"quick": False}):
        other = options(place, "features", resume=True)
        for key, value in more.items():
            setattr(other, key, value)
        with pytest.raises(ValueError, match=r"is of a run with (seed 0, not 1|quick True, not False)"):
            systems.run("features", other)


OWN = """
from dataclasses import dataclass
from loopnest.systems.frame import Result, Row

@dataclass
class Setting:
    share: "float" = 0.5

def run(options):
    rows = [Row("guessing", {"share": Setting().share}, baseline=True)]
    return Result("mine", "My own", "Nothing.", rows, {"share": ("share", ".0%")}, "Half.")
"""


def test_a_system_of_ones_own_runs_from_its_file(tmp_path):
    file = tmp_path / "mine.py"
    with pytest.raises(FileNotFoundError, match=r"no file .*mine\.py"):
        systems.run(str(file), Options(save=tmp_path / "out"))
    file.write_text("x = 1")
    with pytest.raises(ValueError, match=r"run\(options\)"):
        systems.run(str(file), Options(save=tmp_path / "out"))
    file.write_text(OWN)
    assert systems.run(str(file), Options(save=tmp_path / "out")).rows[0].figures == {"share": 0.5}
    assert "My own" in (tmp_path / "out" / "result.html").read_text()


def test_what_cannot_be_learned_from_is_told_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("it was trained first"))
    csv, text = tmp_path / "flat.csv", tmp_path / "short.txt"
    csv.write_text("day,cups\n" + "".join(f"{k},7\n" for k in range(60)))
    with pytest.raises(ValueError, match=r"expected a series that changes, got the same value \(7\)"):
        systems.run("forecast", Options(data=csv, save=tmp_path / "out"))
    for content in ("", "abc", "x" * 2778):
        text.write_text(content)
        with pytest.raises(ValueError, match=rf"at least 2779 characters, got {len(content)}$"):
            systems.run("generate", Options(data=text, save=tmp_path / "text"))


def test_a_quick_run_sees_every_class(place, tmp_path, monkeypatch):
    """Of every system whose data has classes, data in order of class included."""
    from loopnest.systems import classify, faceoff, interchange, sentiment, video

    class Seen(Exception):
        pass

    def fit(self, loader, *_, **__):
        raise Seen(loader)

    def labels(work, *args):
        with pytest.raises(Seen) as seen:
            work(*args)
        return set(np.asarray(seen.value.args[0].dataset.tensors[-1]).tolist())

    monkeypatch.setattr(Trainer, "fit", fit)
    counts = {"classify": 10, "features": 10, "scan": 10, "speech": 10, "sentiment": 2}
    for name, count in counts.items():
        assert labels(systems.run, name, options(place, name, "seen")) == set(range(count)), name
    quick = options(place, "video", "seen")
    quick.begin("video")
    assert labels(video.learn_directions, quick) == set(range(8))
    task = interchange.pixel_task(options(place, "interchange", "seen"))
    assert set(np.asarray(task.loader().dataset.tensors[-1]).tolist()) == set(range(10))
    for held, _ in faceoff.sets_of(options(place, "faceoff", "seen")).values():
        assert set(sentiment.Encoded(held, 400).train[2].tolist()) == {label for _, label in held.train}

    rows = [(f"word {k}", k // 900) for k in range(1800)]
    held = sentiment.Sentences(rows, rows[::10], rows[::10], ["down", "up"])
    found = sentiment.Encoded(held, 600)
    assert 250 < found.train[2].sum() < 350 and (sentiment.Encoded(held, 1800).train[2][:900] == 0).all()
    image = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for k in range(20):
            image.new("L", (9, 9), 5 * k).save(tmp_path / name / f"{k}.png")
    images, _ = classify.load(Options(data=tmp_path, quick=True))
    assert set(images.y_train[:10]) == {0, 1} and images.y_train.sum() == 16


def test_findings_read_right_when_the_baseline_wins(results):
    for name in ("generate", "features", "interchange", "faceoff"):
        result = results(name)
        assert "-" not in re.sub(r"(?<=\w)-(?=\w)", "", result.say), result.say
    generate, faceoff, interchange = (results(name) for name in ("generate", "faceoff", "interchange"))
    less = generate.rows[0].figures["nats"] < generate.rows[-1].figures["nats"]
    assert f"{'less' if less else 'more'} than counting pairs" in generate.say
    assert "One seed tells no winner" in faceoff.say and "one seed" in faceoff.about
    for task in interchange.columns:
        lowest = min(interchange.rows, key=lambda row: row.figures[task])
        assert f"{task}: {lowest.model}" in interchange.say
    assert "20 held-back strings" in results("speech").about and not results("scan").notes


def test_the_page_leaves_out_empty_columns_and_shows_code(results, place):
    head, lines = page.grid(results("features"))
    assert head == ["", "20 labels", "100 labels", "500 labels"] and all(len(line) == 4 for line in lines)
    assert "parameters" in page.grid(results("classify"))[0]
    written = (place / "features" / "run" / "result.html").read_text()
    assert "<th class=n>parameters" not in written
    assert '<div class="scroll"><img' in written and "min-width: 640px" in written
    results("sentiment")
    written = (place / "sentiment" / "run" / "result.html").read_text()
    assert "<code>loopnest run faceoff</code>" in written and "`" not in written.partition("<main>")[2]


def test_curves_are_not_covered_by_their_legend():
    from loopnest.systems import pictures

    names = ("one", "another", "a third")
    history = {name: [{"epoch": k, "loss": 1.0} for k in (1, 2)] for name in names}
    figure = pictures.curves(history, {})
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())
    assert [text.get_text() for text in legend.get_texts()] == list(names)


def test_errors_of_rain_are_blue_above_zero_as_the_caption_says():
    from loopnest.systems import pictures

    low, middle, high = (pictures.signed_colors()(at) for at in (0.0, 0.5, 1.0))
    assert low[0] > low[2] and high[2] > high[0] and min(middle[:3]) > 0.95


ASKED = """
from loopnest import nn
from loopnest.systems.frame import Result, Row

INPUTS, MODEL = {"text": "anything", "image": "a picture"}, "model"

def run(options):
    options.keep(MODEL, nn.Linear(1, 1), learned=f"{options.file} {options.seed} {options.quick}")
    return Result("asked", "", "", [Row("none", {}, baseline=True)], {}, "")

def apply(options):
    return options.facts(MODEL)["learned"]
"""


def test_a_saved_model_answers_unless_another_file_is_named(tmp_path):
    """A file of the user's own: it is trained on that. Another seed, or no --quick: the model answers."""
    file, text, told = tmp_path / "asked.py", tmp_path / "my.txt", []
    file.write_text(ASKED)
    text.write_text("a text of one's own")

    def ask(**more):
        held = Options(save=tmp_path / "out", inputs={"text": "x"}, tell=told.append, **more)
        return systems.apply(str(file), held)

    assert ask(data=tmp_path, quick=True, seed=2) == "None 2 True"
    assert ask(quick=True) == "None 2 True", "without --data: the model that is there"
    assert ask(seed=3) == ask(data=tmp_path) == "None 2 True"
    assert len(told) == 1 and "there is no model" in told[0]
    assert ask(data=text) == f"{text} 0 False" and f"other data than {text}" in told[1]
    assert ask(data=text) == ask() == f"{text} 0 False" and len(told) == 2


def test_a_folder_holds_one_system(tmp_path):
    for name in ("asked", "second"):
        (tmp_path / f"{name}.py").write_text(ASKED)
    systems.run(str(tmp_path / "asked.py"), Options(save=tmp_path / "out"))
    systems.run(str(tmp_path / "asked.py"), Options(save=tmp_path / "out"))
    for call, inputs in ((systems.run, {}), (systems.apply, {"text": "x"})):
        with pytest.raises(ValueError, match=r"out holds the models of the system asked, not of second"):
            call(str(tmp_path / "second.py"), Options(save=tmp_path / "out", inputs=inputs))


def test_a_checkpoint_of_another_system_is_refused(tmp_path):
    """Of features and classify, for one: both train a lenet5."""
    model = nn.Linear(1, 1)

    def trained(name, resume):
        own = Options(save=tmp_path, resume=resume)
        own.begin(name)
        trainer = own.trainer(
            "net", model, optim.SGD(model.parameters(), 0.1), lambda m, x: (m(x) ** 2).mean()
        )
        trainer.fit([loopnest.ones(1, 1)], 1, resume=resume)

    trained("features", False)
    trained("features", True)
    with pytest.raises(ValueError, match="is of a run with system features, not classify"):
        trained("classify", True)


@pytest.mark.parametrize("name", systems.SYSTEMS)
def test_a_missing_extra_is_told_before_training(name, tmp_path, monkeypatch):
    module = systems.load(name)
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("it was trained first"))
    for package in module.NEEDS:
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            for loaded in [one for one in sys.modules if one.startswith(f"{package}.")]:
                without.delitem(sys.modules, loaded)
            with pytest.raises(ModuleNotFoundError, match=rf"{package} is needed .*pip install 'loopnest\["):
                systems.run(name, Options(save=tmp_path, quick=True))


def test_input_that_cannot_be_read_is_told_before_training(tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    monkeypatch.setattr(systems, "run", lambda *_: pytest.fail("it was trained first"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text.png: expected a picture"):
        systems.apply(
            "classify", Options(save=tmp_path / "out", inputs={"image": str(tmp_path / "text.png")})
        )
    with pytest.raises(FileNotFoundError, match=r"--image: expected a file, got the folder"):
        systems.apply("classify", Options(save=tmp_path / "out", inputs={"image": str(tmp_path)}))
    with pytest.raises(ValueError, match=r"run scan: it takes no input of your own, got --image"):
        systems.apply("scan", Options(save=tmp_path / "out", inputs={"image": "x"}))


def test_digits_are_found_beside_other_folders(place, tmp_path):
    """A folder with data sets may hold sub-folders; one with sub-folders alone holds a class in each."""
    from loopnest.systems import classify

    image = pytest.importorskip("PIL.Image")
    where = systems_data.folder(tmp_path / "sets", ["mnist_10k_2k.npz"])
    (where / "notes").mkdir()
    assert classify.load(Options(data=where))[1] == [str(k) for k in range(10)]
    for name in ("cat", "dog"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for k in range(5):
            image.new("L", (9, 9), 50 * k).save(tmp_path / "own" / name / f"{k}.png")
    images, classes = classify.load(Options(data=tmp_path / "own"))
    assert classes == ["cat", "dog"] and images.x_train.shape == (8, 28, 28)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="mnist_10k_2k"):
        classify.load(Options(data=tmp_path / "empty"))


def test_classify_reads_a_picture_of_ones_own(results, place, tmp_path):
    image = pytest.importorskip("PIL.Image")
    results("classify")
    from loopnest import data

    images = data.mnist(place / "classify" / "data")
    index = next(k for k, y in enumerate(images.y_test) if y == 0)
    image.fromarray(255 - images.x_test[index]).resize((90, 90)).save(tmp_path / "mine.png")
    answer = systems.apply(
        "classify", options(place, "classify", inputs={"image": str(tmp_path / "mine.png")})
    )
    assert re.fullmatch(r"\w+ \(\d+%\)(, \w+ \(\d+%\)){2}", answer) and "0 (" in answer


@pytest.fixture
def ask(results, place):
    """ask(system, kind=value): the answer of its quickly trained model to input of one's own."""

    def answer(name, **inputs):
        results(name)
        return systems.apply(name, options(place, name, inputs={k: str(v) for k, v in inputs.items()}))

    return answer


def test_texts_of_ones_own(ask):
    assert ask("generate", prompt="What").startswith("What")
    assert len(ask("generate", prompt="")) == 400
    with pytest.raises(ValueError, match="'ж'"):
        ask("generate", prompt="What ж")
    assert re.search(r"\(\d+%\)", ask("sentiment", text="zebra"))
    assert "never learned any of these words" in ask("translate", text="Donaudampfschiff")
    assert "never learned" not in ask("translate", text="ein Donaudampfschiff")
    for name in ("sentiment", "translate"):
        for nothing in ("", "  "):
            with pytest.raises(ValueError, match="at least one word"):
                ask(name, text=nothing)


def test_pictures_of_ones_own(ask, tmp_path):
    image, rng = pytest.importorskip("PIL.Image"), np.random.default_rng(0)
    noise = rng.integers(0, 60, (61, 83))
    noise[20:40, 30:50] += 3000
    pictures = {
        "deep.png": image.fromarray(noise.astype(np.uint16)),
        "colour.png": image.fromarray(np.stack([noise.clip(0, 255).astype(np.uint8)] * 3, -1)),
        "clear.png": image.fromarray(rng.integers(0, 255, (33, 40, 4), np.uint8)),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
        assert re.match(r"\d+ nuclei", ask("outline", image=tmp_path / name))
        assert set(ask("caption", image=tmp_path / name).split()) <= set(caption.WORDS.tokens)
        assert "%" in ask("classify", image=tmp_path / name)
    flat = tmp_path / "flat.png"
    image.new("L", (40, 40), 7).save(flat)
    assert re.match(r"\d+ nuclei", ask("outline", image=flat))
    with pytest.raises(ValueError, match="single colour"):
        ask("classify", image=flat)
    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        ask("outline", image=tmp_path / "gone.png")


def test_sounds_of_ones_own(ask, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    t = np.arange(22050) / 44100
    both = np.stack([np.sin(2 * np.pi * 600 * t), np.sin(2 * np.pi * 600 * t)], 1)
    for name, sound in (("long.wav", both), ("short.wav", both[:30])):
        soundfile.write(tmp_path / name, 0.4 * sound, 44100)
        assert re.fullmatch(r"[0-9 ]+|\(no digit heard\)", ask("speech", wav=tmp_path / name))
    soundfile.write(tmp_path / "empty.wav", both[:0], 44100)
    with pytest.raises(ValueError, match="without samples"):
        ask("speech", wav=tmp_path / "empty.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ValueError, match="expected a sound file"):
        ask("speech", wav=tmp_path / "text.wav")


def test_a_series_a_text_and_sentences_of_ones_own(tmp_path):
    t = np.arange(90)
    rows = [f"{k};{'' if k % 17 == 3 else f'{5 + np.sin(k / 3):.2f}'.replace('.', ',')};" for k in t]
    csv = tmp_path / "wave.csv"
    csv.write_text("\n".join(["when;height;note", *rows]) + "\n")
    result = systems.run("forecast", Options(data=csv, quick=True, save=tmp_path / "forecast"))
    assert result.rows[0].figures["wave"] < 1 and any("missing values" in note for note in result.notes)
    text = tmp_path / "text.txt"
    text.write_text("Wer reitet so spät durch Nacht und Wind?\n" * 90, encoding="utf-8")
    result = systems.run("generate", Options(data=text, quick=True, save=tmp_path / "generate"))
    assert result.rows[0].figures["nats"] < 4
    table = tmp_path / "moods.tsv"
    table.write_text("".join(f"{'up' if k % 2 else 'down'}\t{'yes' if k % 2 else 'no'} {k}\n" for k in t))
    result = systems.run("sentiment", Options(data=table, quick=True, save=tmp_path / "sentiment"))
    assert result.rows[0].figures["moods"] >= 0
    (tmp_path / "latin.txt").write_bytes("spät".encode("latin-1") * 2000)
    with pytest.raises(ValueError, match="utf-8"):
        systems.run("generate", Options(data=tmp_path / "latin.txt", quick=True, save=tmp_path / "x"))
