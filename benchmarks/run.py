"""python benchmarks/run.py: what minikvm costs, against C by hand, with bounds.

Exit code 1 when a bound is missed, 2 when it cannot be measured.

    --quick       a quarter of the rounds and of the sizes
    --json        one JSON document instead of the table
    --only NAME   of dispatch, sparse, backends, live, check, growth, litmus; may be given again

docs/benchmarks.md says how to read the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from check import WrongCount
from check import rows as check_rows
from dispatch import SIZES, Dispatch
from growth import rows as growth_rows
from litmus import rows as litmus_rows
from live import rows as live_rows
from measure import Row
from native import NoCompiler
from roundtrip import RoundTrips, TooFewCpus

import minikvm
from minikvm.plugins import Manager

PARTS = ("dispatch", "sparse", "backends", "live", "check", "growth", "litmus")


def measured(parts: tuple[str, ...], quick: bool, folder: Path) -> Iterator[Row]:
    """The rows, one by one as they are measured."""
    manager = Manager()
    if "dispatch" in parts or "sparse" in parts:
        dispatch = Dispatch(folder, manager)
        if "dispatch" in parts:
            yield from dispatch.against_c(11 if quick else 41, (64, 288) if quick else SIZES)
        if "sparse" in parts:
            yield from dispatch.sparse(11 if quick else 41)
    if "backends" in parts:
        yield from RoundTrips(folder, manager).rows(11 if quick else 41)
    if "live" in parts:
        yield from live_rows(quick)
    if "check" in parts:
        yield from check_rows(quick)
    if "growth" in parts:
        yield from growth_rows(quick)
    if "litmus" in parts:
        yield from litmus_rows(quick)


def amount(value: float, unit: str) -> str:
    """Of time, three digits and a unit; of memory, MiB."""
    return time_text(value) if unit == "ns" else f"{value / (1 << 20):.1f} MiB"


def time_text(ns: float) -> str:
    """Three digits and a unit."""
    for unit, factor in (("ns", 1.0), ("us", 1e3), ("ms", 1e6)):
        if ns < 1000 * factor or unit == "ms":
            value = ns / factor
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
    raise AssertionError


def line(row: Row) -> str:
    """One line of the table."""
    bound = "" if row.bound is None else f"{'>=' if row.at_least else '<='} {row.bound:.2f}"
    verdict = "" if row.bound is None else "ok" if row.met else "MISSED"
    times = f"{amount(row.ours_ns, row.unit):>9} {amount(row.reference_ns, row.unit):>9}"
    return f"{row.what:<62} {times} {row.ratio:>7.3f} {bound:>8} {verdict}"


def table(rows: Iterator[Row], out: Callable[[str], None]) -> list[Row]:
    """Print as it comes."""
    seen: list[Row] = []
    for row in rows:
        if not seen or seen[-1].group != row.group:
            out(f"\n{row.group:<62} {'minikvm':>9} {'other':>9} {'ratio':>7} {'bound':>8}")
        out(line(row))
        seen.append(row)
    return seen


def summary(rows: list[Row], out: Callable[[str], None]) -> None:
    """How many bounds there were, and each that was missed."""
    bounded = [row for row in rows if row.bound is not None]
    missed = [row for row in bounded if not row.met]
    if bounded:
        out(f"\n{len(bounded) - len(missed)} of {len(bounded)} bounds hold")
    for row in missed:
        out(f"missed: {row.group}, {row.what}: {row.ratio:.3f}, expected {'at least' if row.at_least else 'at most'} {row.bound} "
            f"(median of {row.rounds} rounds)")


def document(rows: list[Row]) -> str:
    """The same for machines."""
    cpus = sorted(os.sched_getaffinity(0))
    head = {"schema": "minikvm.bench/1", "minikvm": minikvm.__version__, "machine": platform.machine(), "cpus": len(cpus),
            "python": platform.python_version(), "load": os.getloadavg()[0]}
    return json.dumps({**head, "rows": [{**asdict(row), "met": row.met} for row in rows]}, indent=1)


def main() -> int:
    """0: all bounds hold."""
    parser = argparse.ArgumentParser(description="what minikvm costs, against C by hand", epilog="exit code 1: a bound is missed")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and sizes")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the table")
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given again")
    asked = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="minikvm-bench-") as folder:
            rows = measured(tuple(asked.only or PARTS), asked.quick, Path(folder))
            if asked.json:
                seen = list(rows)
                print(document(seen))
            else:
                seen = table(rows, lambda text: print(text, flush=True))
                summary(seen, print)
    except WrongCount as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    except (NoCompiler, TooFewCpus) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("run.py: interrupted", file=sys.stderr)
        return 130
    return 0 if all(row.met for row in seen) else 1


if __name__ == "__main__":
    sys.exit(main())
