"""C at run time: compile a file of this folder with the system's compiler, load it, pass minikvm's structs in and out of capsules."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import minikvm

HERE = Path(__file__).resolve().parent
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-shared", "-fPIC", "-pthread")
"""-O2 as in minikvm's own release build (minikvm/_build_ext.py), and nothing that it has not."""

_api = ctypes.pythonapi
_api.PyCapsule_GetPointer.restype = ctypes.c_void_p
_api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_api.PyCapsule_New.restype = ctypes.py_object
_api.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

KINDS = {kind: f"minikvm.{kind}".encode() for kind in ("strategy", "loop", "backend", "engine")}


class NoCompiler(Exception):
    """There is no C compiler, or it refused one of the files; the message says which and why."""


def compiler() -> list[str]:
    """The C compiler's command: $CC, the one that Python was built with, or cc."""
    named = (os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang")
    for command in (name.split() for name in named if name):
        if command and shutil.which(command[0]):
            return command[:1]
    raise NoCompiler("no C compiler found: install one, or name it in CC")


def build(name: str, folder: Path) -> ctypes.CDLL:
    """Compile ``benchmarks/<name>.c`` into *folder* and load it."""
    library = folder / f"{name}.so"
    include = Path(minikvm.__file__).resolve().parent / "include"
    command = [*compiler(), *FLAGS, f"-I{include}", "-o", str(library), str(HERE / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoCompiler(f"{' '.join(command)}\n{done.stderr.strip()}")
    return ctypes.CDLL(str(library))


def pointer(capsule: object, kind: str) -> int:
    """The address of the struct in a capsule of minikvm's."""
    return int(_api.PyCapsule_GetPointer(capsule, KINDS[kind]))


def capsule(address: int, kind: str) -> object:
    """A capsule around a struct that lives as long as its library is loaded: a static of ours."""
    return _api.PyCapsule_New(address, KINDS[kind], None)


def address_of(library: ctypes.CDLL, symbol: str) -> int:
    """Where a static of the library is."""
    return ctypes.addressof(ctypes.c_char.in_dll(library, symbol))
