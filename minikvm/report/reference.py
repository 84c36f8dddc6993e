"""Writes what is generated from the model: schema-1.json beside this file and the tables in docs/report.md.

Run ``python -m minikvm.report.reference docs/report.md`` after a change of the model; tests hold both equal to the model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from minikvm.report.model import report_schema

SCHEMA_FILE = Path(__file__).with_name("schema-1.json")
BEGIN = "<!-- generated from minikvm/report/model.py: begin -->"
END = "<!-- generated: end -->"


def schema_text() -> str:
    """The text of schema-1.json."""
    return json.dumps(report_schema(), indent=1, ensure_ascii=False) + "\n"


def reference_markdown() -> str:
    """The generated part of docs/report.md: a table for each part of the report, the report itself first."""
    schema = report_schema()
    parts: dict[str, Any] = {"Report": schema, **schema["$defs"]}
    return "\n".join(_section(name, part) for name, part in parts.items())


def replace_generated(text: str) -> str:
    """*text* of docs/report.md with its generated part made new; ValueError when its markers are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"expected the lines {BEGIN!r} and {END!r}, once each")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n{reference_markdown()}{END}{tail}"


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
    """Write schema-1.json, and the generated part of each file in *arguments*."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    for argument in arguments:
        path = Path(argument)
        path.write_text(replace_generated(path.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
