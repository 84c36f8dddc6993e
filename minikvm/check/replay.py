"""A schedule file, run again: the same plugins under the same choices, or where other ones part from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minikvm.check.cells import Checker
from minikvm.check.counterexample import Drawer, Finding, make_schedule
from minikvm.check.execution import Graph
from minikvm.config import loads

if TYPE_CHECKING:
    from minikvm.plugins import Manager


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


def replay(saved: dict[str, Any], manager: Manager, strategy: str | None, version: str) -> tuple[dict[str, Any] | None, str]:
    """Run a schedule again: (the schedule as it came out, or None when the property is not violated; a sentence).

    Raises ConfigError for the configuration in it, NotFound for a plugin that is not there.
    """
    name = strategy or saved["strategy"]
    config = loads(saved["config"], saved["file"], registry=manager)
    checker = Checker(config, manager, saved["file"], saved["config"], strategies=[name], loop=saved["loop"], models=[saved["model"]],
                      properties=None, version=version)
    found: list[tuple[str, dict[str, Any]]] = []
    graphs: list[Graph] = []
    scene = checker.scene(checker.strategies[0], saved["model"], lambda prop, where: found.append((prop, where)))
    path = saved["path"]
    steps = list(zip(path[::2], path[1::2], strict=True))
    scene.follow(steps)
    scene.watch(graphs.append)
    try:
        for _ in range(len(steps) + 1):
            if graphs or not scene.explore(1):
                break
        taken = scene.path() if graphs else []
    finally:
        scene.close()
    if not graphs:
        return None, f"The path of the file leads nowhere under {name}: the schedules part before anything is complete."
    graph = graphs[0]
    where = next((w for p, w in found if p == saved["property"]), None)
    finding = Finding(saved["property"], *(where[k] for k in ("thread", "index", "vcpu", "call", "other"))) if where else None
    drawn = Drawer(checker.scope, graph, saved["model"], finding or Finding("P7", 0, 0, -1, -1, None)).draw()
    parted = parting(saved["rows"], drawn)
    again = make_schedule(checker.scope, graph, finding, checker.head(name, saved["model"], 0), taken) if finding else None
    if parted is None:
        return again, f"The same {len(drawn)} steps; {saved['property']} is violated again."
    a, b = parted
    step = a["step"] if a else b["step"] if b else 0
    end = f"{saved['property']} is violated here, too." if again else f"Under {name} this execution does not violate {saved['property']}."
    return again, f"They part at step {step}: the file has {said(a)}, {name} has {said(b)}. {end}"
