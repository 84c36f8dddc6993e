"""Several files in one call: each is read and decided by itself, in so many processes, and the answers come in the files' order."""

from __future__ import annotations

import multiprocessing
import signal
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


def _quiet() -> None:
    """In a worker: signals end it without a word; the first process says what there is to say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def decide_all(files: Sequence[str], how: How, jobs: int = 1) -> Iterator[Decided | LitmusError]:
    """The answers in the order of *files*, each as soon as it and those before it are there.

    More than one job: processes, forked, so this one must have no other threads. If one of them dies, the files that have no answer yet get
    an error that says so.
    """
    if jobs == 1 or len(files) == 1:
        yield from (one(file, how) for file in files)
        return
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    jobs = min(jobs, len(files))
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("fork"), _quiet)
    answered = 0
    try:
        chunk = max(1, min(CHUNK, len(files) // (2 * jobs)))
        for answer in executor.map(_task, [(file, how) for file in files], chunksize=chunk):
            yield answer
            answered += 1
    except BrokenProcessPool:
        for file in files[answered:]:
            yield LitmusError("a process died while it worked on this file or one near it", "enough memory, or --jobs 1", 0, 0, file)
    except BaseException:  # interrupted: nobody waits for what they are at
        for process in multiprocessing.active_children():
            process.kill()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


__all__ = ["How", "decide_all", "one"]
