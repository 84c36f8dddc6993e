"""The verdict of ``minikvm check``, version 1: what ``--json`` writes, and what the table is made from.

Its JSON schema is shipped as ``minikvm/report/schema-check-1.json``; docs/check-report.md is generated from the descriptions here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from minikvm.report import jsonfile
from minikvm.report.counterexample import SavedPart, Scope
from minikvm.report.model import Count, Seconds, json_schema

KEY = "minikvm_verdict"
WHAT = "a verdict of minikvm check"

Says = Literal["holds", "violated", "not exhausted", "races", "no races", "exceeded", "not judged"]


class PropertyVerdict(SavedPart):
    """What the exploration says about one property."""

    verdict: Says = Field(
        description="`holds`: in every execution of the scope. `violated`: there is a counterexample. `not exhausted`: it holds in what "
        "was explored, and the budget ended. `races`, `no races`: P10. `exceeded`: P9, in some execution, which is no error. `not judged`: "
        "the property was not asked for, or the scope has nothing to judge it by."
    )
    file: str | None = Field(
        default=None, description="The schedule file of the counterexample (P9: of the worst execution), null when there is none."
    )
    sentence: str | None = Field(default=None, description="What went wrong in the counterexample, null when nothing did.")
    races: list[list[str]] = Field(default=[], description="The races: of each the two accesses, with their source places.")
    needless: Count = Field(default=0, description="P9: the most IPIs in one execution beyond what the truth table allows.")


class Cell(SavedPart):
    """One strategy with one run loop under one memory model."""

    strategy: str = Field(description="Name of the request-dispatch strategy.")
    loop: str = Field(description="Name of the vCPU run loop.")
    model: str = Field(description="Name of the memory model.")
    executions: Count = Field(description="Executions explored, those included in which somebody waits for ever.")
    blocked: Count = Field(description="Those of them in which somebody waits for ever: a guest that rests, a sleeper, a deadlock.")
    exhausted: bool = Field(description="Was every execution of the scope explored?")
    seconds: Seconds = Field(description="How long it took, seconds.")
    robust: bool | None = Field(
        default=None, description="tso: as many executions as under sc, so that it shows nothing that sc lacks? Null: not known."
    )
    estimate: float | None = Field(default=None, ge=0, description="Estimated number of all executions, null when there is no estimate.")
    properties: dict[str, PropertyVerdict] = Field(description="The verdicts by the property's id.")


class Verdict(SavedPart):
    """The verdict of one check."""

    minikvm_verdict: Literal[1] = Field(description="Version of this format.")
    minikvm: str = Field(description="Version of minikvm.")
    file: str = Field(description="The configuration's file.")
    scope: Scope = Field(description="What the verdict covers.")
    injectors: list[str] = Field(description="Names of the race injectors that are the environment.")
    loop: str = Field(description="Name of the vCPU run loop that the configuration names.")
    notes: list[str] = Field(description="What a reader of the verdict must know, a sentence each.")
    cells: list[Cell] = Field(description="One for each strategy, run loop and memory model.")


def verdict_of(data: Any, file: str = "verdict") -> Verdict:
    """The verdict that a dict holds; ConfigError naming *file* when it holds none. A Verdict is returned as it is."""
    return data if isinstance(data, Verdict) else jsonfile.of(data, file, Verdict, KEY, WHAT)


def read_verdict(path: str | Path) -> Verdict:
    """The verdict in the file *path*: ConfigError when it is none, OSError when it cannot be read."""
    return jsonfile.parse(Path(path).read_bytes(), str(path), Verdict, KEY, WHAT)


def verdict_json(verdict: Verdict | dict[str, Any], indent: int | None = 2) -> str:
    """The verdict as JSON text, checked against the format."""
    return json.dumps(verdict_of(verdict).model_dump(mode="json", by_alias=True), indent=indent, ensure_ascii=False)


def verdict_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a verdict."""
    return json_schema(Verdict, "minikvm.check/1", "Verdict of minikvm check")
