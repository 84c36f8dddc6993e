"""A C file as a plugin: a class for each path, which builds and loads the file when a run or a check asks for its functions."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from minikvm.kinds import Loop, Options, Strategy


class LoopOptions(Options):
    """arch: whose rules the loop follows where vcpu.cpu is put: x86 leaves it stale, arm64 stores -1."""

    arch: Literal["x86", "arm64"] = Field("x86", description="x86: a put leaves vcpu.cpu stale; arm64: it stores -1.")


class CFile:
    """What both kinds have in common. path: of the C file."""

    path: ClassVar[Path]
    c_kind: ClassVar[str]
    exposed: tuple[int, ...] = ()
    """Variables on stacks that an exploration has found to be shared."""

    def load(self, checked: bool) -> Any:
        """The capsule of the file's functions. BadSource."""
        from minikvm.csource.build import build
        from minikvm.csource.load import Library

        arch = getattr(getattr(self, "options", None), "arch", "x86")
        built = build(self.path, self.c_kind, checked=checked, name=str(self.path))
        return Library(str(built.library), built.lines, str(self.path), checked, arch == "arm64", self.exposed).capsule(self.c_kind)


class CStrategy(CFile, Strategy):
    """A strategy in kernel-style C."""

    c_kind = "strategy"
    requires = frozenset({"acknowledges"})

    def native(self) -> Any:
        """The functions for runs and benchmarks."""
        return self.load(checked=False)

    def checked(self) -> Any:
        """The functions for the explorer, whose plain accesses are events too."""
        return self.load(checked=True)


class CLoop(CFile, Loop):
    """A vCPU run loop in kernel-style C."""

    c_kind = "loop"
    Options = LoopOptions

    def native(self) -> Any:
        """The functions for runs."""
        return self.load(checked=False)

    def checked(self) -> Any:
        """The functions for the explorer, whose plain accesses are events too."""
        return self.load(checked=True)


@functools.cache
def class_for(kind: str, path: str) -> type[CStrategy | CLoop]:
    """The class of the file at *path*, of *kind* ("strategy" or "loop")."""
    base = CStrategy if kind == "strategy" else CLoop
    return type(
        "CFile", (base,), {"__doc__": f"{Path(path).name}, kernel-style C.", "name": path, "path": Path(path), "__module__": __name__}
    )
