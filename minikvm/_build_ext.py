"""The build commands: build_ext finds every .pyx, translates it with Cython and compiles it by profile.

The environment variable MINIKVM_BUILD selects the profile: ``release`` (default), ``coverage``, ``tsan`` or ``asan``.
Each profile has a build directory of its own, so that profiles never share objects.

Used by pyproject.toml's ``[tool.setuptools.cmdclass]``; an out-of-tree Cython plugin names the same command
(``build_ext = "minikvm._build_ext.build_ext"``), which finds its .pyx files and gives it the path of minikvm.h.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from setuptools import Extension
from setuptools.command.build import build as _build
from setuptools.command.build_ext import build_ext as _build_ext
from setuptools.command.sdist import sdist as _sdist

HERE = Path(__file__).resolve().parent
SKIPPED_FOLDERS = {"build", "dist", "tests", "benchmarks", "plugins", "docs", "node_modules"}

DIRECTIVES: dict[str, object] = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "embedsignature": True,
    "auto_pickle": False,
}
FLAGS = {
    "release": (["-O2", "-g0"], []),
    "coverage": (["-O0", "-g", "-DCYTHON_TRACE=1", "-DCYTHON_TRACE_NOGIL=1", "-DCYTHON_USE_SYS_MONITORING=0"], []),
    "tsan": (["-O1", "-g", "-fsanitize=thread", "-fno-omit-frame-pointer", "-Wno-tsan"], ["-fsanitize=thread"]),
    "asan": (["-O1", "-g", "-fsanitize=address,undefined", "-fno-omit-frame-pointer"], ["-fsanitize=address,undefined"]),
}
COMMON = ["-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-function", "-Wno-unused-parameter", "-Wno-missing-field-initializers",
          "-Wno-cast-function-type", "-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-sign-compare"]


def profile_from_environment() -> str:
    """MINIKVM_BUILD, or SystemExit with a sentence."""
    profile = os.environ.get("MINIKVM_BUILD", "release")
    if profile not in FLAGS:
        raise SystemExit(f"MINIKVM_BUILD={profile}: expected one of {', '.join(FLAGS)}")
    return profile


class build(_build):
    """setuptools' build with a folder for each profile: an object of one is newer than the sources for all the others, too."""

    def initialize_options(self) -> None:
        super().initialize_options()
        if (profile := profile_from_environment()) != "release":
            self.build_base = str(Path(self.build_base) / profile)


class sdist(_sdist):
    """setuptools' sdist with configs/: minikvm/config/shipped links there, and setuptools visits a folder under one of its names only."""

    def make_distribution(self) -> None:
        self.filelist.extend(sorted(str(path) for path in Path("configs").rglob("*") if path.is_file()))
        super().make_distribution()


class build_ext(_build_ext):
    """setuptools' build_ext over every .pyx below the project's folder."""

    def initialize_options(self) -> None:
        super().initialize_options()
        self.profile = profile_from_environment()

    def finalize_options(self) -> None:
        if not sys.platform.startswith("linux"):
            raise SystemExit(f"minikvm runs on Linux only (futexes, eventfd, membarrier, /dev/kvm); this is {sys.platform}")
        self.distribution.ext_modules = [*find_extensions(Path.cwd(), self.profile)]
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count() or 1
        if self.profile != "release" and self.profile not in Path(self.build_temp).parts:
            self.build_temp = str(Path(self.build_temp) / self.profile)

    def build_extensions(self) -> None:
        from Cython.Build import cythonize

        if not HERE.is_relative_to(Path.cwd()):
            # A plugin's package. It depends on an installed core, whose files may be older than what was built against the one before.
            self.force = True
        directives = dict(DIRECTIVES, linetrace=self.profile == "coverage")
        self.extensions[:] = cythonize(  # type: ignore[no-untyped-call]
            self.extensions,
            build_dir=None if self.profile == "coverage" else str(Path(self.build_temp) / "cython"),
            compiler_directives=directives,
            include_path=[str(Path.cwd())],
            nthreads=self.parallel or 0,
            quiet=not self.verbose,
            force=bool(self.force),
            emit_linenums=True,  # also what a counterexample of the checker shows as places
        )
        for extension in self.extensions:
            extension._needs_stub = False
        super().build_extensions()


def find_extensions(root: Path, profile: str) -> list[Extension]:
    """Every .pyx below *root*'s packages, as an Extension with the flags of *profile*."""
    compile_flags, link_flags = FLAGS[profile]
    greenlet = importlib.util.find_spec("greenlet")  # its header, for check/coroutines.pyx; plugins do without
    greenlet_headers = [str(Path(greenlet.origin).parent.parent)] if greenlet is not None and greenlet.origin else []
    headers = sorted(str(p) for p in (HERE / "include" / "minikvm").glob("*.h"))
    found = []
    for top in sorted(p for p in root.iterdir() if (p / "__init__.py").is_file() and p.name not in SKIPPED_FOLDERS):
        for pyx in sorted(top.rglob("*.pyx")):
            relative = pyx.relative_to(root)
            name = ".".join(relative.with_suffix("").parts)
            found.append(
                Extension(name, [str(relative)], depends=headers, include_dirs=[str(HERE / "include"), *greenlet_headers],
                          extra_compile_args=[*COMMON, *compile_flags], extra_link_args=list(link_flags))
            )
    return found
