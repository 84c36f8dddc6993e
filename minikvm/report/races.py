"""What ``minikvm races`` says, version 1: each data race, what would silence it, and what the violations have to do with it.

Its JSON schema is shipped as ``minikvm/report/schema-races-1.json``; docs/check-report.md is generated from the descriptions here.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from rich.console import Console
from rich.text import Text

from minikvm.kinds import labels
from minikvm.report import words
from minikvm.report.checktable import BAD, GOOD, OPEN, QUIET
from minikvm.report.counterexample import SavedPart, Scope
from minikvm.report.humanize import fold, number, plural, printable
from minikvm.report.model import Count, json_schema


class AccessSaid(SavedPart):
    """One side of a race."""

    access: Literal["read", "write", "rmw"] = Field(description="What it does.")
    plain: bool = Field(description="Is it plain (unmarked)?")
    word: str = Field(description="What is accessed: `vcpu->cpu`.")
    place: str = Field(description="Source place, `file:line`.")
    threads: list[str] = Field(description="Names of the threads that do it.")
    mark: str | None = Field(description="The marked form, `READ_ONCE(vcpu->cpu)`, which ends the race; null when it is marked.")


class PropertySaid(SavedPart):
    """What a property's violations have to do with a race, where it is violated."""

    property: str = Field(description="Id of the property.")
    violations: Count = Field(description="Violations in all executions that were explored.")
    racing: Count = Field(description="Those whose execution has the race, on a word of the vCPU that the violation is about.")
    missed: Count = Field(description="Those in which, moreover, the racing read returned an older value than the racing write's.")
    only_with_it: bool = Field(description="Is that so in all of them: does the property fail only where the read misses the write?")


class RaceSaid(SavedPart):
    """One data race of the source."""

    accesses: list[AccessSaid] = Field(min_length=2, max_length=2, description="The two accesses, a plain one first.")
    properties: list[PropertySaid] = Field(description="The violated properties.")


class RaceCell(SavedPart):
    """One strategy with one run loop under one memory model."""

    strategy: str = Field(description="Name of the request-dispatch strategy.")
    loop: str = Field(description="Name of the vCPU run loop.")
    model: str = Field(description="Name of the memory model.")
    executions: Count = Field(description="Executions explored, those included in which somebody waits for ever.")
    exhausted: bool = Field(description="Was every execution of the scope explored?")
    violated: list[str] = Field(description="Ids of the properties that are violated, with a race or without.")
    races: list[RaceSaid] = Field(description="The races.")


class Races(SavedPart):
    """The data races of one configuration."""

    minikvm_races: Literal[1] = Field(description="Version of this format.")
    minikvm: str = Field(description="Version of minikvm.")
    file: str = Field(description="The configuration's file.")
    scope: Scope = Field(description="What was explored.")
    injectors: list[str] = Field(description="Names of the race injectors that are the environment.")
    cells: list[RaceCell] = Field(description="One for each strategy, run loop and memory model.")


def races_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of what ``minikvm races --json`` prints."""
    return json_schema(Races, "minikvm.races/1", "Data races of minikvm races")


def print_races(console: Console, races: Races) -> None:
    """Print them on *console*, the same race of several models once."""

    def say(text: str, style: str = "", indent: int = 0) -> None:
        for line in fold(printable(text, console), console.width, indent):
            console.print(Text(line, style=style), highlight=False)

    injectors = f" by {', '.join(races.injectors)}" if races.injectors and races.scope.faults else ""
    say(f"{races.file}: {words.bounds(races.scope)}{injectors}.", "bold")
    short = labels(cell.strategy for cell in races.cells)
    for strategy in dict.fromkeys(cell.strategy for cell in races.cells):
        cells = [cell for cell in races.cells if cell.strategy == strategy]
        found: dict[tuple[Any, ...], list[tuple[RaceCell, RaceSaid]]] = {}
        for cell in cells:
            for race in cell.races:
                found.setdefault(tuple((a.access, a.word, a.place) for a in race.accesses), []).append((cell, race))
        console.print()
        clean = [cell for cell in cells if not cell.races]
        if clean:
            say(f"{short[strategy]}: no race under {_models(clean)}{_without(clean)}.", OPEN if any(c.violated for c in clean) else GOOD)
        for same in found.values():
            say(f"{short[strategy]}: a race under {_models([cell for cell, _ in same])}", OPEN)
            _print_sides(say, [race for _, race in same])
            lines: dict[tuple[str, str], list[str]] = {}
            for cell, race in same:
                for line in meaning(cell, race):
                    lines.setdefault(line, []).append(cell.model)
            for (text, style), models in lines.items():
                say(f"{', '.join(models)}: {text}", style, 2)
    console.print()
    say("A plain access is explored as a relaxed one: a mark silences its race, and changes no verdict.", QUIET)


def _print_sides(say: Any, same: list[RaceSaid]) -> None:
    for at, access in enumerate(same[0].accesses):
        threads = ", ".join(sorted({name for race in same for name in race.accesses[at].threads}))
        say(f"{'plain' if access.plain else 'marked'} {access.access} of {access.word} at {access.place} ({threads})", "", 2)
    marks = list(dict.fromkeys(access.mark for access in same[0].accesses if access.mark))
    word = same[0].accesses[0].word
    say(f"silenced by {' and '.join(marks)}; or by data_race({word}), if it is meant to race", "", 2)


def meaning(cell: RaceCell, race: RaceSaid) -> list[tuple[str, str]]:
    """What exploration says about the race under a model: (sentence, style) each."""
    if not race.properties:
        if not cell.exhausted:
            return [("not exhausted: nothing is said about benign.", OPEN)]
        return [(f"benign in this scope: no property fails in any of {number(cell.executions)} executions.", GOOD)]
    said = []
    for found in race.properties:
        name = words.property_name(found.property)
        if found.only_with_it:
            them = "its only violation" if found.violations == 1 else f"all {plural(found.violations, 'violation')}"
            said.append((f"{name} fails, and only where this read misses that write ({them}).", BAD))
        else:
            rest = found.violations - found.missed
            said.append((f"{name} fails, but not only with it: in {number(rest)} of {plural(found.violations, 'violation')} this read "
                         "misses nothing.", BAD))
    return said


def _models(cells: list[RaceCell]) -> str:
    return ", ".join(cell.model for cell in cells)


def _without(cells: list[RaceCell]) -> str:
    """What else to say where there is no race."""
    bad = sorted({name for cell in cells for name in cell.violated})
    open_ones = [cell for cell in cells if not cell.exhausted]
    parts = [f"; {', '.join(bad)} {'is' if len(bad) == 1 else 'are'} violated all the same, which minikvm check shows"] if bad else []
    return "".join([*parts, *(["; not exhausted"] if open_ones else [])])
