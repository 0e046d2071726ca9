"""Sound: wav files by soundfile, mu-law, log-mel frames, and the spoken digits."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from loopnest.data.sets import arrays, find, folder
from loopnest.extras import require

Where = str | os.PathLike[str] | None


class Spoken(NamedTuple):
    """Recordings of one digit each: sounds float32 (samples,), -1 to 1, all at `rate`; digit, speaker and
    test (n,): which of them are held back.

    Example:
      >>> from loopnest import data
      >>> recordings = data.spoken_digits()  # doctest: +SKIP
      >>> len(recordings.sounds), recordings.rate  # doctest: +SKIP
      (900, 8000)
    """

    sounds: list[np.ndarray]
    digit: np.ndarray
    speaker: np.ndarray
    test: np.ndarray
    speakers: list[str]
    rate: int


def mu_law(codes: np.ndarray) -> np.ndarray:
    """8-bit mu-law codes (mu 255) to float32 samples, -1 to 1 (ITU-T G.711's curve, not its code table).

    Example:
      >>> import numpy as np
      >>> from loopnest.data import mu_law
      >>> mu_law(np.array([0, 255], np.uint8)).tolist()
      [-1.0, 1.0]
    """
    y = codes.astype(np.float32) / 255 * 2 - 1
    return (np.sign(y) * (256 ** np.abs(y) - 1) / 255).astype(np.float32)


def read_wav(path: str | os.PathLike[str], rate: int | None = None) -> tuple[np.ndarray, int]:
    """A sound file by soundfile (extra `data`): float32 (samples,), channels averaged, and its rate in Hz.

    With `rate` it is resampled to that (scipy.signal.resample_poly: what lies above half of the new rate is
    filtered away and does not come back as another tone).

    Raises ValueError for a file that is no sound or holds none, FileNotFoundError for one that is not there.

    Example:
      >>> import tempfile, wave
      >>> from loopnest.data import read_wav
      >>> with tempfile.NamedTemporaryFile(suffix=".wav") as file:
      ...     with wave.open(file.name, "wb") as out:
      ...         out.setparams((1, 2, 8000, 0, "NONE", ""))
      ...         out.writeframes(bytes(200))
      ...     sound, rate = read_wav(file.name)
      >>> sound.shape, rate
      ((100,), 8000)
    """
    library = require("soundfile", "data")
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        sound, own = library.read(path, dtype="float32", always_2d=True)
    except library.LibsndfileError as error:
        raise ValueError(f"{path}: expected a sound file that soundfile reads: {error}") from error
    if len(sound) == 0:
        raise ValueError(f"{path}: expected a sound, got a file without samples")
    sound = sound.mean(1)
    if rate is None or own == rate:
        return sound, own
    both = math.gcd(own, rate)
    resampled = require("scipy.signal", "data").resample_poly(sound, rate // both, own // both)
    return resampled.astype(np.float32), rate


def mel_bank(
    bands: int = 40, bins: int = 129, rate: int = 8000, low: float = 60, high: float = 3800
) -> np.ndarray:
    """Triangular filters (bands, bins), evenly spaced on the mel scale 2595 log10(1 + f / 700).

    Example:
      >>> from loopnest.data.audio import mel_bank
      >>> mel_bank(bands=40, bins=129).shape
      (40, 129)
    """

    def mel(f: float) -> float:
        return 2595 * np.log10(1 + f / 700)

    points = 700 * (10 ** (np.linspace(mel(low), mel(high), bands + 2) / 2595) - 1)
    frequency = np.linspace(0, rate / 2, bins)
    left, mid, right = points[:-2, None], points[1:-1, None], points[2:, None]
    return np.maximum(0, np.minimum((frequency - left) / (mid - left), (right - frequency) / (right - mid)))


def log_mel(sound: np.ndarray, rate: int = 8000, bands: int = 40) -> np.ndarray:
    """Log-mel frames float32 (frames, bands) of a sound: 32 ms windows (Hann), 16 ms apart, each recording
    shifted and scaled to mean 0 and deviation 1.

    Example:
      >>> import numpy as np
      >>> from loopnest.data import log_mel
      >>> log_mel(np.sin(np.arange(8000)), rate=8000).shape
      (61, 40)
    """
    window = round(0.032 * rate)
    hop = window // 2
    x = np.pad(np.asarray(sound, np.float64), (0, max(0, window - len(sound))))
    starts = np.arange(0, len(x) - window + 1, hop)
    power = np.abs(np.fft.rfft(x[starts[:, None] + np.arange(window)] * np.hanning(window))) ** 2
    bank = mel_bank(bands, power.shape[1], rate, high=min(3800, 0.475 * rate))
    mel = np.log(power @ bank.T + 1e-6)
    return ((mel - mel.mean()) / (mel.std() + 1e-6)).astype(np.float32)


def spoken_digits(data: Where = None) -> Spoken:
    """Free Spoken Digit Dataset (Jakobovski, CC BY-SA 4.0): 900 recordings of 6 speakers, 8 kHz; its official
    test part (recordings 0 to 4 of each digit and speaker) is held back.

    A folder may also hold wav files of its own, named digit_speaker_index.wav as there: then these are taken,
    and index 0 to 4 is held back.

    Example:
      >>> from loopnest import data
      >>> recordings = data.spoken_digits()  # doctest: +SKIP
      >>> recordings.speakers[0]  # doctest: +SKIP
      'george'
    """
    place = folder(data)
    if place is not None and not (place / "fsdd_900_mulaw.npz").is_file() and any(place.glob("*.wav")):
        return _wav_folder(place)
    z = arrays(find("fsdd_900_mulaw.npz", data), "audio", "length", "digit", "speaker", "index")
    ends = np.cumsum(z["length"])
    sounds = [mu_law(z["audio"][end - n : end]) for end, n in zip(ends, z["length"], strict=True)]
    names = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]
    return Spoken(
        sounds, z["digit"].astype(np.int64), z["speaker"].astype(np.int64), z["index"] < 5, names, 8000
    )


def _wav_folder(place: Path, rate: int = 8000) -> Spoken:
    sounds, digits, speakers, indices = [], [], [], []
    for path in sorted(place.glob("*.wav")):
        match = re.fullmatch(r"(\d)_(.+)_(\d+)", path.stem)
        if not match:
            raise ValueError(f"{path.name}: expected a name like digit_speaker_index.wav, 7_anna_0.wav")
        sounds.append(read_wav(path, rate)[0])
        digits.append(int(match[1]))
        speakers.append(match[2])
        indices.append(int(match[3]))
    held = sum(index < 5 for index in indices)
    if not 0 < held < len(indices):
        raise ValueError(
            f"{place}: expected recordings with an index below 5, which are held back, and others to learn "
            f"from, got {held} and {len(indices) - held}"
        )
    names = sorted(set(speakers))
    return Spoken(
        sounds,
        np.array(digits, np.int64),
        np.array([names.index(s) for s in speakers], np.int64),
        np.array(indices) < 5,
        names,
        rate,
    )
