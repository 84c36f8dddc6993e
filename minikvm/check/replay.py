"""A schedule file, run again: the same plugins under the same choices, or where other ones part from it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minikvm.check.cells import Checker, digest
from minikvm.check.counterexample import Drawer, Finding, make_schedule
from minikvm.check.execution import Event, Graph
from minikvm.check.kvm import Scene
from minikvm.check.words import words_of
from minikvm.config import loads
from minikvm.config.problems import ConfigError, Problem, quoted
from minikvm.kinds import label

if TYPE_CHECKING:
    from minikvm.plugins import Manager

SECONDS = 20.0
"""How long an execution of another strategy is looked for."""


def sequences(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    """The rows of each thread, without what other threads decide: when a store reaches memory."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        if row["kind"] != "flush":
            found.setdefault(row["thread"], []).append(row)
    return found


def parting(saved: list[dict[str, Any]], again: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, dict[str, Any] | None] | None:
    """The first step at which two schedules part: (saved, again); None for a side that has ended. None when they are the same."""
    before, after = sequences(saved), sequences(again)
    parts: list[tuple[int, dict[str, Any] | None, dict[str, Any] | None]] = []
    for thread in sorted(before.keys() | after.keys()):
        a, b = before.get(thread, []), after.get(thread, [])
        for i in range(max(len(a), len(b))):
            x, y = a[i] if i < len(a) else None, b[i] if i < len(b) else None
            if x is None or y is None or (x["text"], x["value"]) != (y["text"], y["value"]):
                parts.append((x["step"] if x else y["step"] if y else 0, x, y))
                break
    if not parts:
        return None
    _, x, y = min(parts, key=lambda p: p[0])
    return x, y


def said(row: dict[str, Any] | None) -> str:
    """A row in a sentence."""
    return "nothing more" if row is None else f"{row['text']!r}" + ("" if row["value"] is None else f" = {row['value']}")


class Nearest:
    """Of the executions that are offered, the one that goes with the saved rows for longest."""

    def __init__(self, checker: Checker, rows: list[dict[str, Any]]) -> None:
        self.words = words_of(checker.scope)
        self.rows = {thread: [row for row in found if row["kind"] != "note"] for thread, found in sequences(rows).items()}
        self.score = (-1, -1)
        self.graph: Graph | None = None
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.findings: list[tuple[str, dict[str, Any]]] = []

    def offer(self, graph: Graph) -> None:
        """Look at one more execution."""
        step, matched = 1 << 30, 0
        for t, events in enumerate(graph.threads):
            rows = self.rows.get(t, [])
            same = 0
            while same < min(len(rows), len(events)) and self._same(rows[same], events[same]):
                same += 1
            matched += same
            if same < len(rows):
                step = min(step, rows[same]["step"])
        self.findings = []
        if (step, matched) > self.score:
            self.score, self.graph, self.found = (step, matched), graph, self.findings

    def _same(self, row: dict[str, Any], event: Event) -> bool:
        return bool(row["text"] == self.words.text(event)) and row["value"] in (None, self.words.seen(event))


def followed(scene: Scene, steps: list[tuple[int, int]]) -> Graph | None:
    """The execution that the choices lead to; None where they lead nowhere."""
    graphs: list[Graph] = []
    scene.follow(steps)
    scene.watch(graphs.append)
    for _ in range(len(steps) + 1):
        if graphs or not scene.explore(1):
            break
    return graphs[0] if graphs else None


def replay(
    saved: dict[str, Any], path: Path, manager: Manager, strategy: str | None, version: str, allow_c: bool = False
) -> tuple[dict[str, Any] | None, str]:
    """Run the schedule in the file *path* again: (the schedule as it came out, or None when the property holds; a sentence).

    With another strategy, or when a C file has changed, the choices mean something else; then the execution is looked for that
    goes with the saved one for longest. Raises ConfigError for the configuration in it and for a C file that is not there or may
    not be compiled (*allow_c*: any may), NotFound for a plugin that is not there.
    """
    files = {file["kind"]: file for file in saved["c_files"] if file["kind"] != "strategy" or strategy is None}
    plugins = {"strategy": strategy or saved["strategy"], "loop": saved["loop"]}
    plugins |= {kind: c_file_at(file["path"], kind, path, allow_c) for kind, file in files.items()}
    changed = [plugins[kind] for kind, file in files.items() if digest(Path(plugins[kind])) != file["sha256"]]
    name = plugins["strategy"]
    config = loads(saved["config"], saved["file"], registry=manager, c_files=plugins)
    checker = Checker(config, manager, saved["file"], saved["config"], strategies=[name], loop=plugins["loop"], models=[saved["model"]],
                      version=version)  # fmt: skip
    checker.shared.update(saved["c_words"])
    nearest = Nearest(checker, saved["rows"])
    scene = checker.scene(checker.strategies[0], saved["model"], lambda prop, where: nearest.findings.append((prop, where)))
    started = time.monotonic()
    looked = "the same choices"
    try:
        if strategy in (None, saved["strategy"]) and not changed:
            choices = saved["path"]
            graph = followed(scene, list(zip(choices[::2], choices[1::2], strict=True)))
            found = nearest.findings
            if graph is not None:
                nearest.offer(graph)
                nearest.found = found
        else:
            scene.watch(nearest.offer)
            more = True
            while more and time.monotonic() - started < SECONDS:
                more = scene.explore(100)
            looked = f"the nearest of {scene.executions + scene.blocked:,} executions" + (" (not all of them)" if more else "")
    finally:
        taken = scene.path()
        scene.close()
    if nearest.graph is None:
        return None, f"The choices of the file lead nowhere under {label(name)}: the plugins or minikvm are not those that made it."
    again, message = compared(saved, checker, nearest, name, taken, looked)
    return again, "".join(f"{file} has changed since the schedule was written. " for file in changed) + message


def c_file_at(name: str, kind: str, schedule: Path, allow_c: bool) -> str:
    """The path, from the current folder, of the C file that the schedule file names *name*, as seen from its own folder."""
    full = os.path.relpath(schedule.parent / name)
    if not Path(full).is_file():
        raise _refused(schedule, kind, name, "the C file that was checked (it is not there any more)", f"--{kind} FILE.c names another one")
    below = [folder.resolve() for folder in (schedule.parent, Path())]
    if not allow_c and not any(Path(full).parent.resolve().is_relative_to(folder) for folder in below):
        expected = "a C file below this file's folder or the current one (compiling a file is running it)"
        raise _refused(schedule, kind, name, expected, "--allow-c compiles it all the same")
    return full


def _refused(schedule: Path, kind: str, name: str, expected: str, hint: str) -> ConfigError:
    return ConfigError([Problem(str(schedule), 0, 0, ("c_files", kind), quoted(name), expected, hint)])


def compared(
    saved: dict[str, Any], checker: Checker, nearest: Nearest, name: str, taken: list[tuple[int, int]], looked: str
) -> tuple[dict[str, Any] | None, str]:
    """What came out, beside what was saved."""
    shown = label(name)
    assert nearest.graph is not None
    where = next((w for p, w in nearest.found if p == saved["property"]), None)
    finding = Finding.of(saved["property"], where) if where else None
    nothing = Finding("P7", 0, 0, -1, -1, None)
    drawn = Drawer(checker.scope, nearest.graph, saved["model"], finding or nothing).draw()
    again = None
    if finding is not None:
        again = make_schedule(checker.scope, nearest.graph, finding, checker.head(name, saved["model"], 0), taken)
    parted = parting(saved["rows"], drawn)
    if parted is None:
        end = "is violated again" if again else "is not violated any more: it is judged in another way than when the file was written"
        return again, f"The same {len(drawn)} steps; {saved['property']} {end}."
    a, b = parted
    step = a["step"] if a else b["step"] if b else 0
    end = f"{saved['property']} is violated here, too." if again else f"This execution does not violate {saved['property']}."
    return again, f"Under {shown} ({looked}) they part at step {step}: the file has {said(a)}, {shown} has {said(b)}. {end}"
