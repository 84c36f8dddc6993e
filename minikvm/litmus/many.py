"""Several files in one call: each is read and decided by itself, in so many processes, and the answers come in the files' order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from minikvm.litmus.decide import Decided, decide
from minikvm.litmus.errors import LitmusError
from minikvm.litmus.test import load

CHUNK = 8
"""Files that a process is given at once."""


@dataclass(frozen=True)
class How:
    """model: a memory model's name. executions, seconds: the budget of each file."""

    model: str = "lkmm"
    executions: int | None = None
    seconds: float | None = None


def one(file: str, how: How) -> Decided | LitmusError:
    """The file's verdict, or what is wrong with it."""
    try:
        return decide(load(file), how.model, executions=how.executions, seconds=how.seconds)
    except LitmusError as error:
        error.file = file
        return error
    except OSError as error:
        return LitmusError(str(error.strerror or error), "a file that can be read", 0, 0, file)


def _task(given: tuple[str, How]) -> Decided | LitmusError:
    return one(*given)


def decide_all(files: Sequence[str], how: How, jobs: int = 1) -> Iterator[Decided | LitmusError]:
    """The answers in the order of *files*, each as soon as it and those before it are there.

    More than one job: processes, forked, so this one must have no other threads.
    """
    if jobs == 1 or len(files) == 1:
        yield from (one(file, how) for file in files)
        return
    with multiprocessing.get_context("fork").Pool(min(jobs, len(files))) as pool:
        yield from pool.imap(_task, [(file, how) for file in files], max(1, min(CHUNK, len(files) // (2 * jobs))))


__all__ = ["How", "decide_all", "one"]
