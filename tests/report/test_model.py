"""The report's format: what validates, what the JSON schema says, what is generated from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from minikvm.report import Report, report_schema, to_json
from minikvm.report.model import Economy, PropertyRow
from minikvm.report.reference import END, FORMATS, REPORT, Format, replace_generated

Json = dict[str, Any]
DOCS = Path(__file__).resolve().parents[2] / "docs"
AGAIN = "run: python -m minikvm.report.reference docs"
each_format = pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.name)


def parts(schema: Json) -> dict[str, Json]:
    return {"Report": schema, **schema["$defs"]}


@each_format
def test_every_field_of_the_schema_is_described(format: Format) -> None:
    bare = [f"{name}.{field}" for name, part in parts(format.schema()).items() for field, spec in part["properties"].items()
            if len(spec.get("description", "")) < 8]
    assert bare == []


@each_format
def test_every_part_of_the_schema_is_described(format: Format) -> None:
    assert [name for name, part in parts(format.schema()).items() if not part.get("description")] == []


def test_nanosecond_fields_say_their_unit() -> None:
    latency = report_schema()["$defs"]["Latency"]["properties"]
    assert [field for field, spec in latency.items() if field not in ("count", "p50") and "nanoseconds" not in spec["description"]] == []


def test_fields_in_seconds_say_their_unit() -> None:
    silent = [f"{name}.{field}" for name, part in parts(report_schema()).items() for field, spec in part["properties"].items()
              if field.endswith("_s") and "seconds" not in spec["description"]]
    assert silent == []


@each_format
def test_every_field_is_required_of_its_writer(format: Format) -> None:
    optional = {name: sorted(set(part["properties"]) - set(part.get("required", []))) for name, part in parts(format.schema()).items()}
    assert {name: fields for name, fields in optional.items() if fields} == {}


@each_format
def test_the_shipped_schema_is_the_one_of_the_model(format: Format) -> None:
    shipped = json.loads(format.path.read_text(encoding="utf-8"))
    assert shipped == json.loads(format.text()), AGAIN


@each_format
def test_the_documented_fields_are_those_of_the_model(format: Format) -> None:
    text = (DOCS / format.page).read_text(encoding="utf-8")
    assert replace_generated(text, format) == text, AGAIN


@each_format
def test_the_reference_names_every_field(format: Format) -> None:
    text = format.markdown()
    assert [field for part in parts(format.schema()).values() for field in part["properties"] if f"| `{field}` |" not in text] == []


def test_a_document_without_the_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="once, and then"):
        replace_generated(f"# a page\n{END}\n")


def test_the_text_around_the_generated_part_is_kept() -> None:
    made = replace_generated(f"before\n{REPORT.begin}\nold\n{END}\nafter\n")
    assert made.startswith("before\n") and made.endswith("\nafter\n") and "\nold\n" not in made


@pytest.mark.parametrize("kind", ["report", "empty", "huge", "violated"])
def test_a_report_comes_back_from_json_as_it_was(kind: str, request: pytest.FixtureRequest) -> None:
    report: Json = request.getfixturevalue(kind)
    assert json.loads(to_json(report)) == report | {"errors": []}


def test_json_uses_the_documented_names(report: Json) -> None:
    row = json.loads(to_json(report))["requests"][0]
    assert "p99.9" in row["latency_ns"]["call"] and "self" in row["skipped"]


def test_an_unknown_field_is_refused(report: Json) -> None:
    with pytest.raises(ValidationError, match="typo"):
        Report.model_validate(report | {"typo": 1})


def test_another_version_of_the_schema_is_refused(report: Json) -> None:
    with pytest.raises(ValidationError, match=r"minikvm\.report/1"):
        Report.model_validate(report | {"schema": "minikvm.report/2"})


def test_a_negative_counter_is_refused(report: Json) -> None:
    report["totals"]["ipis"] = -1
    with pytest.raises(ValidationError, match=r"totals\.ipis"):
        Report.model_validate(report)


@pytest.mark.parametrize(("checked", "violations", "status"), [(0, 0, "not checked"), (5, 0, "holds"), (5, 1, "violated")])
def test_the_status_of_a_property_follows_from_its_counts(checked: int, violations: int, status: str) -> None:
    assert PropertyRow.of("P1", "seen", checked, violations).status == status


def test_what_was_saved_follows_from_the_counts() -> None:
    saved = Economy.of(visited=20, visited_linear=80, ipis=6, ipis_linear=4, sends=1, sends_linear=0).saved_percent
    assert (saved.visited, saved.ipis, saved.sends) == (75.0, -50.0, None)
