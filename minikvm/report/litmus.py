"""What ``minikvm litmus`` prints: a block a test in herd7's layout, and with ``--json`` the same as data, version 1.

Its JSON schema is shipped as ``minikvm/report/schema-litmus-1.json``; docs/litmus.md is generated from the descriptions here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from pydantic import Field

from minikvm.litmus.decide import CONTRADICTED, UNDECIDED, Decided
from minikvm.litmus.errors import LitmusError
from minikvm.report.counterexample import SavedPart
from minikvm.report.model import Count, Seconds, json_schema

SCHEMA = "minikvm.litmus/1"
KINDS = {"exists": "Allowed", "~exists": "Forbidden", "forall": "Required"}
OK = {True: "Ok", False: "No", None: "Unknown"}
NONE = "impossible in this test, so these are all executions"
NOT_EXPLORED = "not explored, executions with it may be missing"


class State(SavedPart):
    """A final state."""

    values: dict[str, int | str] = Field(description="Values by register (`0:r1`) and location (`[x]`); an address is `&x`.")
    executions: Count = Field(description="Executions that end in it.")
    holds: bool = Field(description="Does the proposition hold in it?")


class Test(SavedPart):
    """The verdict of one file."""

    file: str = Field(description="The file, as it was named.")
    name: str = Field(description="The test's name.")
    kind: Literal["Allowed", "Forbidden", "Required"] = Field(description="By the condition's quantifier: exists, ~exists, forall.")
    condition: str = Field(description="The condition, with its quantifier.")
    states: list[State] = Field(description="The final states that the filter keeps.")
    ok: bool | None = Field(description="Is the condition true? Null: not known, the budget ended first.")
    positive: Count = Field(description="Executions in which the proposition holds.")
    negative: Count = Field(description="Executions in which it does not.")
    observation: Literal["Never", "Sometimes", "Always", "Unknown"] = Field(
        description="How often the proposition holds. `Unknown`: the budget ended first.")
    executions: Count = Field(description="All complete executions, those that the filter leaves out included.")
    filtered: Count = Field(description="Executions that the filter leaves out.")
    deadlocks: Count = Field(description="Executions in which somebody waits for a lock for ever. They are not among the others.")
    exhausted: bool = Field(description="Were all executions explored?")
    races: list[str] = Field(description="Data races, each by its two accesses.")
    load_buffering: Literal["none", "not explored"] = Field(
        description="`not explored`: there may be executions with a cycle in program order and reads-from, and they are not counted.")
    expected: str | None = Field(description="What the file says of itself: Never, Sometimes, Always or DEADLOCK; null if nothing.")
    agreement: Literal["agrees", "contradicted", "undecided"] | None = Field(
        description="Is it as expected? `undecided`: it may be, by executions that were not explored. Null: nothing is expected.")
    seconds: Seconds = Field(description="How long the exploration took, seconds.")


class Problem(SavedPart):
    """A file that was not decided."""

    file: str = Field(description="The file, as it was named.")
    line: Count = Field(description="Line, from 1; 0: the whole file is meant.")
    column: Count = Field(description="Column, from 1; 0 with line 0.")
    message: str = Field(description="What is wrong, and what was expected.")


class Litmus(SavedPart):
    """What one call of minikvm litmus found."""

    schema_: Literal["minikvm.litmus/1"] = Field(alias="schema", description="Name and version of this format.")
    minikvm: str = Field(description="Version of minikvm.")
    model: str = Field(description="Name of the memory model.")
    exit_code: Count = Field(description="Exit code of the command.")
    tests: list[Test] = Field(description="The verdicts, in the order of the files.")
    errors: list[Problem] = Field(description="The files that were not decided.")


def litmus_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of what ``--json`` writes."""
    return json_schema(Litmus, SCHEMA, "Verdicts of minikvm litmus")


def as_part(decided: Decided) -> Test:
    """A verdict as data."""
    test = decided.test
    names = [str(item) for item in test.shown]
    return Test(
        file=test.file, name=test.name, kind=KINDS[test.condition.kind], condition=condition_of(decided),
        states=[State(values=dict(zip(names, state.values, strict=True)), executions=state.executions, holds=state.holds)
                for state in decided.states],
        ok=decided.ok, positive=decided.positive, negative=decided.negative, observation=decided.observation,
        executions=decided.executions, filtered=decided.filtered, deadlocks=decided.blocked, exhausted=decided.exhausted,
        races=decided.races, load_buffering="not explored" if decided.buffering else "none", expected=decided.expected,
        agreement=decided.agreement, seconds=decided.seconds,
    )


def to_json(answers: Iterable[Decided | LitmusError], model: str, version: str, exit_code: int) -> str:
    """All verdicts and errors of a call."""
    found = list(answers)
    tests = [as_part(answer) for answer in found if isinstance(answer, Decided)]
    errors = [Problem(file=answer.file, line=answer.line, column=answer.column, message=answer.message)
              for answer in found if isinstance(answer, LitmusError)]
    whole = Litmus(schema_=SCHEMA, minikvm=version, model=model, exit_code=exit_code, tests=tests, errors=errors)
    return json.dumps(whole.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False)


# ---- text ----


def condition_of(decided: Decided) -> str:
    """The condition as herd7 prints it."""
    condition = decided.test.condition
    return f"{condition.kind} ({condition.prop})"


def _state(names: Sequence[str], values: Sequence[int | str]) -> str:
    shown = (value[1:] if isinstance(value, str) else value for value in values)
    return " ".join(f"{name}={value};" for name, value in zip(names, shown, strict=True))


def text(decided: Decided, verbose: int = 0) -> str:
    """One test's block, without the empty line after it. verbose: states with counts as litmus7 writes them, and where races are."""
    test, condition = decided.test, decided.test.condition
    names = [str(item) for item in test.shown]
    lines = [f"Test {test.name} {KINDS[condition.kind]}", f"States {len(decided.states)}"]
    for state in decided.states:
        count = f"{state.executions:<6}{'*' if state.holds else ':'}>" if verbose else ""
        lines.append(count + _state(names, state.values))
    positive, negative = decided.positive, decided.negative
    if condition.kind == "~exists":  # as herd7: the witnesses are those of the condition, the observation is of the proposition
        positive, negative = negative, positive
    lines += [OK[decided.ok], "Witnesses", f"Positive: {positive} Negative: {negative}"]
    if decided.races:
        lines.append("Flag data-race")
    lines += [f"Condition {condition_of(decided)}",
              f"Observation {test.name} {decided.observation} {decided.positive} {decided.negative}",
              f"Time {test.name} {decided.seconds:.2f}"]
    return "\n".join([*lines, *own_lines(decided, verbose)])


def own_lines(decided: Decided, verbose: int) -> list[str]:
    """What herd7 does not say."""
    parts = [f"{decided.executions:,} under {decided.model}"]
    if decided.filtered:
        parts.append(f"{decided.filtered:,} of them left out by the filter")
    if decided.blocked:
        parts.append(f"{decided.blocked:,} more end in a deadlock")
    if not decided.exhausted:
        parts.append("the budget ended, there are more")
    lines = [f"Executions: {', '.join(parts)}", f"Load buffering: {_buffering(decided)}"]
    if verbose:
        lines += [f"Race: {race}" for race in decided.races]
    if decided.expected is not None:
        lines.append(f"Expected {decided.expected}: {agreement(decided)}")
    return lines


def _buffering(decided: Decided) -> str:
    if decided.model != "lkmm":
        return f"forbidden by {decided.model}"
    if not decided.buffering:
        return NONE
    return f"{NOT_EXPLORED} ({', '.join(f'P{t}' for t in decided.test.buffering.threads)})"


def agreement(decided: Decided) -> str:
    """Is it as expected, in words?"""
    observed = decided.observation if decided.expected != "DEADLOCK" else "no deadlock"
    if decided.agreement == CONTRADICTED:
        if observed == decided.expected:
            return "CONTRADICTED, there is no data race"
        return f"CONTRADICTED, it is {observed}"
    if decided.agreement == UNDECIDED:
        why = "executions with load buffering" if decided.exhausted else "executions beyond the budget"
        return f"undecided, it may be so in {why}, which were not explored"
    return "agrees, as far as was explored" if decided.buffering and decided.expected != "DEADLOCK" else "agrees"


def complaint(decided: Decided) -> str | None:
    """One line about a test that is not known to be as expected, or whose budget ended; None for any other."""
    if decided.agreement in (CONTRADICTED, UNDECIDED):
        return f"{decided.test.file}: {decided.expected} is expected: {agreement(decided)}"
    return None if decided.exhausted else f"{decided.test.file}: the budget ended, there are more executions"


__all__ = ["Litmus", "agreement", "as_part", "complaint", "litmus_schema", "text", "to_json"]
