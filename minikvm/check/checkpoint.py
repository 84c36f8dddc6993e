"""Checkpoints: what is left of an exploration and what it has found, in a file that can be continued from."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minikvm import __version__
from minikvm.check.guide import PathError

Part = tuple[list[tuple[int, int]], int, bool]
"""A part of the tree: (path, how many of its choices are fixed, whether only what comes after the path is meant)."""


class CheckpointError(ValueError):
    """A file that is no checkpoint, or one of something else."""

    exit_code = 2


@dataclass
class Checkpoint:
    """What a file holds. *found*: of Steered.found(); *state*: the caller's own; *seconds*: spent so far."""

    fingerprint: str
    parts: list[Part] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    state: Any = None
    seconds: float = 0.0

    def write(self, file: str | os.PathLike[str]) -> None:
        """Write it so that at any moment, whatever dies, the file is the old one or the new one. OSError."""
        target = Path(file)
        parts = [
            {"path": [number for step in path for number in step], "fixed": fixed, "after": after} for path, fixed, after in self.parts
        ]
        text = json.dumps({
            "minikvm_checkpoint": 1, "minikvm": __version__, "fingerprint": self.fingerprint, "seconds": self.seconds, "parts": parts,
            "found": self.found, "state": self.state,
        })  # fmt: skip
        temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        try:
            with open(temporary, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        folder = os.open(target.parent, os.O_RDONLY)  # the new name, too, has to reach the disk
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @classmethod
    def read(cls, file: str | os.PathLike[str], fingerprint: str) -> Checkpoint:
        """The checkpoint of the exploration with this fingerprint. CheckpointError, OSError."""
        try:
            data = json.loads(Path(file).read_text(encoding="utf-8"))
            version = data["minikvm_checkpoint"]
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} is no checkpoint") from error
        if version != 1:
            raise CheckpointError(f"{file} is a checkpoint of format {version}; this minikvm reads format 1")
        if data.get("minikvm") != __version__:
            raise CheckpointError(f"{file} was written by minikvm {data.get('minikvm')}; this is {__version__}, whose paths may be others")
        if data.get("fingerprint") != fingerprint:
            raise CheckpointError(f"{file} is a checkpoint of something else: another program or scope, another model, or other options")
        try:
            parts: list[Part] = [
                (list(zip(part["path"][::2], part["path"][1::2], strict=True)), part["fixed"], part["after"]) for part in data["parts"]
            ]
            return cls(fingerprint, parts, data["found"], data["state"], data["seconds"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{file} is a damaged checkpoint: {error!r}") from error


__all__ = ["Checkpoint", "CheckpointError", "Part", "PathError"]
