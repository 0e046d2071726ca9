"""The claims: the experiment behind each statement on what CNNs and RNNs are good for, with its control.

    loopnest claims C3 C14 --data DIR

    from loopnest.systems import Options, claims

    findings = claims.run(["C3"], Options(data="path/to/data", quick=True))
    print(findings[0].verdict)

A claim is a module with `run(lab) -> Finding`. lab.py is what it gets (data, seeds, training), evidence.py
what it gives back and the rule by which its verdict is computed, page.py how that is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib import import_module

from loopnest.extras import require
from loopnest.systems.claims.evidence import Check, Finding
from loopnest.systems.claims.lab import Lab
from loopnest.systems.frame import Options

# Optional packages: many claims need each of these.
NEEDS = {"matplotlib": "plot", "PIL": "data", "scipy": "data", "sklearn": "data", "threadpoolctl": "data"}

__all__ = ["CLAIMS", "Check", "Finding", "Lab", "chosen", "investigate", "run"]

# number: module and statement
CLAIMS: dict[str, tuple[str, str]] = {
    "C1": (
        "c01_parts",
        "A CNN learns patterns across space: first lines and curves, then parts, then whole objects.",
    ),
    "C2": (
        "c02_sliding",
        "A CNN is not divide and conquer: it slides the same shared filter over all overlapping receptive "
        "fields, and many filters over the same picture, layer after layer, towards higher abstraction.",
    ),
    "C3": (
        "c03_anywhere",
        "What a CNN finds, it finds wherever it stands (position-invariant, local features).",
    ),
    "C4": (
        "c04_sizes",
        "A CNN with dense layers has inputs and outputs of fixed size; without them it takes images of any "
        "size.",
    ),
    "C5": (
        "c05_perceptron",
        "CNNs are variations of the multilayer perceptron that need little preprocessing; they suit images "
        "and video.",
    ),
    "C6": ("c06_features", "A CNN turns images into features that any other model can use."),
    "C7": ("c07_outline", "A CNN can find an object in an image and the outline of the object."),
    "C8": (
        "c08_memory",
        "An RNN learns patterns across time by feeding its hidden state of the previous step into the "
        "next: it has memory.",
    ),
    "C9": (
        "c09_order",
        "An RNN shares its weights over the steps: a word means the same wherever it stands, and yet order "
        "matters.",
    ),
    "C10": (
        "c10_shapes",
        "An RNN takes inputs and outputs of any length. The five shapes: one to one (MLP, CNN), one to "
        "many, many to one, many to many after reading all (translation), many to many in step.",
    ),
    "C11": (
        "c11_wholes",
        "RNNs combine parts into new wholes: image captioning, text generation, translation.",
    ),
    "C12": ("c12_context", 'Context changes meaning: "dog" is translated differently after "hot".'),
    "C13": (
        "c13_series",
        "RNNs suit time series (stock markets), speech and language: what was said last shapes what is "
        "said next.",
    ),
    "C14": (
        "c14_scan",
        '"Space" and "time" are not literal: an RNN can read a single image, its time being the order in '
        "which the parts are processed; what is processed first informs what comes later.",
    ),
    "C15": (
        "c15_phrases",
        "On language, CNNs are good at local key phrases wherever they stand, RNNs at dependencies over "
        "long ranges; which wins depends on the task (Yin et al. 2017 compared CNN, GRU and LSTM over "
        "seven NLP tasks).",
    ),
    "C16": (
        "c16_mood",
        "One sentence's mood (a tweet, positive or negative) can be read off an RNN's summary of it.",
    ),
    "C17": (
        "c17_together",
        "Both can work in one model (describing an image in a sentence), and they can even be "
        "interchanged: CNNs where RNNs were usual (Bai et al. 2018 compared TCN, RNN, GRU and LSTM).",
    ),
    "C18": (
        "c18_sharing",
        "Both rest on weight sharing, across space and across time; otherwise they have little in common.",
    ),
}


def chosen(names: Sequence[str]) -> list[str]:
    """The claims meant by `names` ("C3", "c3" or "3"), in their order; all for none.

    Raises ValueError for a name that is none of them.
    """
    number = {name: name.upper() if name[:1] in ("c", "C") else f"C{name}" for name in names}
    unknown = [name for name in names if number[name] not in CLAIMS]
    picked = set(number.values())
    if unknown:
        none = ", ".join(name or "''" for name in unknown)
        raise ValueError(f"claims: there is no {none}; there are {', '.join(CLAIMS)}")
    return [name for name in CLAIMS if name in picked or not picked]


def investigate(name: str, lab: Lab) -> Finding:
    """Run the experiment behind one claim."""
    module, statement = CLAIMS[name]
    start = time.perf_counter()
    lab.begin()
    require("sklearn.svm", "data")  # its libraries must be there to be told
    with require("threadpoolctl", "data").threadpool_limits(1):  # small work: their threads would only spin
        finding: Finding = import_module(f"loopnest.systems.claims.{module}").run(lab)
    finding.name, finding.statement, finding.standins = name, statement, list(lab.standins)
    finding.seconds, finding.seeds = time.perf_counter() - start, list(lab.seeds)
    return finding


def run(
    names: Sequence[str] = (),
    options: Options | None = None,
    seeds: int | None = None,
    watch: Callable[[Finding], None] | None = None,
    before: Callable[[str, int, int], None] | None = None,
) -> list[Finding]:
    """Run the experiments behind some claims (none: all); writes claims.html, claims.md, claims.json and
    PNGs into `options.save`.

    Args:
      names: such as "C3".
      options: as for the systems. In a quick run, data sets that are in no folder are stood in for.
      seeds: how often each network is trained; default 5.
      watch: called with every finding as soon as there is one.
      before: called before each experiment with its claim's name, which one it is, from 1, and of how many.

    Raises ValueError for an unknown claim or fewer than one seed, DataMissing where a data set is not found.
    """
    from loopnest.systems.claims import page

    options = options or Options()
    count = 5 if seeds is None else seeds
    if count < 1:
        raise ValueError(f"claims: expected at least 1 seed, got {count}")
    wanted = chosen(names)
    if not options.command:
        options.command = " ".join(["loopnest claims", *names, *(["--quick"] if options.quick else [])])
    options.begin("claims", NEEDS)
    lab = Lab(options, [options.seed + k for k in range(count)])
    findings = []
    for number, name in enumerate(wanted, 1):
        if before is not None:
            before(name, number, len(wanted))
        findings.append(investigate(name, lab))
        page.write(
            findings, options
        )  # after each: a run that is broken off leaves the page of what was found
        if watch is not None:
            watch(findings[-1])
    return findings
