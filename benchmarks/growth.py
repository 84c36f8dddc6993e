"""How the time for one execution grows with its number of events: for programs that get longer, under each model.

    python benchmarks/growth.py --svg docs/check-growth.svg      the plot and the table of docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import Row

from minikvm.check import programs
from minikvm.check.exploration import Exploration
from minikvm.check.program import Program

MODELS = ("sc", "tso", "rc11", "lkmm")
AT_MOST = 2_000
"""Executions of one round: the first ones, where there are more."""
BOUND = 2.0


@dataclass(frozen=True)
class Family:
    """A program of any length."""

    name: str
    what: str
    program: Callable[[int], Program]
    sizes: tuple[int, ...]


def buffering(n: int) -> Program:
    """Four times store buffering between two threads, each with *n* accesses of its own before it, with a barrier after each fourth."""
    program = Program(f"padded({n})")
    for mine, other, own in (("x", "y", "a"), ("y", "x", "b")):
        rows = []
        for i in range(n):
            rows += [f"W {own}{i % 4} 1" if i % 2 else f"R {own}{i % 4} r", *(["F mb"] if i % 4 == 3 else [])]
        for i in range(4):
            rows += [f"W {mine}{i} 1", f"R {other}{i} {own}{i}"]
        program.thread(*rows)
    return program


FAMILIES = (
    Family("fib_bench(n)", "two threads that add to each other's sum, and a reader", programs.fib_bench, (2, 4, 8, 16, 32)),
    Family("handshake(2, n)", "a vCPU that enters n times, two requesters, full barriers",
           lambda n: programs.handshake(2, n, barriers=True), (2, 4, 8, 16, 32)),
    Family("readers(n)", "one writer and n readers: more threads", programs.readers, (8, 16, 32, 64, 128)),
    Family("padded(n)", "store buffering after n accesses that nobody shares", buffering, (8, 16, 32, 64, 128)),
)


@dataclass(frozen=True)
class Point:
    """One program: the events of its executions (the mean), and CPU microseconds for one execution."""

    events: float
    us: float


def events_of(program: Program, model: str) -> float:
    """The mean number of events of the first executions."""
    counts: list[int] = []
    exploration = Exploration(program, model, races=False, outcomes=False,
                              on_execution=lambda graph: counts.append(sum(len(thread) for thread in graph.threads)))
    exploration.explore(200)
    exploration.close()
    return statistics.mean(counts)


def microseconds(program: Program, model: str) -> float:
    """One round: CPU time for one execution. A program of few executions is explored again and again."""
    executions = 0
    spent = 0.0
    while executions < AT_MOST:
        exploration = Exploration(program, model, races=False, outcomes=False)
        started = time.process_time()
        exploration.explore(AT_MOST)
        spent += time.process_time() - started
        executions += exploration.executions
        exploration.close()
    return 1e6 * spent / executions


def points_of(family: Family, model: str, rounds: int) -> list[Point]:
    """One line of the plot. The medians of rounds in which the sizes take turns."""
    some = [family.program(n) for n in family.sizes]
    times = [[microseconds(program, model) for program in some] for _ in range(rounds)]
    return [Point(events_of(program, model), statistics.median(each[i] for each in times)) for i, program in enumerate(some)]


def exponent(points: Sequence[Point]) -> float:
    """The k of time = c * events ** k: least squares in logarithms, over the longer half, where constants count for least."""
    some = points[len(points) // 2:]
    xs = [math.log(point.events) for point in some]
    ys = [math.log(point.us) for point in some]
    x, y = statistics.mean(xs), statistics.mean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def rows(quick: bool) -> Iterator[Row]:
    """Of each family and model the exponent, which must not be more than 2."""
    for family in FAMILIES:
        for model in MODELS:
            yield row_of(family, model, points_of(family, model, 3 if quick else 7))


def row_of(family: Family, model: str, points: Sequence[Point]) -> Row:
    """`minikvm` is the longest program, `other` the shortest, the ratio the exponent."""
    what = f"{family.name}, {model}: {points[0].events:.0f} to {points[-1].events:.0f} events, exponent"
    return Row("check, time an execution", what, 1e3 * points[-1].us, 1e3 * points[0].us, exponent(points), BOUND)


# ---- the plot ----

COLOURS = {"sc": "#1b6ca8", "tso": "#2a8c4a", "rc11": "#c0392b", "lkmm": "#8e44ad"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 240, 56, 46, 84


def plot(measured: dict[str, dict[str, list[Point]]]) -> str:
    """A chart for each family, both axes logarithmic; dashed, the square."""
    width, height = 2 * (WIDTH + GAP) + 20, 2 * (HEIGHT + GAP) + 30
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
           "<title>CPU time for one execution by its number of events</title>", f'<rect width="{width}" height="{height}" fill="#fff"/>']
    for i, (name, lines) in enumerate(measured.items()):
        out += chart(name, lines, LEFT + (i % 2) * (WIDTH + GAP), TOP + (i // 2) * (HEIGHT + GAP))
    for i, (model, colour) in enumerate(COLOURS.items()):
        out.append(f'<text x="{LEFT + 60 * i}" y="18" fill="{colour}" font-weight="bold">{model}</text>')
    out.append(f'<text x="{LEFT + 250}" y="18" fill="#777">dashed: the square of the number of events</text>')
    return "\n".join([*out, "</svg>", ""])


def chart(name: str, lines: dict[str, list[Point]], left: int, top: int) -> list[str]:
    """One chart."""
    every = [point for points in lines.values() for point in points]
    x0, x1 = min(p.events for p in every) * 0.9, max(p.events for p in every) * 1.1
    y0, y1 = min(p.us for p in every) * 0.8, max(p.us for p in every) * 1.25

    def place(events: float, us: float) -> tuple[float, float]:
        return (left + WIDTH * math.log(events / x0) / math.log(x1 / x0), top + HEIGHT * (1 - math.log(us / y0) / math.log(y1 / y0)))

    out = [f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
           f'<text x="{left}" y="{top - 6}" font-weight="bold">{name}</text>',
           f'<text x="{left + WIDTH}" y="{top + HEIGHT + 28}" text-anchor="end">events of an execution</text>',
           f'<text x="{left - 40}" y="{top - 6}">us</text>']
    for events in (10, 20, 50, 100, 200, 500):
        if x0 <= events <= x1:
            x, _ = place(events, y0)
            out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + HEIGHT}" stroke="#eee"/>'
                       f'<text x="{x:.1f}" y="{top + HEIGHT + 14}" text-anchor="middle">{events}</text>')
    for us in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        if y0 <= us <= y1:
            _, y = place(x0, us)
            out.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>'
                       f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end">{us:g}</text>')
    until = min(x1, x0 * math.sqrt(y1 / y0))
    (ax, ay), (bx, by) = place(x0, y0), place(until, y0 * (until / x0) ** 2)
    out.append(f'<line x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" stroke="#777" stroke-dasharray="4 3"/>')
    for model, points in lines.items():
        placed = [place(point.events, point.us) for point in points]
        out.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in placed)}" fill="none" stroke="{COLOURS[model]}"'
                   ' stroke-width="1.5"/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{COLOURS[model]}"/>' for x, y in placed]
    return out


def table(measured: dict[str, dict[str, list[Point]]]) -> Iterator[str]:
    """The same in numbers, as Markdown."""
    yield "| | events | " + " | ".join(f"{model}, us" for model in MODELS) + " |"
    yield "|---|---|" + "---|" * len(MODELS)
    for name, lines in measured.items():
        for i, point in enumerate(lines["sc"]):
            yield f"| `{name}` | {point.events:.0f} | " + " | ".join(f"{lines[model][i].us:.3g}" for model in MODELS) + " |"
        yield f"| exponent of `{name}` | | " + " | ".join(f"{exponent(lines[model]):.2f}" for model in MODELS) + " |"


def main() -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(description="how the time for one execution grows with its events")
    parser.add_argument("--svg", type=Path, help="write the plot here")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    measured = {family.name: {model: points_of(family, model, asked.rounds) for model in MODELS} for family in FAMILIES}
    print("\n".join(table(measured)))
    if asked.svg is not None:
        asked.svg.write_text(plot(measured))


if __name__ == "__main__":
    main()
