"""Builds one static library per ISA, the pybind11 module over them, and the Cython engine.

What is fixed (names, flags, dependencies) stands in csrc/isa.inc and pyproject.toml; sources are found by their folder, so
a new rung, operator or engine module needs no line here. LOOPNEST_BUILD_ISAS=scalar,avx512 builds fewer libraries, for quick
turns while a kernel is being written.
"""

import os
import platform
import re
import shutil
from glob import glob
from pathlib import Path

import numpy
import pybind11
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_clib import build_clib
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
ISA_ROW = re.compile(r'^ISA\((\w+), (\w+), \d+, \d+, "(.*)"\)', re.M)
COMMON = ["-std=c++20", "-O3", "-fno-math-errno", "-fPIC", "-fvisibility=hidden", "-fno-omit-frame-pointer", "-Wall", "-Wextra"]
BASELINE = {"x86_64": ["-march=x86-64-v2"], "aarch64": ["-march=armv8-a"]}


def isas() -> list[tuple[str, list[str]]]:
    """(name, flags) of the ISAs that this architecture has and this build wants, as isa.inc orders them."""
    machine = platform.machine()
    wanted = os.environ.get("LOOPNEST_BUILD_ISAS")
    rows = [
        (name, flags.split())
        for name, arch, flags in ISA_ROW.findall((ROOT / "csrc/isa.inc").read_text())
        if arch in ("any", machine)
    ]
    return [row for row in rows if wanted is None or row[0] in wanted.split(",")]


def kernel_library(name: str, flags: list[str]) -> tuple[str, dict]:
    baseline = [] if any(f.startswith("-march") for f in flags) else BASELINE.get(platform.machine(), [])
    headers = glob("csrc/**/*.h", recursive=True) + glob("csrc/**/*.inc", recursive=True)
    source = f"csrc/isa/{name}.cpp"
    return f"loopnest_{name}", {
        "sources": [source],
        "obj_deps": {"": headers},
        "cflags": [*COMMON, *baseline, *flags, "-Wno-psabi", "-Wno-ignored-attributes"],
    }


def extensions() -> list[Extension]:
    baseline = BASELINE.get(platform.machine(), [])
    headers = glob("csrc/**/*.h", recursive=True) + glob("csrc/**/*.inc", recursive=True)
    names = [name for name, _ in isas()]
    core = Extension(
        "loopnest._core",
        sorted(glob("csrc/*.cpp") + glob("csrc/bind/*.cpp") + glob("csrc/ops/*/*.cpp")),
        include_dirs=["csrc", pybind11.get_include()],
        define_macros=[(f"LOOPNEST_HAS_{name}", "1") for name in names],
        extra_compile_args=[*COMMON, *baseline, "-O2"],
        extra_link_args=["-pthread", "-Wl,--exclude-libs,ALL"],
        depends=[*headers, "csrc/isa.inc"],
        language="c++",
    )
    engine = [
        Extension(
            f"loopnest.engine.{Path(source).stem}",
            [source],
            include_dirs=["csrc", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            extra_compile_args=[*COMMON, *baseline, "-O2", "-Wno-unused-parameter"],
            depends=headers,
            language="c++",
        )
        for source in sorted(glob("engine/*.pyx"))
    ]
    return [core, *cythonize(engine, language_level=3, annotate=False, build_dir="build/cython")]


class BuildExt(build_ext):
    """build_ext that always builds the ISA libraries first, also for an editable install."""

    def run(self) -> None:
        self.run_command("build_clib")
        clib: build_clib = self.get_finalized_command("build_clib")
        for extension in self.extensions:
            if extension.name == "loopnest._core":
                # Every object of the libraries is reached through its table; order does not matter.
                extension.libraries = [f"loopnest_{name}" for name, _ in isas()]
                extension.library_dirs = [clib.build_clib]
        super().run()


class BuildPy(build_py):
    """build_py that adds the kernels' sources to the package, so that `loopnest source OP RUNG` can show them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for path in glob("csrc/**/*.*", recursive=True):
            target = Path(self.build_lib) / "loopnest" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def packages() -> dict[str, str]:
    found = {"loopnest": "python/loopnest", "loopnest.engine": "engine"}
    for init in sorted(glob("python/loopnest/**/__init__.py", recursive=True)):
        folder = str(Path(init).parent)
        found[folder.removeprefix("python/").replace("/", ".")] = folder
    return found


setup(
    packages=list(packages()),
    package_dir=packages(),
    package_data={"": ["*.txt", "py.typed", "*.pyi", "*.html", "*.css"], "loopnest.engine": ["*.pxd", "*.pyx"]},
    libraries=[kernel_library(name, flags) for name, flags in isas()],
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildExt, "build_py": BuildPy},
)
