"""The systems: small programs on the public API alone, each of which learns from real data.

    from loopnest import systems

    result = systems.run("classify", systems.Options(data="path/to/data", quick=True))
    print(result.rows)

Copy one and start your own: a system is a module with `run(options) -> Result`, and `loopnest run mine.py`
(or `systems.run("mine.py")`) runs it. One that answers to input of the user's own has INPUTS, MODEL and
`apply(options)` as well; NEEDS names the optional packages that must be there, {"sklearn": "data"}. What
surrounds it is in frame.py (options and results), page.py (the HTML page and the PNGs) and cli/run.py
(`loopnest run NAME`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module, util
from pathlib import Path
from types import ModuleType
from typing import Any

from loopnest import data, distributed
from loopnest.systems.frame import Options, Picture, Result, Row

__all__ = ["SYSTEMS", "Options", "Picture", "Result", "Row", "apply", "load", "run"]

# name: what it does
SYSTEMS = {
    "classify": "handwritten digits: a CNN beside an MLP",
    "outline": "cell nuclei and their outlines, on images of any size",
    "features": "a CNN's features handed to scikit-learn's classifiers",
    "video": "the next radar frame, and the direction of a motion",
    "caption": "an image told in a sentence, with attention",
    "generate": "text, character by character, after Shakespeare or a text of your own",
    "translate": "German captions into English, with attention and beam search",
    "sentiment": "the mood of film reviews and tweets",
    "forecast": "the next step of a time series, with honest baselines",
    "speech": "spoken digits, one by one and in strings",
    "scan": "an RNN reads one image by rows, by pixels, in shuffled order",
    "faceoff": "CNN, GRU, LSTM, TCN and a bag of words over language tasks",
    "interchange": "a TCN where recurrent networks were usual",
}


def load(name: str) -> ModuleType:
    """The module of a system, by its name or from a file of one's own, "mine.py".

    Raises ValueError for a name that is not one, and for a file without `run`, FileNotFoundError.
    """
    if name.endswith(".py"):
        return _own(Path(name))
    if name not in SYSTEMS:
        raise ValueError(
            f"run: there is no system {name!r}; there are {', '.join(SYSTEMS)}, and files of one's own (.py)"
        )
    return import_module(f"loopnest.systems.{name}")


def _own(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"run: there is no file {path}")
    spec = util.spec_from_file_location(f"own_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look for their module there
    spec.loader.exec_module(module)
    if not hasattr(module, "run"):
        raise ValueError(f"{path}: expected a function run(options) -> Result in it")
    return module


def run(name: str, options: Options | None = None) -> Result:
    """Train and measure a system; writes models, result.json, result.html and PNGs into `options.save`.

    `name` is one of SYSTEMS, or a file of one's own.

    Raises ValueError for an unknown name and a folder with another system's models, ModuleNotFoundError for
    an optional package that it needs, DataMissing where its data set is not found.
    """
    from loopnest.systems import page

    module = load(name)
    options = options or Options()
    options.begin(Path(name).stem, getattr(module, "NEEDS", {}))
    options.others()
    result: Result = module.run(options)
    if distributed.get_rank() == 0:
        page.write(result, options)
    return result


def apply(name: str, options: Options) -> Any:
    """What the trained system says of the user's own input (`options.inputs`).

    It is trained first where there is no model, or where `options.data` names a file of the user's own and
    the model did not learn from that.

    Of several ranks (loopnest.distributed) rank 0 answers, the others return None.

    Raises ValueError for an input that this system does not take or cannot read, FileNotFoundError for a
    file that is not there; all before anything is trained.
    """
    module = load(name)
    _takes(name, getattr(module, "INPUTS", {}), options.inputs)
    options.begin(Path(name).stem, getattr(module, "NEEDS", {}))
    options.others()
    if not distributed.from_first(options.trained(module.MODEL)):
        for kind in READS.keys() & options.inputs.keys():
            READS[kind](options.inputs[kind])  # what cannot be read is told before training, too
        if options.tell:
            there = options.model_path(module.MODEL).is_file()
            what = f"its model learned from other data than {options.data}" if there else "there is no model"
            options.tell(f"{options.folder}: {what}: it is trained first")
        run(name, options)
    return module.apply(options) if distributed.get_rank() == 0 else None


READS: dict[str, Callable[[str], Any]] = {"image": data.read_image, "wav": data.read_wav}


def _takes(name: str, known: dict[str, str], inputs: dict[str, str]) -> None:
    """Raises an error for input of the user's own that a system cannot do anything with."""
    unknown = [f"--{key}" for key in inputs if key not in known]
    if unknown or not inputs:
        takes = " or ".join(f"--{key}" for key in known) or "no input of your own"
        raise ValueError(f"run {name}: it takes {takes}, got {', '.join(unknown) or 'none'}")
    for kind, given in inputs.items():
        if kind in ("image", "wav") and not Path(given).is_file():
            got = (
                f"expected a file, got the folder {given}"
                if Path(given).is_dir()
                else f"there is no file {given}"
            )
            raise FileNotFoundError(f"--{kind}: {got}")
        if kind == "text" and not given.strip():
            raise ValueError("--text: expected at least one word")
