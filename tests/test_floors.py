"""The floors of the house, read from the include and import lines: a file uses only what lies below it.

    contracts (abi.h, ops/<op>/<op>.h) <- simd <- rungs <- ISA stubs
    contracts <- registry, check, pool <- pybind11 module | Cython engine <- python/loopnest, see HOUSE

The kernels' side (simd, rungs, stubs) is compiled once per ISA: nothing above the stubs includes any of it.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
CSRC = ROOT / "csrc"
PYTHON = ROOT / "python" / "loopnest"

CONTRACT, SIMD, RUNG, STUB, CORE, BINDING = range(6)
NAMES = ["contract", "simd", "rung", "ISA stub", "registry, check, pool", "binding"]


def check(paths: list[Path], rule: Callable[[Path], None]) -> None:
    """A rule for every file; all that break it are named."""
    wrong = []
    for path in paths:
        try:
            rule(path)
        except AssertionError as error:
            wrong.append(f"{path.relative_to(ROOT)}: {error}")
    assert paths, "no file is left to check"
    assert not wrong, "\n".join(wrong)


@cache
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


def includes_look_down(path: Path) -> None:
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


def test_includes_look_down():
    check(SOURCES, includes_look_down)


# python/loopnest from the ground up: every package and module at its top, and "loopnest" itself, which is
# what `import loopnest` gives. A file imports from its own floor and those below.
HOUSE = [
    {"reference", "shapes", "extras", "_arguments"},
    {"_core"},
    {"engine"},
    {"_precision", "autograd", "cuda", "differentiable", "environment", "functions", "linalg", "random"},
    {"ops", "nn", "machine"},
    {"optim", "streaming", "receptive", "models", "ladder", "laboratory"},
    {"loopnest"},
    {"data", "metrics", "viz", "io", "decode", "planning"},
    {"distributed"},
    {"train"},
    {"tour", "systems", "bench"},
    {"cli", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(HOUSE) for name in names}

# Imports that go up, and wait until they are needed, in a function or for the type checker: (from, to).
# `import loopnest` is to be quick, and yet gives these parts when they are first asked for.
LATER = ("data", "decode", "distributed", "io", "metrics", "planning", "train")
WAITING = {("loopnest", name) for name in LATER}


@cache
def imports(path: Path) -> dict[str, bool]:
    """Absolute names of all that a module imports, "loopnest.nn.conv" style, and whether at once, when it is
    imported itself, or later; of Cython by its lines."""
    package = "loopnest.engine" if path.is_relative_to(ROOT / "engine") else None
    if package is None:
        folder = path.parent.relative_to(PYTHON.parent)
        package = ".".join(folder.parts)
    text, found = path.read_text(), {}
    if path.suffix == ".py":
        for node, at_once in statements(ast.parse(text)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                base = package.rsplit(".", node.level - 1)[0] if node.level else ""
                module = ".".join(filter(None, [base, node.module]))
                names = [f"{module}.{alias.name}" for alias in node.names]
            for name in names:
                found[name] = at_once or found.get(name, False)
    else:
        lines = re.findall(r"^([ \t]*)(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))", text, re.M)
        for margin, *module in lines:
            name = module[0] or module[1]
            name = f"{package}{name}" if name.startswith(".") else name
            found[name] = not margin or found.get(name, False)
    return found


def statements(node: ast.AST, at_once: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import below a node, and whether it runs when the node does."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, at_once
        waits = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or (
            isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
        )
        yield from statements(child, at_once and not waits)


def inside(name: str, *packages: str) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def part(name: str) -> str:
    """Which part of the house a name of loopnest's belongs to: "nn" for "loopnest.nn.conv"."""
    top = name.split(".")[1] if "." in name else "loopnest"
    return top if top in LEVEL else "loopnest"


MODULES = sorted(PYTHON.rglob("*.py"))
ENGINE = sorted(p for p in (ROOT / "engine").glob("*") if p.suffix in (".py", ".pyx", ".pxd"))


def home(path: Path) -> str:
    """The part that a file belongs to."""
    if path.is_relative_to(ROOT / "engine"):
        return "engine"
    top = path.relative_to(PYTHON).parts[0].removesuffix(".py")
    return "loopnest" if top == "__init__" else top


def test_every_part_has_one_floor():
    assert sum(map(len, HOUSE)) == len(LEVEL), "a part is on two floors"
    assert {home(path) for path in MODULES} | {"_core", "engine"} == set(LEVEL)


def imports_look_down(path: Path) -> None:
    names, mine = imports(path), home(path)
    ours = {name for name in names if inside(name, "loopnest")}
    above = {name for name in ours if LEVEL[part(name)] > LEVEL[mine]}
    wrong = sorted(name for name in above if names[name] or (mine, part(name)) not in WAITING)
    assert not wrong, f"{mine} imports what is above it: {wrong}"
    if LEVEL[mine] == 0:
        assert all(part(name) == mine for name in ours), f"{mine} imports nothing of loopnest"
    if mine == "reference":
        others = set(names) - ours - {n for n in names if n.split(".")[0] in sys.stdlib_module_names}
        assert all(inside(name, "numpy") for name in others), "reference imports NumPy and nothing else"
    assert not [n for n in names if inside(n, "tests", "bench", "docs")], (
        "nothing imports tests, bench or docs"
    )


def test_imports_look_down():
    check(MODULES + ENGINE, imports_look_down)


def test_no_import_waits_in_vain():
    """Exceptions that nobody needs any more are to go."""
    found = {
        (home(path), part(name)) for path in MODULES for name in imports(path) if inside(name, "loopnest")
    }
    assert not WAITING - found, f"nobody imports these: {sorted(WAITING - found)}"


def kernels_use_no_library(path: Path) -> None:
    """No std::, no allocation, no printing: inline functions would be symbols for the linker."""
    code = re.sub(r"//.*|\"[^\"]*\"", "", path.read_text())
    found = re.findall(
        r"\bstd::\w+|\b(?:malloc|free|printf|fprintf|abort|throw|static_assert_)\b|\bnew\s", code
    )
    assert not found, f"kernels do without {sorted(set(found))}"


def test_kernels_use_no_library():
    check([p for p in SOURCES if floor(p) in (SIMD, RUNG)], kernels_use_no_library)


def rungs_open_with_four_lines(path: Path) -> None:
    words = [line.split(":")[0] for line in path.read_text().splitlines() if re.match(r"// [A-Z]\w+:", line)]
    assert words[:4] == ["// Idea", "// Since", "// Why", "// Price"], f"it opens with {words[:4]}"


def test_rungs_open_with_four_lines():
    check([p for p in SOURCES if re.match(r"r\d+_", p.name)], rungs_open_with_four_lines)


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
