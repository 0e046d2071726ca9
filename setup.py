"""Builds one static library per ISA, the pybind11 module over them, and the Cython engine.

What is fixed (names, flags, dependencies) stands in csrc/isa.inc and pyproject.toml; sources are found by
their folder, so a new rung, operator, family or engine module needs no line here. Each ISA is one object per
family of operators. Objects are kept under build/ and compiled again only when something that they include
has changed (the compiler writes down what that was), several at once. LOOPNEST_BUILD_ISAS=scalar,avx2 builds
fewer ISAs, for quick turns while a kernel is being written.
"""

import os
import platform
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from multiprocessing import get_start_method
from pathlib import Path

import numpy
import pybind11
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

os.chdir(Path(__file__).parent)

ISA_ROW = re.compile(r'^ISA\((\w+), (\w+), \d+, \d+, "(.*)"\)', re.M)
FLAGS = [
    *("-std=c++20", "-O3", "-g0", "-fPIC", "-fvisibility=hidden", "-fno-math-errno"),
    *("-MMD", "-fno-omit-frame-pointer", "-Wall", "-Wextra"),
]
BASELINE = {"x86_64": ["-march=x86-64-v2"], "aarch64": ["-march=armv8-a"]}.get(platform.machine(), [])
HEADERS = [*glob("csrc/**/*.h", recursive=True), *glob("csrc/**/*.inc", recursive=True), "setup.py"]


def source_bytes(family: str) -> int:
    folders = re.findall(r'"\.\./(ops/\w+)/', Path(f"csrc/families/{family}.inc").read_text())
    return sum(map(os.path.getsize, [p for folder in folders for p in glob(f"csrc/{folder}/*.h")]))


# What takes longest comes first, so that no core waits in the end: conv for AVX-512 takes 4 minutes.
FAMILIES = sorted((Path(p).stem for p in glob("csrc/families/*.inc")), key=source_bytes, reverse=True)


def isas() -> list[tuple[str, list[str]]]:
    """(name, flags) of the ISAs that this architecture has and this build wants, as isa.inc orders them."""
    wanted = os.environ.get("LOOPNEST_BUILD_ISAS")
    return [
        (name, flags.split())
        for name, arch, flags in ISA_ROW.findall(Path("csrc/isa.inc").read_text())
        if arch in ("any", platform.machine()) and (wanted is None or name in wanted.split(","))
    ]


ISAS = isas()
OBJECTS = "build/" + "-".join(name for name, _ in ISAS)


def included(made: str) -> list[str]:
    """What an object was made from: the compiler wrote it beside the object, as a rule for make (-MMD)."""
    rule = Path(made).with_suffix(".d")
    return rule.read_text().replace("\\\n", " ").split(": ", 1)[1].split() if rule.exists() else []


def up_to_date(made: str) -> bool:
    sources = included(made)
    if not os.path.exists(made) or not sources or not all(map(os.path.exists, sources)):
        return False
    if Path(made).name == "isa.o":
        sources.append("csrc/families")  # it knows the list of families: a new file changes the folder
    return max(map(os.path.getmtime, [*sources, "setup.py"])) <= os.path.getmtime(made)


def compile_changed(compiler) -> None:
    """Makes the compiler skip objects newer than all they were made from; the others in parallel."""
    one_by_one = compiler.compile

    def compile(sources, output_dir=None, **options):
        def make(source: str) -> str:
            (made,) = compiler.object_filenames([source], output_dir=output_dir)
            if not up_to_date(made):
                one_by_one([source], output_dir=output_dir, **options)
            return made

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(make, sources))

    compiler.compile = compile


class BuildClib(build_clib):
    """build_clib that compiles every ISA once per family of operators, several at the same time."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.build_clib = self.build_temp = OBJECTS

    def build_libraries(self, libraries) -> None:
        compile_changed(self.compiler)
        jobs = [(family, info) for family in FAMILIES for _, info in reversed(libraries)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(self.compile_family, *zip(*jobs, strict=True)))
        for name, info in libraries:
            mine = [made for (_, i), made in zip(jobs, objects, strict=True) if i is info]
            library = Path(OBJECTS) / f"lib{name}.a"
            if not library.exists() or any(os.path.getmtime(o) > library.stat().st_mtime for o in mine):
                library.unlink(missing_ok=True)  # the archiver would keep the object of a family that is gone
                self.compiler.create_static_lib(mine, name, output_dir=OBJECTS)

    def compile_family(self, family: str, info: dict) -> str:
        (made,) = self.compiler.compile(
            info["sources"],
            output_dir=f"{OBJECTS}/{family}",
            macros=[("LOOPNEST_FAMILY", family)],
            extra_preargs=info["cflags"],
        )
        return made


class BuildExt(build_ext):
    """build_ext that always builds the ISA libraries first, also in place and for an editable install."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.build_temp = OBJECTS
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        self.run_command("build_clib")
        super().run()

    def build_extensions(self) -> None:
        compile_changed(self.compiler)
        super().build_extensions()


class BuildPy(build_py):
    """build_py that adds the kernels' sources to the wheel: `loopnest.ladder.source` shows them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in glob("csrc/**/*.*", recursive=True):
            target = Path(self.build_lib) / "loopnest" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def isa_library(name: str, flags: list[str]) -> tuple[str, dict]:
    baseline = [] if any(f.startswith("-march") for f in flags) else BASELINE
    return f"loopnest_{name}", {
        "sources": [f"csrc/isa/{name}.cpp"],
        "cflags": [
            *FLAGS,
            *baseline,
            *flags,
            "-fno-exceptions",
            "-Wno-psabi",
            "-Wno-ignored-attributes",
            "-Wno-aggressive-loop-optimizations",
        ],
    }


BINDINGS = sorted(glob("csrc/bind/*.cpp") + glob("csrc/ops/*/bind.cpp"))


def bindings() -> list[str]:
    """All sources that include pybind11, in two units, one for each core.

    Its headers and templates take most of a unit's time: two take 44 s, 22 single files took up to 300 s.
    """
    units = [Path(f"build/bind_{k}.cpp") for k in range(2)]
    for k, unit in enumerate(units):
        text = "".join(f'#include "{source.removeprefix("csrc/")}"\n' for source in BINDINGS[k :: len(units)])
        if not unit.exists() or unit.read_text() != text:
            unit.parent.mkdir(exist_ok=True)
            unit.write_text(text)
    return [str(unit) for unit in units]


def core() -> Extension:
    others = {*glob("csrc/*.cpp"), *glob("csrc/ops/*/*.cpp")} - {*glob("csrc/ops/*/bind.cpp")}
    return Extension(
        "loopnest._core",
        [*bindings(), *sorted(others)],
        include_dirs=["csrc", pybind11.get_include()],
        define_macros=[
            *((f"LOOPNEST_HAS_{name}", "1") for name, _ in ISAS),
            ("LOOPNEST_FAMILIES(F,isa)", " ".join(f"F(isa, {family})" for family in FAMILIES)),
        ],
        extra_compile_args=[*FLAGS, *BASELINE, "-O2"],
        # As objects, not as libraries: only so is the module linked anew when nothing but a rung has changed.
        extra_objects=[f"{OBJECTS}/libloopnest_{name}.a" for name, _ in ISAS],
        extra_link_args=["-pthread", "-Wl,--exclude-libs,ALL"],
        depends=[*HEADERS, *BINDINGS],
        language="c++",
    )


def engine(source: str) -> Extension:
    return Extension(
        f"loopnest.engine.{Path(source).stem}",
        [source],
        include_dirs=["csrc", numpy.get_include()],
        # 1.22: plan.pyx looks at NumPy's memory.
        define_macros=[
            ("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION"),
            ("NPY_TARGET_VERSION", "NPY_1_22_API_VERSION"),
        ],
        # -O2 keeps Cython's code small; loops over arrays (csrc/loops) are to be vectorised even so.
        extra_compile_args=[
            *(*FLAGS, *BASELINE, "-O2", "-Wno-unused-parameter"),
            *("-ftree-vectorize", "-fvect-cost-model=dynamic"),
        ],
        depends=HEADERS,
        language="c++",
    )


def engine_bytes(source: str) -> int:
    """How large a module is with the parts that it includes. Cython itself knows what depends on them."""
    parts = re.findall(r'^include "(.*)"', Path(source).read_text(), re.M)
    return sum(map(os.path.getsize, [source, *(f"engine/{part}" for part in parts)]))


def engine_sources() -> list[str]:
    """The largest first: tape takes 55 s, and a core should not wait for it in the end."""
    return sorted(glob("engine/*.pyx"), key=engine_bytes, reverse=True)


def packages() -> dict[str, str]:
    folders = {"loopnest.engine": "engine"}
    for init in sorted(glob("python/loopnest/**/__init__.py", recursive=True)):
        folder = str(Path(init).parent)
        folders[folder.removeprefix("python/").replace("/", ".")] = folder
    return folders


def cython_options() -> dict:
    """A folder where Cython finds engine/*.pxd under their package's name: modules cimport each other."""
    package = Path("build/cimport/loopnest")
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.pxd").touch()
    if not (package / "engine").exists():
        (package / "engine").symlink_to(Path("engine").resolve(), target_is_directory=True)
    # Several at once; where processes are not forked they would run this file again.
    processes = (os.cpu_count() or 1) if get_start_method() == "fork" else 0
    return {
        "include_path": ["build/cimport"],
        "build_dir": "build/cython",
        "language_level": 3,
        "nthreads": processes,
    }


setup(
    packages=list(packages()),
    package_dir=packages(),
    package_data={
        "": ["*.txt", "suites/*.txt", "py.typed", "*.pyi", "*.html", "*.css", "*.pxd", "*.pyx", "*.pxi"]
    },
    libraries=[isa_library(name, flags) for name, flags in ISAS],
    ext_modules=[
        core(),
        *cythonize([engine(s) for s in engine_sources()], **cython_options()),
    ],
    cmdclass={"build_clib": BuildClib, "build_ext": BuildExt, "build_py": BuildPy},
)
