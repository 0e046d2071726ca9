"""Time series: csv files, the public series, and Bach's chorales as piano rolls."""

from __future__ import annotations

import csv
import io
import os
from typing import NamedTuple

import numpy as np

from loopnest.data.sets import decoded, find, whole
from loopnest.extras import require

Where = str | os.PathLike[str] | None


class Series(NamedTuple):
    """One number after the other: values float64 (t,), their times as written, what they are, how many
    steps a season has (0: none), and how many gaps were filled.

    Example:
      >>> import numpy as np
      >>> from loopnest.data import Series
      >>> Series(np.array([1.0, 2.0]), ["January", "February"], "rain", "mm", 12).season
      12
    """

    values: np.ndarray
    times: list[str]
    name: str
    unit: str
    season: int
    filled: int = 0


# file, column, unit, season
PUBLIC = {
    "airline": ("airline-passengers.csv", "Passengers", "thousand passengers", 12),
    "sunspots": ("monthly-sunspots.csv", "Sunspots", "sunspots", 0),
    "temperature": ("daily-min-temperatures.csv", "Temp", "degrees Celsius", 0),
    "co2": ("co2-concentration.csv", "CO2", "ppm", 12),
    "sp500": ("sp500-2000.csv.gz", "close", "points", 0),
}


def series(name: str, data: Where = None) -> Series:
    """A public series by name: airline, sunspots, temperature, co2, sp500.

    Raises ValueError for another name.

    Example:
      >>> from loopnest import data
      >>> len(data.series("airline").values)  # doctest: +SKIP
      144
    """
    if name not in PUBLIC:
        raise ValueError(f"series: expected one of {', '.join(PUBLIC)}, got {name!r}")
    file, column, unit, season = PUBLIC[name]
    made = read_series(find(file, data), column)
    return made._replace(name=name, unit=unit, season=season)


MISSING = {"", "?", "-", "na", "n/a", "nan", "null", "none"}  # in lower case


def read_series(path: str | os.PathLike[str], column: str | None = None) -> Series:
    """A series of one's own from a csv file: `column`, or the last one that holds numbers.

    Cells are separated by comma, semicolon or tab. Without a header (a first row with a number in the
    column) columns are named column 1, column 2 and so on. Gaps (empty cells, "?", "NA", "nan" ...) between
    values are filled by a straight line, those before the first and after the last value are left out;
    `filled` says how many.

    Raises ValueError for a column that is not there, cells that are no numbers, and fewer than two values.

    Example:
      >>> import tempfile, pathlib
      >>> from loopnest.data import read_series
      >>> file = pathlib.Path(tempfile.mkdtemp()) / "my.csv"
      >>> _ = file.write_text("day;cups\\n1;3\\n2;\\n3;5\\n")
      >>> read_series(file).values.tolist()
      [3.0, 4.0, 5.0]
    """
    rows = _cells(path)
    first = rows[0]
    headed = not any(_number(cell) is not None for cell in first[1:] or first)
    header = [cell or f"column {k}" for k, cell in enumerate(first, 1)]
    if not headed:
        header = [f"column {k}" for k in range(1, len(first) + 1)]
    body = rows[1:] if headed else rows
    start = 2 if headed else 1  # the first row of the body, counted as the user counts
    for number, row in enumerate(body, start):
        if len(row) != len(header):
            raise ValueError(f"{path}, row {number}: expected {len(header)} cells, got {len(row)}")
    place = _column(path, header, body, column)
    values = np.full(len(body), np.nan)
    for k, row in enumerate(body):
        value = _number(row[place])
        if value is None and row[place].lower() not in MISSING:
            raise ValueError(
                f"{path}, row {start + k}: expected a number in {header[place]}, got {row[place]!r}"
            )
        values[k] = np.nan if value is None else value
    there = np.flatnonzero(~np.isnan(values))
    if len(there) < 2:
        raise ValueError(f"{path}: expected at least 2 numbers in {header[place]}, got {len(there)}")
    inside = np.arange(there[0], there[-1] + 1)
    whole = np.interp(inside, there, values[there])
    times = [body[k][0] if place else str(k) for k in inside]
    return Series(whole, times, header[place], header[place], 0, len(inside) - len(there))


def _cells(path: str | os.PathLike[str]) -> list[list[str]]:
    """The rows that are not empty. Separated by what the first row holds most of."""
    text = decoded(path, "UTF-8").removeprefix("\ufeff")
    top = text.partition("\n")[0]
    mark = max((",", ";", "\t"), key=top.count)
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=mark)]
    rows = [row for row in rows if any(row)]
    if len(rows) < 2:
        raise ValueError(f"{path}: expected a csv file with at least two rows, got {len(rows)}")
    if mark == ";":  # then commas are decimal ones
        rows = [[cell.replace(",", ".") if _number(cell) is None else cell for cell in row] for row in rows]
    return rows


def _column(
    path: str | os.PathLike[str], header: list[str], body: list[list[str]], column: str | None
) -> int:
    """The place of `column`, or of the last one in which at least half of the cells that hold something
    hold numbers."""
    if column is None:
        numeric = []
        for k in range(len(header)):
            held = [row[k] for row in body if row[k].lower() not in MISSING]
            numbers = sum(_number(cell) is not None for cell in held)
            if numbers and 2 * numbers >= len(held):
                numeric.append(k)
        if not numeric:
            raise ValueError(f"{path}: no column holds numbers; the columns are {', '.join(header)}")
        return numeric[-1]
    lower = [name.lower() for name in header]
    if column.lower() not in lower:
        raise ValueError(f"{path}: there is no column {column!r}; the columns are {', '.join(header)}")
    return lower.index(column.lower())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


class Rolls(NamedTuple):
    """Piano rolls: lists of float32 (t, 88), 1 where a key sounds.

    Example:
      >>> import numpy as np
      >>> from loopnest.data import Rolls
      >>> Rolls([np.zeros((7, 88), np.float32)], [], []).train[0].shape
      (7, 88)
    """

    train: list[np.ndarray]
    dev: list[np.ndarray]
    test: list[np.ndarray]


def chorales(data: Where = None) -> Rolls:
    """Bach's chorales (JSB, Boulanger-Lewandowski et al. 2012): 229, 76 and 77 sequences. Needs SciPy.

    Example:
      >>> from loopnest import data
      >>> [len(part) for part in data.chorales()]  # doctest: +SKIP
      [229, 76, 77]
    """
    library, errors = require("scipy.io", "data"), require("scipy.io.matlab", "data")
    path = find("JSB_Chorales.mat", data)
    content = io.BytesIO(path.read_bytes())  # so that any OSError below is one of the content
    with whole(path, "mat", errors.MatReadError, OSError):
        held = library.loadmat(content)
        train, dev, test = (
            [np.ascontiguousarray(roll, np.float32) for roll in held[name][0]]
            for name in ("traindata", "validdata", "testdata")
        )
    return Rolls(train, dev, test)
