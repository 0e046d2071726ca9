"""Images: MNIST's file format, pictures by Pillow, and the public sets of images."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loopnest.data.sets import arrays, content, find
from loopnest.extras import require

Where = str | os.PathLike[str] | None
# The third byte of an idx file says what its numbers are.
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class Images(NamedTuple):
    """Labelled images, split: x uint8 (n, h, w) grey, y int64 (n,).

    Example:
      >>> import numpy as np
      >>> from loopnest.data import Images
      >>> x, y = np.zeros((2, 28, 28), np.uint8), np.array([3, 5])
      >>> Images(x, y, x, y).x_train.shape
      (2, 28, 28)
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """An array in MNIST's idx format, plain or gzip: magic number, sizes, numbers, all big-endian.

    Returns an array of the file's shape in the machine's byte order. Raises ValueError for anything else.

    Example:
      >>> import tempfile
      >>> from loopnest.data import read_idx
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(bytes([0, 0, 8, 1, 0, 0, 0, 3]) + b"abc")
      ...     file.flush()
      ...     read_idx(file.name).tolist()
      [97, 98, 99]
    """
    raw = content(path)
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] not in IDX_TYPES:
        raise ValueError(f"{path}: expected an idx file (two zero bytes, a type, a number of axes)")
    dtype, axes = np.dtype(IDX_TYPES[raw[2]]), raw[3]
    if len(raw) < 4 + 4 * axes:
        raise ValueError(f"{path}: ends within its {axes} sizes")
    shape = struct.unpack(f">{axes}I", raw[4 : 4 + 4 * axes])
    count = 1
    for size in shape:
        count *= size
    if len(raw) != 4 + 4 * axes + count * dtype.itemsize:
        raise ValueError(
            f"{path}: expected {count} numbers of {dtype.itemsize} bytes for shape {shape}, "
            f"got {len(raw) - 4 - 4 * axes} bytes"
        )
    return np.frombuffer(raw, dtype, count, 4 + 4 * axes).reshape(shape).astype(dtype.newbyteorder("="))


def mnist(data: Where = None) -> Images:
    """Handwritten digits, 28x28 grey (LeCun, Cortes): 10,000 to learn from and every fifth of the test part.

    A folder may also hold MNIST's four idx files (train-images-idx3-ubyte and so on, plain or .gz), or those
    of a set in the same format: then these are taken, whole.

    Example:
      >>> from loopnest import data
      >>> data.mnist("path/to/data").x_train.shape  # doctest: +SKIP
      (10000, 28, 28)
    """
    from loopnest.data.sets import folder

    place = folder(data)
    if place is not None and not (place / "mnist_10k_2k.npz").is_file():
        found = [_idx_file(place, name) for name in IDX_FILES]
        if all(found):
            x, y, xt, yt = (read_idx(path) for path in found if path)
            return Images(x, y.astype(np.int64), xt, yt.astype(np.int64))
    z = arrays(find("mnist_10k_2k.npz", data), "x_train", "y_train", "x_test", "y_test")
    return Images(z["x_train"], z["y_train"].astype(np.int64), z["x_test"], z["y_test"].astype(np.int64))


IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def _idx_file(place: Path, name: str) -> Path | None:
    return next((p for p in (place / name, place / f"{name}.gz") if p.is_file()), None)


def read_image(
    path: str | os.PathLike[str], grey: bool = True, size: tuple[int, int] | None = None
) -> np.ndarray:
    """A picture by Pillow (extra `data`): uint8 (h, w) grey, or (h, w, 3); `size` (h, w) resizes it.

    Turned as its EXIF says, transparent parts on white. Pictures of 16 or 32 bits a pixel are scaled so that
    their darkest value becomes 0 and their brightest 255 (microscopes fill 12 of 16 bits).

    Raises ValueError for a file that is no picture, FileNotFoundError for one that is not there.

    Example:
      >>> import tempfile
      >>> from PIL import Image
      >>> from loopnest.data import read_image
      >>> with tempfile.NamedTemporaryFile(suffix=".png") as file:
      ...     Image.new("L", (4, 3), 200).save(file.name)
      ...     image = read_image(file.name, size=(6, 8))
      >>> image.shape, int(image.max())
      ((6, 8), 200)
    """
    image_module, turn = require("PIL.Image", "data"), require("PIL.ImageOps", "data")
    try:
        with image_module.open(path) as opened:
            image = turn.exif_transpose(opened)
            if image.mode[0] in "IF":
                values = np.asarray(image, np.float64)
                low, high = values.min(), values.max()
                eight = np.round((values - low) / max(high - low, 1e-12) * 255)
                image = image_module.fromarray(eight.astype(np.uint8))
            elif "A" in image.mode or "transparency" in image.info:
                image = image.convert("RGBA")
                ground = image_module.new("RGBA", image.size, "white")
                image = image_module.alpha_composite(ground, image)
            image = image.convert("L" if grey else "RGB")
            if size is not None:
                image = image.resize((size[1], size[0]), image_module.Resampling.BILINEAR)
            return np.asarray(image, np.uint8)
    except FileNotFoundError:
        raise
    except image_module.DecompressionBombError as error:
        raise ValueError(f"{path}: the picture is too large, make it smaller first: {error}") from error
    except OSError as error:
        raise ValueError(f"{path}: expected a picture that Pillow reads: {error}") from error


def image_folder(path: str | os.PathLike[str], size: tuple[int, int] = (28, 28)) -> tuple[Images, list[str]]:
    """Pictures of one's own: one sub-folder per class. Every fifth of each class is held back.

    Returns the images, resized to `size`, and the classes' names. Raises ValueError where there are no two
    classes with at least five pictures each.

    Example:
      >>> import tempfile, pathlib
      >>> from PIL import Image
      >>> from loopnest.data import image_folder
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for name in "cat", "dog":
      ...         (pathlib.Path(folder) / name).mkdir()
      ...         for k in range(5):
      ...             Image.new("L", (8, 8)).save(f"{folder}/{name}/{k}.png")
      ...     images, classes = image_folder(folder)
      >>> images.x_train.shape, images.y_test.tolist(), classes
      ((8, 28, 28), [0, 1], ['cat', 'dog'])
    """
    place = Path(path)
    classes = sorted(p.name for p in place.iterdir() if p.is_dir())
    parts: list[list] = [[], [], [], []]
    for label, name in enumerate(classes):
        files = sorted(p for p in (place / name).iterdir() if p.is_file())
        if len(files) < 5:
            raise ValueError(f"{place / name}: expected at least 5 pictures of a class, got {len(files)}")
        for k, file in enumerate(files):
            held = 2 if k % 5 == 4 else 0
            parts[held].append(read_image(file, size=size))
            parts[held + 1].append(label)
    if len(classes) < 2:
        raise ValueError(f"{place}: expected a sub-folder for each of at least 2 classes, got {len(classes)}")
    x, y, xt, yt = parts
    return Images(np.stack(x), np.array(y, np.int64), np.stack(xt), np.array(yt, np.int64)), classes


class Cells(NamedTuple):
    """Microscope images with the nuclei in them: lists of (image uint8 (h, w), label uint16 (h, w)); in a
    label 0 is background and 1..n are the nuclei. `other`: images of other sizes than the rest.

    Example:
      >>> from loopnest import data
      >>> image, label = data.nuclei("path/to/data").train[0]  # doctest: +SKIP
      >>> image.shape == label.shape  # doctest: +SKIP
      True
    """

    train: list[tuple[np.ndarray, np.ndarray]]
    test: list[tuple[np.ndarray, np.ndarray]]
    other: list[tuple[np.ndarray, np.ndarray]]


def nuclei(data: Where = None) -> Cells:
    """Cell nuclei, fluorescence (Data Science Bowl 2018, BBBC038): 36 images, 10 held back, 3 of other
    sizes."""
    path = find("nuclei_dsb2018_46.npz", data)
    z = arrays(path)

    def part(name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        keys = sorted(k[: -len("_image")] for k in z if k.startswith(name) and k.endswith("_image"))
        if not keys or any(f"{key}_label" not in z for key in keys):
            raise ValueError(f"{path}: expected arrays {name}..._image, each with its {name}..._label")
        return [(z[f"{key}_image"], z[f"{key}_label"]) for key in keys]

    return Cells(part("train_"), part("test_"), part("other_"))


class Film(NamedTuple):
    """A film of one channel: frames uint8 (t, h, w), valid bool (h, w).

    Example:
      >>> import numpy as np
      >>> from loopnest.data import Film
      >>> Film(np.zeros((4, 8, 8), np.uint8), np.ones((8, 8), bool)).frames.shape
      (4, 8, 8)
    """

    frames: np.ndarray
    valid: np.ndarray


def radar(data: Where = None) -> Film:
    """Weather radar over Finland, 40 frames five minutes apart (FMI, CC BY 4.0); dBZ = 0.5 * code - 32.

    Example:
      >>> from loopnest import data
      >>> len(data.radar("path/to/data").frames)  # doctest: +SKIP
      40
    """
    z = arrays(find("radar_fmi_20160928_4km.npz", data), "frames", "valid")
    return Film(z["frames"], z["valid"])
