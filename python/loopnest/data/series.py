"""Time series: csv files, the public series, and Bach's chorales as piano rolls."""

from __future__ import annotations

import csv
import io
import os
from typing import NamedTuple

import numpy as np

from loopnest.data.sets import content, find
from loopnest.extras import require

Where = str | os.PathLike[str] | None


class Series(NamedTuple):
    """One number after the other: values float64 (t,), their times as written, what they are and how many
    steps a season has (0: none)."""

    values: np.ndarray
    times: list[str]
    name: str
    unit: str
    season: int


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
    """
    if name not in PUBLIC:
        raise ValueError(f"series: expected one of {', '.join(PUBLIC)}, got {name!r}")
    file, column, unit, season = PUBLIC[name]
    made = read_series(find(file, data), column)
    return made._replace(name=name, unit=unit, season=season)


def read_series(path: str | os.PathLike[str], column: str | None = None) -> Series:
    """A series of one's own from a csv file with a header: `column`, or the last one that holds numbers.

    Raises ValueError for a column that is not there, or values that are no numbers (gaps included).
    """
    text = content(path).decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if len(rows) < 2:
        raise ValueError(f"{path}: expected a header and at least one row")
    header, body = [cell.strip() for cell in rows[0]], rows[1:]
    if any(len(row) != len(header) for row in body):
        wrong = next(k for k, row in enumerate(body, 2) if len(row) != len(header))
        raise ValueError(f"{path}, row {wrong}: expected {len(header)} cells, as in the header")
    if column is None:
        numeric = [k for k in range(len(header)) if _number(body[0][k]) is not None]
        if not numeric:
            raise ValueError(f"{path}: no column holds numbers; the columns are {', '.join(header)}")
        place = numeric[-1]
    else:
        lower = [name.lower() for name in header]
        if column.lower() not in lower:
            raise ValueError(f"{path}: there is no column {column!r}; the columns are {', '.join(header)}")
        place = lower.index(column.lower())
    values = [_number(row[place]) for row in body]
    for number, (value, row) in enumerate(zip(values, body, strict=True), 2):
        if value is None:
            raise ValueError(
                f"{path}, row {number}: expected a number in {header[place]}, got {row[place]!r}"
            )
    times = [row[0] if place else str(k) for k, row in enumerate(body)]
    return Series(np.array(values, np.float64), times, header[place], header[place], 0)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


class Rolls(NamedTuple):
    """Piano rolls: lists of float32 (t, 88), 1 where a key sounds."""

    train: list[np.ndarray]
    dev: list[np.ndarray]
    test: list[np.ndarray]


def chorales(data: Where = None) -> Rolls:
    """Bach's chorales (JSB, Boulanger-Lewandowski et al. 2012): 229, 76 and 77 sequences. Needs SciPy."""
    library = require("scipy.io", "data")
    held = library.loadmat(find("JSB_Chorales.mat", data))

    def part(name: str) -> list[np.ndarray]:
        return [np.ascontiguousarray(roll, np.float32) for roll in held[name][0]]

    return Rolls(part("traindata"), part("validdata"), part("testdata"))
