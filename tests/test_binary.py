"""What the compiler and the linker made: an AVX-512 instruction must not run on a CPU that has none.

Inline functions of headers become weak symbols, and the linker keeps any copy for everybody, maybe AVX-512's
(oneDAL#704, numpy#25274, FBGEMM#46, botan#5260). These tests build nothing. They read the module and the
objects of the last build where it left them; what is missing is skipped, with the reason.
"""

import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from harness import ISAS
from loopnest import _core

# The tests share what objdump said: in one process, when tests run in several.
pytestmark = pytest.mark.xdist_group("binary")

ROOT = Path(__file__).parent.parent
MODULE = Path(_core.__file__)

# What the instructions of an ISA may use; the baseline is x86-64-v2 (sse).
WIDE = {
    "scalar": r"%[yz]mm|%k[1-7]\b",
    "sse": r"%[yz]mm|%k[1-7]\b",
    "avx2": r"%zmm|%[xy]mm(?:1[6-9]|2\d|3[01])|%k[1-7]\b",
}
PACKED = r"\t(?:mul|add|sub|div|max|min)p[sd]\b"


def tool(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} (binutils) is not installed")
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def objects() -> list[Path]:
    """The newest copy of every object of the last build."""
    newest: dict[str, Path] = {}
    for path in sorted(ROOT.glob("build/*/**/*.o"), key=lambda p: p.stat().st_mtime):
        newest[str(path.relative_to(ROOT / "build")).split("/", 1)[1]] = path
    return list(newest.values())


def isa_objects(isa: str) -> dict[str, Path]:
    """Every family of operators is one object: its name, and where it is."""
    families = {path.stem for path in (ROOT / "csrc" / "families").glob("*.inc")}
    found = {p.parts[-4]: p for p in objects() if p.parts[-3:] == ("csrc", "isa", f"{isa}.o")}
    if not families & found.keys():
        pytest.skip(f"no object of ISA {isa} under build")
    return {family: found[family] for family in families}


def symbols(path: Path, *options: str) -> list[tuple[str, str]]:
    """(type letter, name) as nm gives them."""
    lines = [line.split() for line in tool("nm", *options, str(path)).splitlines()]
    return [(words[-2], words[-1]) for words in lines if len(words) >= 2]


@cache
def functions() -> dict[str, list[str]]:
    """The instructions of every function of the shared module."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in tool("objdump", "-d", "--no-show-raw-insn", str(MODULE)).splitlines():
        if line.endswith(">:") and (header := re.fullmatch(r"[0-9a-f]+ <(.+)>:", line)):
            current = found.setdefault(header[1], [])
        elif "\t" in line:
            current.append(line)
    if not any("loopnest" in name for name in found):
        pytest.skip("the shared module is stripped: its functions have no names")
    return found


def home(function: str) -> str:
    """The ISA whose namespace a function is in, or "" for the baseline."""
    match = re.search(r"8loopnest(?:" + "|".join(f"{len(isa)}({isa})" for isa in ISAS) + ")", function)
    return next((isa for isa in match.groups() if isa), "") if match else ""


@pytest.mark.parametrize("isa", ISAS)
def test_isa_objects_export_one_table(isa):
    """No weak or unique symbols (W w V v u), and no global one beside the table."""
    for family, path in isa_objects(isa).items():
        defined = [(k, n) for k, n in symbols(path) if (k != "U" and k.isupper()) or k in "wvu"]
        weak = [name for kind, name in defined if kind in "WwVvu"]
        assert not weak, f"the linker may hand these to every CPU: {weak[:5]}"
        visible = [name for kind, name in defined if kind in "TDRBSCG"]
        assert len(visible) == 1, f"expected the table alone, got {visible}"
        assert f"table_{isa}_{family}" in visible[0]


@pytest.mark.parametrize("isa", ISAS)
def test_isa_objects_need_little(isa):
    """Kernels call memcpy and its kin and mathematical functions at most; nothing allocates or prints."""
    allowed = (
        r"_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|mem(cpy|set|move)|(exp|log|tanh|erfc|expm1|log1p|sqrt|fma)f?"
    )
    for family, path in isa_objects(isa).items():
        needed = {name for kind, name in symbols(path) if kind == "U"}
        others = {name for name in needed if not re.fullmatch(allowed, name)}
        assert not others, f"kernels of {family} call {others}"


def test_module_exports_nothing_of_ours():
    """Its init function, and what libstdc++ always exports from templates; no name of loopnest."""
    visible = [name for _, name in symbols(MODULE, "-D", "--defined-only")]
    assert "PyInit__core" in visible
    assert not [name for name in visible if "loopnest" in name]


def test_every_isa_has_functions_in_the_module():
    """Otherwise the tests below would say nothing."""
    homes = {home(name) for name in functions()}
    assert "" in homes
    assert set(_core.isas()) <= homes


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the registers' names are x86's")
@pytest.mark.parametrize("isa", ["", *WIDE])
def test_no_wider_instructions(isa):
    """Neither the baseline nor a narrower ISA holds an instruction that only a wider one has."""
    pattern = re.compile(WIDE[isa or "sse"])
    for name, lines in functions().items():
        if home(name) == isa:
            wide = [line.strip() for line in lines if pattern.search(line)]
            assert not wide, f"{name} uses {wide[0]}"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the instructions' names are x86's")
def test_scalar_is_scalar():
    """naive@scalar shows what one lane does; the compiler was told not to vectorise it."""
    for name, lines in functions().items():
        if home(name) == "scalar":
            packed = [line.strip() for line in lines if re.search(PACKED, line)]
            assert not packed, f"{name} uses {packed[0]}"


def test_baseline_objects_have_no_wide_registers():
    """The same for objects that are not yet linked: core, bindings and engine."""
    baseline = [p for p in objects() if p.parts[-2] != "isa"]
    if not baseline:
        pytest.skip("no objects under build")
    for path in baseline:
        code = tool("objdump", "-d", "--no-show-raw-insn", str(path))
        wide = re.search(r"^.*%[yz]mm.*$", code, re.M)
        assert wide is None, f"{path.name}: {wide[0]}" if wide else ""
