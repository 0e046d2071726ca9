"""Small pictures as PNG data URLs, written with zlib alone.

Values become the opacity of one or two colours, so the page's own background shows through and the same
picture serves light and dark.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np


def encode(rgba: np.ndarray) -> bytes:
    """Encode rgba, uint8 (height, width, 4), as a PNG file (format: RFC 2083)."""
    height, width, _ = rgba.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each row opens with its filter: 0, none
    rows[:, 1:] = rgba.reshape(height, 4 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)  # 8 bits a channel, 6: RGB with alpha
    data = zlib.compress(rows.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def picture(values: np.ndarray, positive: str, negative: str | None = None, top: float | None = None) -> str:
    """A data URL of a picture of `values` (height, width).

    `positive` and `negative` are colours "#rrggbb"; opacity is |value| / top, and without a negative colour
    values below zero are left transparent. `top` defaults to the largest magnitude.
    """
    values = np.asarray(values, np.float64)
    scale = top or float(np.max(np.abs(values), initial=0)) or 1.0
    rgba = np.zeros((*values.shape, 4), np.uint8)
    rgba[..., :3] = _rgb(positive)
    strength = np.clip(np.abs(values) / scale, 0, 1)
    if negative is None:
        strength = np.where(values > 0, strength, 0)
    else:
        rgba[values < 0, :3] = _rgb(negative)
    rgba[..., 3] = np.round(255 * np.nan_to_num(strength))
    return "data:image/png;base64," + base64.b64encode(encode(rgba)).decode("ascii")


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
