"""The compiled runtime: the same for every C file of a kind, so it is compiled once, into the cache, and linked to each of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import minikvm

RUNTIME = Path(__file__).parent / "runtime"
INCLUDE = Path(minikvm.get_include())
FOLDER = "runtime"
"""Where in the cache of C files the runtimes lie, a folder for each key."""


def key_of_runtime(compiler: list[str], version: str, flags: list[str]) -> str:
    """Of everything that the objects depend on: compiler, flags, the runtime's files and the headers, with their place."""
    digest = hashlib.sha256()
    for part in (*compiler, version, repr(flags), os.uname().machine, str(RUNTIME), str(INCLUDE)):
        digest.update(part.encode() + b"\0")
    for file in sorted([*RUNTIME.iterdir(), *(INCLUDE / "minikvm").rglob("*.h")]):
        if file.is_file():
            digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:32]


def jobs_of(compiler: list[str], flags: list[str], parts: list[str], work: Path) -> list[list[str]]:
    """The commands that compile *parts* of the runtime into the folder *work*, one each; the last word is the object."""
    return [[*compiler, *flags, "-c", str(RUNTIME / f"{part}.c"), "-o", str(work / f"{part}.o")] for part in parts]
