"""The verdict of ``minikvm check`` as a person reads it: the scope, a row for each result, what it does not cover, the last word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.text import Text

from minikvm.kinds import labels
from minikvm.properties import is_advisory
from minikvm.report import words
from minikvm.report.checkverdict import Cell, PropertyVerdict, Verdict, verdict_of
from minikvm.report.humanize import fold, number, plural, printable, seconds
from minikvm.report.tables import plain_table

RACES_SHOWN = 3
GOOD = "green"
BAD = "bold red"
OPEN = "yellow"
QUIET = "dim"
ROBUST = "TSO shows nothing that SC lacks"

Result = tuple[str, str]
"""A text and its style."""


def print_verdict(console: Console, verdict: Verdict | dict[str, Any]) -> None:
    """Print *verdict* on *console*. A dict is checked first: ConfigError when it is no verdict of version 1."""
    _Printer(console, labelled(verdict_of(verdict))).all()


def labelled(verdict: Verdict) -> Verdict:
    """The verdict with C files called by their names and not by their paths."""
    short = labels(name for cell in verdict.cells for name in (cell.strategy, cell.loop))
    cells = [cell.model_copy(update={"strategy": short[cell.strategy], "loop": short[cell.loop]}) for cell in verdict.cells]
    return verdict.model_copy(update={"cells": cells})


class _Printer:
    """One verdict on its way to one console."""

    def __init__(self, console: Console, verdict: Verdict) -> None:
        self.console = console
        self.verdict = verdict

    def all(self) -> None:
        self._scope()
        strategies = {cell.strategy for cell in self.verdict.cells}
        if len(strategies) > 1:
            self._overview()
        self._table()
        self._violations()
        self._races()
        for note in self.verdict.notes:
            self._say(f"Note: {note}")
        if self.verdict.notes:
            self._gap()
        for text, style in conclusion(self.verdict):
            self._say(text, style)

    def _scope(self) -> None:
        verdict = self.verdict
        injectors = f" by {', '.join(verdict.injectors)}" if verdict.injectors and verdict.scope.faults else ""
        self._say(f"{verdict.file}: {words.bounds(verdict.scope)}{injectors}.", "bold")
        for initiator in verdict.scope.initiators:
            self._say(initiator, indent=2)
        self._gap()

    def _overview(self) -> None:
        models = list(dict.fromkeys(cell.model for cell in self.verdict.cells))
        rows = list(dict.fromkeys((cell.strategy, cell.loop) for cell in self.verdict.cells))
        loops = len({loop for _, loop in rows}) > 1
        table = plain_table(self.console)
        table.add_column("strategy", overflow="fold")
        if loops:
            table.add_column("loop", overflow="fold")
        for model in models:
            table.add_column(Text(printable(model, self.console)), overflow="fold")
        found = {(cell.strategy, cell.loop, cell.model): cell for cell in self.verdict.cells}
        for strategy, loop in rows:
            cells = [found.get((strategy, loop, model)) for model in models]
            texts = [Text("-", style=QUIET) if cell is None else Text(*in_short(cell)) for cell in cells]
            table.add_row(*self._names(strategy, loop if loops else None), *texts)
        self.console.print(table)
        self._gap()

    def _table(self) -> None:
        table = plain_table(self.console)
        for header in ("strategy", "loop", "model"):
            table.add_column(header, overflow="fold")
        table.add_column("property", no_wrap=True)
        table.add_column("verdict", overflow="fold", ratio=1)
        before: tuple[str, str] | None = None
        for cell in self.verdict.cells:
            same = before == (cell.strategy, cell.loop)
            before = (cell.strategy, cell.loop)
            names = [Text(""), Text("")] if same else self._names(cell.strategy, cell.loop)
            model = self._names(cell.model)
            for shown, (text, style) in results(cell):
                table.add_row(*names, *model, shown, Text(printable(text, self.console), style=style))
                names, model = [Text(""), Text("")], [Text("")]
            if cell.robust is not None:
                says = f"robust: {ROBUST}" if cell.robust else "not robust: TSO shows more than SC"
                table.add_row(*names, *model, "", Text(says, style=QUIET))
        self.console.print(table)
        self._gap()

    def _violations(self) -> None:
        seen: dict[tuple[str, str, str], list[str]] = {}
        for cell in self.verdict.cells:
            for id, found in cell.properties.items():
                if found.verdict == "violated" and found.sentence:
                    seen.setdefault((cell.strategy, id, found.sentence), []).append(cell.model)
        for (strategy, id, sentence), models in seen.items():
            self._say(f"{strategy}, {words.property_name(id)}, under {_listed(models)}: {sentence}", "red")
        if seen:
            self._gap()

    def _races(self) -> None:
        # The same pair under several models is one race of the source.
        seen: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for cell in self.verdict.cells:
            for found in cell.properties.values():
                for race in found.races:
                    seen.setdefault((cell.strategy, tuple(race)), []).append(cell.model)
        for (strategy, sides), models in list(seen.items())[:RACES_SHOWN]:
            self._say(f"Race in {strategy} ({_listed(models)}): {' and '.join(sides)}.", OPEN)
        if len(seen) > RACES_SHOWN:
            self._say(f"and {plural(len(seen) - RACES_SHOWN, 'more race')}; --json has them all.", QUIET)
        if seen:
            self._gap()

    def _names(self, *names: str | None) -> list[Text]:
        return [Text(printable(name, self.console)) for name in names if name is not None]

    def _say(self, text: str, style: str = "", indent: int = 0) -> None:
        for line in fold(printable(text, self.console), self.console.width, indent):
            self.console.print(Text(line, style=style), highlight=False)

    def _gap(self) -> None:
        self.console.print()


def results(cell: Cell) -> Iterator[tuple[str, Result]]:
    """The cell's rows: property ids, and what is said about them. Neighbours with the same verdict share a row."""
    shared: dict[Result, list[str]] = {}
    alone: dict[str, Result] = {}
    for id, found in cell.properties.items():
        if found.verdict == "violated":
            alone[id] = violated(found)
        else:
            shared.setdefault(_said(cell, found), []).append(id)
    rows = [([id], result) for id, result in alone.items()] + [(ids, result) for result, ids in shared.items()]
    for ids, result in sorted(rows, key=lambda row: min(map(_order, row[0]))):
        yield words.id_ranges(ids), result


def violated(found: PropertyVerdict) -> Result:
    """Of a violated property: ``VIOLATED -> file``."""
    return f"VIOLATED -> {found.file}" if found.file else "VIOLATED", BAD


def exceeded(found: PropertyVerdict) -> Result:
    """Of P9: ``up to 2 IPIs more than the truth table allows -> file``."""
    text = f"up to {plural(found.needless, 'IPI')} more than the truth table allows"
    return f"{text} -> {found.file}" if found.file else text, OPEN


def covered(cell: Cell) -> str:
    """How much was explored: ``12,345 executions, exhausted``."""
    explored = plural(cell.executions, "execution")
    if cell.exhausted:
        return f"{explored}, exhausted"
    if cell.estimate is not None:
        return f"{explored} of about {number(round(cell.estimate))}, in {seconds(cell.seconds)}"
    return f"{explored} in {seconds(cell.seconds)}"


def benign(cell: Cell) -> Result:
    """Of a cell with races: do the properties hold all the same?"""
    errors = {id: found.verdict for id, found in cell.properties.items() if not is_advisory(id)}
    bad = [id for id, verdict in errors.items() if verdict == "violated"]
    unknown = [id for id, verdict in errors.items() if verdict == "not exhausted"]
    held = [id for id, verdict in errors.items() if verdict == "holds"]
    if bad:
        return f"races, and {words.id_ranges(bad)} violated", OPEN
    if unknown or not cell.exhausted:
        return "races; not exhausted, so nothing is said about benign", OPEN
    if not held:
        return "races; no other property was judged", OPEN
    return f"races (benign: {words.id_ranges(held)} {'holds' if len(held) == 1 else 'hold'})", OPEN


def in_short(cell: Cell) -> Result:
    """The cell in a word or two, for the overview."""
    bad = [id for id, found in cell.properties.items() if found.verdict == "violated"]
    said = {found.verdict for found in cell.properties.values()}
    if any(not is_advisory(id) for id in bad):
        return f"VIOLATED {words.id_ranges(bad)}", BAD
    if "not exhausted" in said or not cell.exhausted:
        return "not exhausted", OPEN
    if not said & {"holds", "races", "no races", "violated"}:
        return ("needless IPIs", OPEN) if "exceeded" in said else ("not judged", QUIET)
    races = "races" in said or bool(bad)
    if "holds" not in said:
        return ("races", OPEN) if races else ("no races", GOOD)
    return ("holds, races", OPEN) if races else ("holds", GOOD)


def conclusion(verdict: Verdict) -> list[Result]:
    """The last words: what is violated, what is open, or that all holds."""
    bad: dict[tuple[str, str], list[str]] = {}
    unfinished: dict[str, list[str]] = {}
    said: dict[str, set[str]] = {}
    for cell in verdict.cells:
        ids = [id for id, found in cell.properties.items() if found.verdict == "violated" and not is_advisory(id)]
        if ids:
            bad.setdefault((cell.strategy, words.id_ranges(ids)), []).append(cell.model)
        elif not cell.exhausted:  # a violation may end its cell's search, and says more
            unfinished.setdefault(cell.strategy, []).append(cell.model)
        for id, found in cell.properties.items():
            if not is_advisory(id):
                said.setdefault(id, set()).add(found.verdict)
    lines = [(f"{strategy}: {ids} VIOLATED under {_listed(models)}.", BAD) for (strategy, ids), models in bad.items()]
    lines += [(f"{strategy}: not exhausted under {_listed(models)}, so nothing is proven there.", OPEN)
              for strategy, models in unfinished.items()]
    if lines:
        return lines
    held = [id for id, verdicts in said.items() if verdicts == {"holds"}]
    silent = [id for id, verdicts in said.items() if "not judged" in verdicts]
    somewhere = "" if all(said[id] == {"not judged"} for id in silent) else " everywhere"
    gap = f" Not judged{somewhere}: {words.id_ranges(silent)}." if silent else ""
    if not held:
        return [(f"No property was judged throughout: this check proves nothing.{gap}", OPEN)]
    models = _listed([cell.model for cell in verdict.cells])
    hold = f"{words.id_ranges(held)} {'holds' if len(held) == 1 else 'hold'}"
    races = any(found.verdict == "races" for cell in verdict.cells for found in cell.properties.values())
    benign_here = " There are data races; in this scope they break none of these." if races else ""
    return [(f"{hold} in every execution of this scope, under {models}.{benign_here}{gap}", "bold green")]


def _listed(names: list[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _said(cell: Cell, found: PropertyVerdict) -> Result:
    if found.verdict == "holds":
        return f"holds ({covered(cell)})", GOOD if cell.exhausted else OPEN
    if found.verdict == "not exhausted":
        return f"not exhausted: no violation in {covered(cell)}", OPEN
    if found.verdict == "races":
        return benign(cell)
    if found.verdict == "exceeded":
        return exceeded(found)
    return found.verdict, QUIET if found.verdict == "not judged" else GOOD


def _order(id: str) -> tuple[int, str]:
    return (int(id[1:]) if id[1:].isdecimal() else 1_000_000, id)
