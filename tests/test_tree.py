"""The tree in ARCHITECTURE.md names what a newcomer looks for, and nothing that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
TREE = TEXT.partition("## The tree\n\n```\n")[2].partition("```")[0]


def named() -> set[str]:
    """The paths in the tree's left column, a row's indented below its folder's; `isa.{h,cpp}` is two."""
    rows = TREE.splitlines()
    width = re.match(r"\S+ +", rows[0]).end()
    found: set[str] = set()
    folders: list[tuple[int, str]] = []  # those that this row is in: (indentation, path)
    for names in (row[:width] for row in rows):
        indent = len(names) - len(names.lstrip())
        folders = [folder for folder in folders if folder[0] < indent] if names.strip() else folders
        above = folders[-1][1] if folders else ""
        for name in names.split():
            stem, *endings = re.split(r"[{},]", name)
            found |= {above + stem + ending for ending in endings if ending} or {above + name}
            if name.endswith("/"):
                folders.append((indent, above + name))
    return found


NAMED = named()


def files(folder: str, *endings: str) -> list[Path]:
    return [path for ending in endings for path in (ROOT / folder).glob(f"*{ending}")]


@pytest.mark.parametrize("folder", ["csrc", "csrc/simd"])
def test_kernels_are_named(folder):
    there = {f"{folder}/{path.name}" for path in files(folder, ".h", ".cpp", ".inc")}
    assert there and not there - NAMED


def test_engine_is_named():
    """A module by its name, whatever of .pyx, .pxd and .pyi it has; a part of one with its ending."""
    there = {f"engine/{path.stem}" for path in files("engine", ".pyx", ".pxd")}
    there |= {f"engine/{path.name}" for path in files("engine", ".pxi")}
    assert there and not there - NAMED


def test_python_is_named():
    folder = "python/loopnest"
    there = {f"{folder}/{path.name}" for path in files(folder, ".py") if path.name != "__init__.py"}
    there |= {f"{folder}/{path.parent.name}/" for path in files(folder, "/__init__.py")}
    assert there and not there - NAMED


def is_there(name: str) -> bool:
    pattern = re.sub("<.*?>", "*", name)
    return any(ROOT.glob(f"{pattern}.p*" if re.fullmatch(r"engine/\w+", name) else pattern))


def test_what_is_named_is_there():
    assert [name for name in sorted(NAMED) if not is_there(name)] == []
