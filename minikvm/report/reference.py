"""Writes what is generated from the models: the schemas beside this file, the tables in docs/report.md, check-report.md and litmus.md.

Run ``python -m minikvm.report.reference docs`` after a change of a model; tests hold all of them equal to the models.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minikvm.report.checkverdict import verdict_schema
from minikvm.report.counterexample import schedule_schema
from minikvm.report.litmus import litmus_schema
from minikvm.report.model import report_schema
from minikvm.report.races import races_schema

HERE = Path(__file__).parent
END = "<!-- generated: end -->"


@dataclass(frozen=True)
class Format:
    """A JSON format: the name of its outermost part, its model's file, its shipped schema, the page that documents it."""

    name: str
    source: str
    schema: Callable[[], dict[str, Any]]
    file: str
    page: str

    @property
    def begin(self) -> str:
        """The line before its generated part."""
        return f"<!-- generated from minikvm/report/{self.source}: begin -->"

    @property
    def path(self) -> Path:
        """Its shipped schema."""
        return HERE / self.file

    def text(self) -> str:
        """The text of the shipped schema."""
        return json.dumps(self.schema(), indent=1, ensure_ascii=False) + "\n"

    def markdown(self) -> str:
        """The generated part of its page: a table for each part of the format, the outermost first."""
        schema = self.schema()
        parts: dict[str, Any] = {self.name: schema, **schema["$defs"]}
        return "\n".join(_section(name, part) for name, part in parts.items())


REPORT = Format("Report", "model.py", report_schema, "schema-1.json", "report.md")
VERDICT = Format("Verdict", "checkverdict.py", verdict_schema, "schema-check-1.json", "check-report.md")
SCHEDULE = Format("Schedule", "counterexample.py", schedule_schema, "schema-schedule-1.json", "check-report.md")
RACES = Format("Races", "races.py", races_schema, "schema-races-1.json", "check-report.md")
LITMUS = Format("Litmus", "litmus.py", litmus_schema, "schema-litmus-1.json", "litmus.md")
FORMATS = (REPORT, VERDICT, SCHEDULE, RACES, LITMUS)


def replace_generated(text: str, format: Format = REPORT) -> str:
    """*text* of a page with the generated part of *format* made new; ValueError when its markers are missing."""
    if text.count(format.begin) != 1 or END not in text.split(format.begin)[1]:
        raise ValueError(f"expected the lines {format.begin!r}, once, and then {END!r}")
    head, rest = text.split(format.begin)
    _, tail = rest.split(END, 1)
    return f"{head}{format.begin}\n{format.markdown()}{END}{tail}"


def _section(name: str, part: dict[str, Any]) -> str:
    lines = [f"### {name}", "", part["description"], "", "| field | type | meaning |", "|---|---|---|"]
    lines += [f"| `{field}` | {_type(spec)} | {spec['description']} |" for field, spec in part["properties"].items()]
    return "\n".join([*lines, ""])


def _type(spec: dict[str, Any]) -> str:
    if "$ref" in spec:
        name = spec["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in spec:
        return " or ".join(_type(choice) for choice in spec["anyOf"])
    if "const" in spec:
        return f"`{spec['const']}`"
    if "enum" in spec:
        return " or ".join(f"`{value}`" for value in spec["enum"])
    if spec["type"] == "array":
        return f"list of {_type(spec['items'])}"
    if spec["type"] == "object":
        values = spec.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    return str(spec["type"])


def main(arguments: list[str]) -> int:
    """Write the schemas, and the generated parts of the pages in the folder that *arguments* names."""
    for format in FORMATS:
        format.path.write_text(format.text(), encoding="utf-8")
        for folder in arguments:
            path = Path(folder) / format.page
            path.write_text(replace_generated(path.read_text(encoding="utf-8"), format), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
