"""The floors of the house, read from the include and import lines: a file uses only what lies below it.

    contracts (abi.h, ops/<op>/<op>.h) <- simd <- rungs <- ISA stubs
    contracts <- registry, check, pool <- pybind11 module | Cython engine <- python/loopnest <- systems, cli

The kernels' side (simd, rungs, stubs) is compiled once per ISA: nothing above the stubs includes any of it.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CSRC = ROOT / "csrc"
PYTHON = ROOT / "python" / "loopnest"

CONTRACT, SIMD, RUNG, STUB, CORE, BINDING = range(6)
NAMES = ["contract", "simd", "rung", "ISA stub", "registry, check, pool", "binding"]


def floor(path: Path) -> int:
    """The floor of a file of csrc, by its place; a header with a Workspace in a struct is a contract."""
    at = path.relative_to(CSRC)
    if at.parts[0] == "bind" or at.name == "bind.cpp":
        return BINDING
    if at.parts[0] == "simd":
        return SIMD
    if at.parts[0] in ("isa", "families") or at.name in ("kernels.h", "ladders.inc"):
        return STUB
    if at.parts[0] == "ops":
        if path.suffix == ".cpp" or at.name == "check.h":
            return CORE
        return CONTRACT if re.search(r"^\s*Workspace workspace;", path.read_text(), re.M) else RUNG
    return CONTRACT if at.name in ("abi.h", "isa.inc") else CORE


def includes(path: Path) -> list[tuple[str, str]]:
    """(< or ", what) of every include line."""
    return re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]', path.read_text(), re.M)


SOURCES = sorted(p for p in CSRC.rglob("*") if p.suffix in (".h", ".cpp", ".inc"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_includes_look_down(path):
    mine = floor(path)
    for kind, name in includes(path):
        if kind == "<":
            if mine <= STUB:
                allowed = ("stddef.h", "stdint.h", "immintrin.h")
                assert name in allowed, (
                    f"kernels include {allowed} and nothing else from outside, not <{name}>"
                )
            if mine < BINDING:
                foreign = ("Python.h", "pybind11", "numpy")
                assert not name.startswith(foreign), f"no Python below the bindings, but <{name}>"
            continue
        theirs = next((p for p in (path.parent / name, CSRC / name) if p.is_file()), None)
        assert theirs is not None, f'"{name}" is not in csrc'
        theirs = theirs.resolve()
        below = floor(theirs)
        assert below <= mine, f"{NAMES[mine]} includes {name} from above: {NAMES[below]}"
        if mine >= CORE:
            assert below in (CONTRACT, CORE, BINDING), (
                f"{NAMES[mine]} includes {name}, which is compiled per ISA"
            )


def imports(path: Path) -> set[str]:
    """Absolute names of all that a module imports, "loopnest.nn.conv" style; of Cython by its lines."""
    package = "loopnest.engine" if path.is_relative_to(ROOT / "engine") else None
    if package is None:
        folder = path.parent.relative_to(PYTHON.parent)
        package = ".".join(folder.parts)
    text, found = path.read_text(), set()
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                base = package.rsplit(".", node.level - 1)[0] if node.level else ""
                module = ".".join(filter(None, [base, node.module]))
                found |= {f"{module}.{alias.name}" for alias in node.names}
    else:
        for module in re.findall(r"^\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", text, re.M):
            name = module[0] or module[1]
            found.add(f"{package}{name}" if name.startswith(".") else name)
    return found


def inside(name: str, *packages: str) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


MODULES = sorted(PYTHON.rglob("*.py"))
ENGINE = sorted(p for p in (ROOT / "engine").glob("*") if p.suffix in (".py", ".pyx", ".pxd"))


def identity(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES + ENGINE, ids=identity)
def test_imports_look_down(path):
    names = imports(path)
    ours = {name for name in names if inside(name, "loopnest")}
    if path.is_relative_to(PYTHON / "reference"):
        others = names - ours - {n for n in names if n.split(".")[0] in sys.stdlib_module_names}
        assert all(inside(name, "loopnest.reference") for name in ours), (
            "reference imports nothing of loopnest"
        )
        assert all(inside(name, "numpy") for name in others), "reference imports NumPy and nothing else"
    elif path.is_relative_to(PYTHON / "shapes"):
        assert all(inside(name, "loopnest.shapes") for name in ours), "shapes import nothing of loopnest"
    elif path.is_relative_to(ROOT / "engine"):
        allowed = ("loopnest.engine", "loopnest._core")
        assert all(inside(name, *allowed) for name in ours), "the engine imports the API above it"
    elif not any(path.is_relative_to(PYTHON / top) for top in ("cli", "systems", "__main__.py")):
        above = [name for name in ours if inside(name, "loopnest.cli", "loopnest.systems")]
        assert not above, f"cli and systems are the top floor, but it imports {above}"
    assert not [n for n in names if inside(n, "tests", "bench", "docs")], (
        "nothing imports tests, bench or docs"
    )


@pytest.mark.parametrize("path", [p for p in SOURCES if floor(p) in (SIMD, RUNG)], ids=identity)
def test_kernels_use_no_library(path):
    """No std::, no allocation, no printing: inline functions would be symbols for the linker."""
    code = re.sub(r"//.*|\"[^\"]*\"", "", path.read_text())
    found = re.findall(
        r"\bstd::\w+|\b(?:malloc|free|printf|fprintf|abort|throw|static_assert_)\b|\bnew\s", code
    )
    assert not found, f"kernels do without {sorted(set(found))}"


@pytest.mark.parametrize("path", [p for p in SOURCES if re.match(r"r\d+_", p.name)], ids=identity)
def test_rungs_open_with_four_lines(path):
    words = [line.split(":")[0] for line in path.read_text().splitlines() if re.match(r"// [A-Z]\w+:", line)]
    assert words[:4] == ["// Idea", "// Since", "// Why", "// Price"]


def test_import_brings_numpy_and_nothing_else():
    code = "import sys, loopnest; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    numpy = subprocess.run(
        [sys.executable, "-c", code.replace("loopnest", "numpy")], capture_output=True, text=True, check=True
    ).stdout.split()
    # the empty interpreter's own (site-packages may preload editable finders) come with numpy's list
    foreign = {name for name in set(loaded) - set(numpy) if name not in sys.stdlib_module_names}
    foreign = {name for name in foreign if not name.startswith("_") and name != "cython_runtime"}
    assert foreign <= {"loopnest", "pybind11_builtins"}, f"import loopnest also imports {foreign}"
