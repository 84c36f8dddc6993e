"""The explorer: executions a second of one core, and its memory. Every count is verified in the run that is timed.

Times are of the process's CPU, so that a busy machine does not count; `other` is the time that the bound allows.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from measure import Row

from minikvm.check import programs
from minikvm.check.cells import Checker
from minikvm.check.exploration import Exploration
from minikvm.check.kvm import Scene
from minikvm.check.program import Program, explore
from minikvm.config import load
from minikvm.plugins import Manager

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
MODELS = ("sc", "tso", "rc11", "lkmm")
FILES = ("quickstart.yaml", "seed-wait.yaml")
ROWS_A_SECOND = 150_000
SCENES_A_SECOND = 30_000
SCENE_EXECUTIONS = 20_000
MANY = 10_000_000
MEMORY = 200 << 20
CHUNK = 1_000


class WrongCount(Exception):
    """An exploration found another number of executions than it has to."""


@dataclass(frozen=True)
class Timed:
    """A program of rows under sc, its number of executions, and the seconds that it may take."""

    program: Program
    executions: int
    seconds: float


TIMED = (
    Timed(programs.handshake(4, 2), 129_864, 129_864 / ROWS_A_SECOND),
    Timed(programs.readers(13), 8_192, 0.1),
    Timed(programs.fib_bench(5), 218_243, 2.0),
)


def seconds_of(timed: Timed) -> float:
    """One round: CPU seconds. WrongCount."""
    started = time.process_time()
    result = explore(timed.program, "sc", races=False)
    spent = time.process_time() - started
    if not result.exhausted or result.executions != timed.executions:
        raise WrongCount(f"{timed.program.name} has {timed.executions:,} executions, and {result.executions:,} were found")
    return spent


def program_row(timed: Timed, rounds: int) -> Row:
    """How many times faster than the bound."""
    seconds = statistics.median(seconds_of(timed) for _ in range(rounds))
    what = f"{timed.program.name}, sc: {timed.executions:,} at {timed.executions / seconds:,.0f} a second"
    return Row("check, rows", what, 1e9 * seconds, 1e9 * timed.seconds, timed.seconds / seconds, 1.0, True, rounds)


def scene_of(file: str, model: str, manager: Manager) -> Scene:
    """The scene of a configuration with `upstream`."""
    path = CONFIGS / file
    config = load(path)
    checker = Checker(config, manager, file, path.read_text())
    return checker.scene(config.strategy, model, None)


def explore_scene(file: str, model: str, manager: Manager, most: int) -> tuple[int, float]:
    """Executions, blocked ones too, and CPU seconds. A small scene is explored again and again."""
    executions, spent = 0, 0.0
    whole: set[int] = set()
    while executions < most:
        scene = scene_of(file, model, manager)
        started = time.process_time()
        more = True
        while more and executions + scene.executions + scene.blocked < most:
            more = scene.explore(CHUNK)
        spent += time.process_time() - started
        found = scene.executions + scene.blocked
        executions += found
        scene.close()
        if not more:
            whole.add(found)
        if len(whole) > 1:
            raise WrongCount(f"{file} under {model}: explored twice, and found {sorted(whole)} executions")
    return executions, spent


def scene_row(file: str, model: str, manager: Manager, most: int, rounds: int) -> Row:
    """One configuration under one model. WrongCount when two rounds differ."""
    some = [explore_scene(file, model, manager, most) for _ in range(rounds)]
    if len({executions for executions, _ in some}) != 1:
        raise WrongCount(f"{file} under {model}: {sorted({executions for executions, _ in some})} executions in {rounds} equal rounds")
    each = statistics.median(seconds / executions for executions, seconds in some)
    what = f"{file}, upstream, {model}: {1 / each:,.0f} executions a second"
    return Row("check, scenes", what, 1e9 * each, 1e9 / SCENES_A_SECOND, 1 / each / SCENES_A_SECOND, 1.0, True, rounds)


# ---- memory ----

def resident() -> int:
    """Bytes of this process that are in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def memory_row(what: str, which: str, most: int) -> Row:
    """A row in bytes, of a process of its own: what was freed before would hide what grows."""
    done = subprocess.run([sys.executable, __file__, which, str(most)], check=True, capture_output=True, text=True)
    growth, executions = map(int, done.stdout.split())
    return Row("check, memory", f"{what}: growth in {executions:,} executions", growth, MEMORY, growth / MEMORY, 1.0, unit="B")


def rows_memory(most: int) -> tuple[int, int]:
    """Of a program of rows that has more executions than these: bytes, and executions."""
    program = programs.handshake(5, 3)
    before = most_resident = resident()
    exploration = Exploration(program, "sc", races=False)
    done = 0
    while done < most:
        exploration.explore(min(most - done, 100_000))
        done = exploration.executions + exploration.blocked
        most_resident = max(most_resident, resident())
    exploration.close()
    return most_resident - before, done


def scene_memory(most: int) -> tuple[int, int]:
    """Of the quickstart's scene, as often as it takes."""
    manager = Manager()
    before = most_resident = resident()
    done = 0
    while done < most:
        scene = scene_of("quickstart.yaml", "sc", manager)
        more = True
        while more and done + scene.executions + scene.blocked < most:
            more = scene.explore(10 * CHUNK)
            most_resident = max(most_resident, resident())
        done += scene.executions + scene.blocked
        scene.close()
    return most_resident - before, done


def rows(quick: bool) -> Iterator[Row]:
    """All of them."""
    manager = Manager()
    rounds = 3 if quick else 7
    for timed in TIMED:
        yield program_row(timed, rounds)
    for file in FILES:
        for model in MODELS:
            yield scene_row(file, model, manager, SCENE_EXECUTIONS // (4 if quick else 1), rounds)
    many = MANY // (50 if quick else 1)
    yield memory_row("handshake(5, 3), sc", "rows", many)
    yield memory_row("quickstart.yaml, upstream, sc", "scene", many)


if __name__ == "__main__":
    print(*(rows_memory if sys.argv[1] == "rows" else scene_memory)(int(sys.argv[2])))
