"""loopnest.data: loaders give every sample once and in a repeatable order; files are read or refused."""

import gzip
import itertools
import struct
import threading
from typing import NamedTuple

import numpy as np
import pytest

import loopnest
from loopnest import data
from loopnest.data import DataLoader, TensorDataset, sets


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def numbers(loader):
    return [batch[0].tolist() for batch in loader]


def test_loader_gives_every_sample_once():
    for workers in (0, 1, 3):
        loader = DataLoader(TensorDataset(np.arange(23)), batch_size=4, shuffle=True, num_workers=workers)
        batches = numbers(loader)
        assert [len(b) for b in batches] == [4] * 5 + [3] and len(loader) == 6
        assert sorted(itertools.chain(*batches)) == list(range(23))
    assert len(numbers(DataLoader(TensorDataset(np.arange(23)), batch_size=4, drop_last=True))) == 5


def test_order_repeats_with_the_seed_and_not_with_the_workers():
    def epochs(workers):
        loopnest.manual_seed(3)
        loader = DataLoader(TensorDataset(np.arange(50)), batch_size=8, shuffle=True, num_workers=workers)
        return numbers(loader) + numbers(loader)

    assert epochs(0) == epochs(4)
    assert epochs(0)[:7] != epochs(0)[7:]


def test_loader_resumes_within_an_epoch():
    loopnest.manual_seed(5)
    loader = DataLoader(TensorDataset(np.arange(40)), batch_size=4, shuffle=True)
    numbers(loader)
    whole = iter(loader)
    first = [next(whole)[0].tolist() for _ in range(3)]
    state = loader.state_dict()
    loopnest.rand(7)  # what a network draws meanwhile must not matter
    rest = [batch[0].tolist() for batch in whole]
    loopnest.manual_seed(99)
    again = DataLoader(TensorDataset(np.arange(40)), batch_size=4, shuffle=True)
    again.load_state_dict(state)
    assert numbers(again) == rest and len(first) + len(rest) == 10
    with pytest.raises(ValueError, match="state_dict"):
        again.load_state_dict({"batches_done": "x"})


def test_workers_run_ahead_and_errors_come_out_in_their_place():
    seen = set()

    class Slow(data.Dataset):
        def __len__(self):
            return 8

        def __getitem__(self, index):
            seen.add(threading.current_thread().name)
            if index == 5:
                raise KeyError("sample 5")
            return index

    got = []
    with pytest.raises(KeyError, match="sample 5"):
        for batch in DataLoader(Slow(), batch_size=1, num_workers=2):
            got += batch.tolist()
    assert got == [0, 1, 2, 3, 4]
    assert all(name.startswith("loopnest-data") for name in seen)


def test_loader_takes_torchs_arguments(torch):
    import inspect

    theirs = inspect.signature(torch.utils.data.DataLoader).parameters
    ours = inspect.signature(DataLoader).parameters
    assert list(ours) == list(theirs)
    assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}
    begun = []
    loader = DataLoader(
        TensorDataset(np.arange(6)),
        2,
        num_workers=2,
        pin_memory=True,
        persistent_workers=True,
        timeout=5,
        worker_init_fn=begun.append,
    )
    assert numbers(loader) == [[0, 1], [2, 3], [4, 5]]
    assert 0 in begun and sorted(begun) == list(range(len(begun)))


def test_collate():
    batch = data.default_collate([{"x": np.float64(1.5), "name": "a"}, {"x": np.float64(2), "name": "b"}])
    assert batch["x"].dtype == np.float32 and batch["name"] == ["a", "b"]
    with pytest.raises(ValueError, match="pad_collate"):
        data.default_collate([np.zeros(2), np.zeros(3)])
    x, lengths, y = data.pad_collate(value=-1, batch_first=False)(
        [(np.ones((2, 3)), 4), (np.ones((1, 3)), 5)]
    )
    assert tuple(x.shape) == (2, 2, 3) and lengths.tolist() == [2, 1] and y.tolist() == [4, 5]
    assert x.numpy()[1, 1].tolist() == [-1, -1, -1]


class Pair(NamedTuple):
    x: object
    y: object


def test_batches_have_torchs_types():
    (batch,) = DataLoader(TensorDataset(np.arange(2), np.arange(2)), batch_size=2)
    assert type(batch) is list
    assert type(data.default_collate([(1, 2.0), (3, 4.0)])) is list
    named = data.default_collate([Pair(1, "a"), Pair(2, "b")])
    assert type(named) is Pair and named.x.tolist() == [1, 2] and named.y == ["a", "b"]
    assert type(next(iter(data.Drawn(lambda rng: Pair(rng.normal(size=2), 1), 1)))) is Pair
    assert data.default_collate([b"a", b"b"]) == [b"a", b"b"]


def test_a_collate_fn_of_ones_own_gets_samples():
    whole = TensorDataset(np.arange(12).reshape(6, 2), loopnest.arange(6))
    for dataset in (whole, data.Subset(whole, range(6)), data.Subset(data.Subset(whole, range(6)), range(6))):
        (samples,) = DataLoader(dataset, batch_size=6, collate_fn=list)
        assert [x.tolist() for x, _ in samples] == whole.tensors[0].tolist()
        assert [int(y) for _, y in samples] == list(range(6))
        ((x, lengths, y),) = DataLoader(dataset, batch_size=6, collate_fn=data.pad_collate())
        assert x.shape == (6, 2) and lengths.tolist() == [2] * 6 and y.tolist() == list(range(6))


def test_tensors_in_give_tensors_out():
    x, y = loopnest.ones(3, 2), loopnest.arange(3)
    one = TensorDataset(x, y)[1]
    assert all(isinstance(field, loopnest.Tensor) for field in one) and one[0].shape == (2,)
    one[0].fill_(5)
    assert x[1].tolist() == [5, 5]  # a view, as in torch
    assert isinstance(TensorDataset(np.ones((3, 2)))[1][0], np.ndarray)


def test_a_subclass_makes_its_own_samples():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return (super().__getitem__(index)[0] * 2,)

    class Negated(data.Subset):
        def __getitem__(self, index):
            return (-super().__getitem__(index)[0],)

    doubled = Doubled(np.arange(3))
    assert numbers(DataLoader(doubled, batch_size=3)) == [[0, 2, 4]]
    assert numbers(DataLoader(data.Subset(doubled, [2, 1]), batch_size=2)) == [[4, 2]]
    assert numbers(DataLoader(Negated(doubled, [2, 1]), batch_size=2)) == [[-4, -2]]


class Numbers(data.IterableDataset):
    def __init__(self, count, begin=0):
        self.count, self.begin = count, begin

    def __iter__(self):
        return iter(range(self.begin, self.begin + self.count))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_streams(workers):
    loader = lambda *args, **more: DataLoader(*args, num_workers=workers, **more)  # noqa: E731
    lists = lambda batches: [batch.tolist() for batch in batches]  # noqa: E731
    assert lists(loader(Numbers(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert lists(loader(Numbers(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert lists(loader(Numbers(4), batch_size=2)) == [[0, 1], [2, 3]]
    assert list(loader(Numbers(3), batch_size=None)) == [0, 1, 2] and not list(loader(Numbers(0)))
    assert list(loader(Numbers(3), batch_size=3, collate_fn=sum)) == [3]
    assert lists(loader(Numbers(1) + Numbers(2, 7), batch_size=2)) == [[0, 7], [8]]
    twice = loader(Numbers(3), batch_size=3)
    assert lists(twice) == lists(twice) == [[0, 1, 2]]
    begun = itertools.islice(twice := loader(Numbers(10), batch_size=2), 3)
    assert lists(begun) == [[0, 1], [2, 3], [4, 5]]
    again = loader(Numbers(10), batch_size=2)
    again.load_state_dict(twice.state_dict())
    assert lists(again) == [[6, 7], [8, 9]] and len(lists(again)) == 5


def test_a_stream_may_have_a_length():
    class Long(Numbers):
        def __len__(self):
            return self.count

    assert len(DataLoader(Long(5), 2)) == 3 and len(DataLoader(Long(5), 2, drop_last=True)) == 2
    with pytest.raises(TypeError, match="stream"):
        len(DataLoader(Numbers(5)))
    for bad in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}, {"batch_size": 0}):
        with pytest.raises(ValueError):
            DataLoader(Numbers(5), **bad)
    assert data.get_worker_info() is None


def test_errors_of_a_stream_come_out_in_their_place():
    class Broken(Numbers):
        def __iter__(self):
            yield from (0, 1)
            raise KeyError("sample 2")

    got = []
    with pytest.raises(KeyError, match="sample 2"):
        for batch in DataLoader(Broken(5), batch_size=1, num_workers=2):
            got += batch.tolist()
    assert got == [0, 1]


def test_buckets_keep_lengths_together():
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 100, 1000)
    sampler = data.BucketBatchSampler(lengths, 10, pool=20)
    batches = list(sampler)
    assert sorted(itertools.chain(*batches)) == list(range(1000)) and len(sampler) == len(batches)
    spread = np.mean([np.ptp(lengths[b]) for b in batches])
    assert spread < 15  # without buckets about 80


def test_subsets_in_random_order():
    sampler = data.SubsetRandomSampler([4, 8, 2], generator=loopnest.Generator().manual_seed(1))
    assert len(sampler) == 3 and sorted(sampler) == [2, 4, 8]
    assert len({tuple(sampler) for _ in range(40)}) == 6
    loader = DataLoader(TensorDataset(np.arange(9)), batch_size=3, sampler=sampler)
    assert sorted(numbers(loader)[0]) == [2, 4, 8]


def test_weights_are_frequencies():
    sampler = data.WeightedRandomSampler([1.0, 0.0, 3.0], 4000, generator=loopnest.Generator().manual_seed(1))
    counts = np.bincount(list(sampler), minlength=3)
    assert counts[1] == 0 and abs(counts[2] - 3000) < 5 * (4000 * 0.75 * 0.25) ** 0.5 and len(sampler) == 4000
    once = data.WeightedRandomSampler(loopnest.tensor([0.1, 0.0, 9.0]), 2, replacement=False)
    assert sorted(once) == [0, 2]
    for bad in (([1.0], 0), ([1.0], 1.5), ([-1.0, 2.0], 1), ([0.0], 1), ([[1.0]], 1), ([np.nan], 1)):
        with pytest.raises(ValueError, match="WeightedRandomSampler"):
            data.WeightedRandomSampler(*bad)
    with pytest.raises(ValueError, match="at most 1"):
        data.WeightedRandomSampler([1.0, 0.0], 2, replacement=False)


def test_arguments_that_exclude_each_other():
    with pytest.raises(ValueError, match="exclude"):
        DataLoader([1], sampler=[0], shuffle=True)
    with pytest.raises(ValueError, match="batch_sampler excludes"):
        DataLoader([1], batch_sampler=[[0]], drop_last=True)
    with pytest.raises(ValueError, match="at least 1"):
        DataLoader([1], batch_size=0)
    with pytest.raises(ValueError, match="one length"):
        TensorDataset(np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="add up"):
        data.random_split(range(10), [3, 3])
    with pytest.raises(IndexError, match="below 3"):
        data.Subset([1, 2, 3], [3])


def test_splits_and_sums():
    parts = data.random_split(range(10), [7, 3])
    assert sorted([p[k] for p in parts for k in range(len(p))]) == list(range(10))
    both = data.ConcatDataset(["ab", "cde"])
    assert [both[k] for k in range(5)] == list("abcde") and both[-1] == "e"
    with pytest.raises(IndexError):
        both[5]


def idx(array, kind):
    return (
        b"\0\0" + bytes([kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )


def test_idx_files(tmp_path):
    pictures = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    labels = np.array([3, 1, 2], np.uint8)
    for name, array in zip(data.images.IDX_FILES, (pictures, labels, pictures[:1], labels[:1]), strict=True):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array, 8)))
    images = data.mnist(tmp_path)
    assert images.x_train.tolist() == pictures.tolist() and images.y_train.tolist() == [3, 1, 2]
    raw = idx(np.arange(6, dtype=">i4").reshape(2, 3), 0x0C)
    (tmp_path / "numbers").write_bytes(raw)
    assert data.read_idx(tmp_path / "numbers").tolist() == [[0, 1, 2], [3, 4, 5]]
    for wrong in (raw[:-1], raw + b"x", b"\0\1" + raw[2:], raw[:6], b""):
        (tmp_path / "wrong").write_bytes(wrong)
        with pytest.raises(ValueError):
            data.read_idx(tmp_path / "wrong")


def test_missing_sets_say_where_they_were_looked_for(tmp_path, monkeypatch):
    with pytest.raises(data.DataMissing, match=r"names.txt.gz is not in .*LOOPNEST_DATA"):
        data.names(tmp_path)
    with pytest.raises(data.DataMissing, match="no folder"):
        data.names(tmp_path / "nowhere")
    monkeypatch.delenv("LOOPNEST_DATA", raising=False)
    with pytest.raises(data.DataMissing, match="no single public file"):
        data.tweets()
    monkeypatch.setenv("LOOPNEST_DATA", str(tmp_path))
    (tmp_path / "names.txt").write_text("anna\nbo")
    assert data.names() == ["anna", "bo"]


def test_every_public_file_has_a_checksum():
    for name, file in sets.FILES.items():
        assert file.sha256 is None or len(file.sha256) == 64, name
        assert file.url is None or file.url.startswith("https://")


def test_lines_split_at_newlines_alone(tmp_path):
    (tmp_path / "t.gz").write_bytes(gzip.compress("a\x85b\r\nc\n".encode("latin-1")))
    assert sets.lines(tmp_path / "t.gz", "latin-1") == ["a\x85b\r", "c"]


def test_sentences_of_ones_own(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("".join(f"{'good' if k % 2 else 'bad'}\tsentence {k}\n" for k in range(40)))
    own = data.sentences(path)
    assert own.classes == ["bad", "good"] and len(own.test) == 4 and own.test[0] == ("sentence 0", 0)
    assert not {t for t, _ in own.train} & {t for t, _ in own.test}
    path.write_text("no tab here\n")
    with pytest.raises(ValueError, match="line 1"):
        data.sentences(path)


def test_series_of_ones_own(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text("day,temp,wet\n1,2.5,yes\n2,3.5,no\n")
    read = data.read_series(path)
    assert read.values.tolist() == [2.5, 3.5] and read.name == "temp" and read.times == ["1", "2"]
    assert data.read_series(path, "day").values.tolist() == [1, 2]
    with pytest.raises(ValueError, match="no column 'cold'"):
        data.read_series(path, "cold")
    path.write_text("a,b\n1,2\n3,x\n")
    with pytest.raises(ValueError, match="row 3"):
        data.read_series(path, "b")


def test_series_with_gaps_other_marks_and_no_header(tmp_path):
    path = tmp_path / "s.csv"
    path.write_text('"Zeit";"Wert"\n1;NA\n2;1,5\n3;?\n4;2,5\n5;\n')
    read = data.read_series(path)
    assert read.values.tolist() == [1.5, 2.0, 2.5] and read.filled == 1
    assert read.name == "Wert" and read.times == ["2", "3", "4"]
    path.write_text("2020-01-01\t3\n2020-01-02\t4\n")
    read = data.read_series(path)
    assert read.values.tolist() == [3, 4] and read.name == "column 2" and read.times[0] == "2020-01-01"
    path.write_text("3\n4\n\n5\n")
    assert data.read_series(path).values.tolist() == [3, 4, 5]
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match="row 3: expected 2 cells"):
        data.read_series(path)
    path.write_text("a,b\nx,y\nz,w\n")
    with pytest.raises(ValueError, match="no column holds numbers"):
        data.read_series(path)
    path.write_bytes(b"a,b\n1,\xff\n")
    with pytest.raises(ValueError, match="UTF-8"):
        data.read_series(path)


def test_vocabularies():
    vocab = data.Vocabulary.of_words([["b", "a"], ["a"]], minimum=1)
    assert vocab.tokens == ["<pad>", "<unk>", "a", "b"] and vocab["zebra"] == 1
    letters = data.Vocabulary.of_characters("hello")
    assert "".join(letters.decode(letters.encode("hole"))) == "hole"
    with pytest.raises(KeyError, match="no <unk>"):
        letters["z"]
    with pytest.raises(ValueError, match="twice"):
        data.Vocabulary(["a", "a"])


def test_byte_pairs_round_trip():
    pytest.importorskip("tokenizers")
    text = "der Hund läuft, the dog runs"
    pairs = data.BytePairs([text] * 5, size=300)
    numbers = pairs.encode(text)
    assert pairs.decode(numbers) == text and len(numbers) < len(text)


def test_pictures(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for k in range(5):
            image.fromarray(np.full((8, 6), 10 * k, np.uint8)).save(tmp_path / name / f"{k}.png")
    images, classes = data.image_folder(tmp_path, size=(4, 4))
    assert (
        classes == ["cat", "dog"] and images.x_train.shape == (8, 4, 4) and images.x_test.shape == (2, 4, 4)
    )
    assert images.x_test[0, 0, 0] == 40
    deep = np.array([[100, 4095], [100, 2098]], np.uint16)  # 12 of 16 bits, as microscopes write
    image.fromarray(deep).save(tmp_path / "deep.png")
    assert data.read_image(tmp_path / "deep.png").tolist() == [[0, 255], [0, 128]]
    clear = np.zeros((2, 3, 4), np.uint8)
    clear[0, 0, 3] = 255  # black ink on nothing
    image.fromarray(clear).save(tmp_path / "clear.png")
    assert data.read_image(tmp_path / "clear.png").tolist() == [[0, 255, 255], [255, 255, 255]]
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match="picture"):
        data.read_image(tmp_path / "text.png")


def test_sounds(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    tone = np.sin(np.arange(8000) * 2 * np.pi * 440 / 8000).astype(np.float32)
    soundfile.write(tmp_path / "0_me_0.wav", tone, 8000)
    soundfile.write(tmp_path / "1_you_7.wav", np.stack([tone, tone], 1), 16000)
    spoken = data.spoken_digits(tmp_path)
    assert (
        spoken.digit.tolist() == [0, 1]
        and spoken.speakers == ["me", "you"]
        and spoken.test.tolist() == [1, 0]
    )
    assert [len(s) for s in spoken.sounds] == [8000, 4000]
    frames = data.log_mel(spoken.sounds[0])
    assert frames.shape == (1 + (8000 - 256) // 128, 40) and abs(frames.mean()) < 1e-5
    assert abs(frames.std() - 1) < 1e-3
    assert data.mu_law(np.array([0, 255], np.uint8)).tolist() == [-1, 1]


def broken(path, content):
    """The file, cut off and as junk of its kind's first bytes and of none."""
    for bad in (content[: len(content) // 2], content[:40] + bytes(60), b"no such thing" * 9, b""):
        path.unlink(missing_ok=True)
        path.write_bytes(bad)
        yield path


def test_damaged_files_are_told_by_their_path(tmp_path):
    arrays = tmp_path / "whole.npz"
    np.savez(arrays, x=np.arange(999))
    path = tmp_path / "mnist_10k_2k.npz"
    for _ in broken(path, arrays.read_bytes()):
        with pytest.raises(ValueError, match=r"mnist_10k_2k.npz: expected a whole npz file.*anew") as told:
            data.mnist(tmp_path)
        assert "pickle" not in str(told.value)
    path.write_bytes(arrays.read_bytes())
    with pytest.raises(ValueError, match=r"mnist_10k_2k.npz: expected arrays x_train.*none named x_train"):
        data.mnist(tmp_path)
    path = tmp_path / "names.txt.gz"
    for _ in itertools.islice(broken(path, gzip.compress(bytes(range(256)))), 2):
        with pytest.raises(ValueError, match=r"names.txt.gz: expected a whole gzip file.*anew"):
            data.names(tmp_path)
    path.write_bytes(gzip.compress(b"\xff\xff"))
    with pytest.raises(ValueError, match=r"names.txt.gz: expected a text in utf-8"):
        data.names(tmp_path)
    for name, content, read in (
        ("airline_tweets_even.tsv.gz", b"positive\tgood\n\njunk", data.tweets),
        ("TREC.train.all.gz", b"1 who\n\njunk", data.trec),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{name}, line 3: expected .*'junk'"):
            read(tmp_path)


def test_a_damaged_mat_file_is_told_by_its_path(tmp_path):
    pytest.importorskip("scipy")
    import systems_data

    systems_data.chorales(tmp_path / "JSB_Chorales.mat")
    assert len(data.chorales(tmp_path).train) == 12
    for _ in broken(tmp_path / "JSB_Chorales.mat", (tmp_path / "JSB_Chorales.mat").read_bytes()):
        with pytest.raises(ValueError, match=r"JSB_Chorales.mat: expected a whole mat file.*anew"):
            data.chorales(tmp_path)


def test_spoken_digits_are_unpacked_once(tmp_path, monkeypatch):
    from numpy.lib.npyio import NpzFile

    import systems_data

    systems_data.fsdd_900_mulaw(tmp_path / "fsdd_900_mulaw.npz")
    plain, asked = NpzFile.__getitem__, []
    monkeypatch.setattr(NpzFile, "__getitem__", lambda z, key: asked.append(key) or plain(z, key))
    assert len(data.spoken_digits(tmp_path).sounds) == 240
    assert len(asked) == len(set(asked)) == 5


def test_a_picture_that_is_far_too_large_is_told_by_its_path(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    image.new("1", (60, 60)).save(tmp_path / "large.png")
    monkeypatch.setattr(image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"large.png: the picture is too large"):
        data.read_image(tmp_path / "large.png")


class Fetching(data.Dataset):
    """Notes which samples were asked for at once."""

    def __init__(self):
        self.asked = []

    def __getitem__(self, index):
        return index * 10

    def __getitems__(self, indices):
        self.asked.append(list(indices))
        return [i * 10 for i in indices]

    def __len__(self):
        return 5


def test_data_sets_side_by_side():
    fetching, squares = Fetching(), TensorDataset(np.arange(5) ** 2)
    pair = data.StackDataset(fetching, squares)
    assert len(pair) == 5 and pair[3][0] == 30 and int(pair[3][1][0]) == 9
    batches = [(x.tolist(), y[0].tolist()) for x, y in DataLoader(pair, batch_size=2)]
    assert batches == [([0, 10], [0, 1]), ([20, 30], [4, 9]), ([40], [16])]
    assert fetching.asked == [[0, 1], [2, 3], [4]]  # a batch at once
    named = data.StackDataset(x=fetching, y=squares)
    assert list(named[1]) == ["x", "y"] and named[1]["x"] == 10
    assert next(iter(DataLoader(named, batch_size=3)))["x"].tolist() == [0, 10, 20]
    for wrong in (lambda: data.StackDataset(), lambda: data.StackDataset([1], x=[2])):
        with pytest.raises(ValueError, match="by name"):
            wrong()
    with pytest.raises(ValueError, match="one length"):
        data.StackDataset([1], [1, 2])
