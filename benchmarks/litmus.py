"""``minikvm litmus`` with a thousand files in one call: a process of its own, so that starting and importing count.

The files are those of tests/litmus, again and again. The bound is on the time of the wall, with one process and with two; the verdicts are
counted in the run that is timed.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

from check import WrongCount
from measure import Row

FOLDER = Path(__file__).resolve().parent.parent / "tests/litmus"
FILES = 1000
SECONDS = 60.0


def seconds_of(files: list[str], jobs: int) -> float:
    """One call. WrongCount."""
    started = time.monotonic()
    line = [sys.executable, "-I", "-m", "minikvm", "litmus", "--jobs", str(jobs), *files]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    spent = time.monotonic() - started
    verdicts = len(re.findall(r"^Observation \S+ (?:Never|Sometimes|Always) ", done.stdout, re.MULTILINE))
    said = [line for line in done.stderr.splitlines() if "undecided" not in line]  # LB+once: load buffering is not explored
    if verdicts != len(files) or "CONTRADICTED" in done.stdout or said:
        raise WrongCount(f"{len(files)} litmus tests gave {verdicts} verdicts, exit code {done.returncode}\n{done.stderr}")
    return spent


def rows(quick: bool) -> Iterator[Row]:
    """One row for each number of processes."""
    count = FILES // (10 if quick else 1)
    files = [str(path) for path in islice(cycle(sorted(FOLDER.glob("*.litmus"))), count)]
    for jobs in (1, 2):
        rounds = 1 if quick else 3
        seconds = statistics.median(seconds_of(files, jobs) for _ in range(rounds))
        allowed = SECONDS * count / FILES
        what = f"{count:,} files, lkmm, {jobs} process{'es' * (jobs > 1)}: {seconds:.1f} s"
        yield Row("litmus", what, 1e9 * seconds, 1e9 * allowed, allowed / seconds, 1.0, True, rounds)
