"""The schedule file: what is read, what is refused and with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minikvm.config.problems import ConfigError
from minikvm.report import Schedule, read_schedule, schedule_json, schedule_of, write_schedule

Json = dict[str, Any]


@pytest.fixture
def data(sc: Schedule) -> Json:
    """A schedule as JSON holds it."""
    found: Json = sc.model_dump(mode="json")
    return found


def refusal(data: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        schedule_of(data, "some.json")
    return str(caught.value)


def test_a_schedule_comes_back_from_its_file_as_it_was(any_schedule: Schedule, tmp_path: Path) -> None:
    write_schedule(tmp_path / "saved.json", any_schedule)
    assert read_schedule(tmp_path / "saved.json") == any_schedule


def test_a_schedule_file_has_one_line_for_each_step(sc: Schedule) -> None:
    lines = schedule_json(sc).splitlines()
    assert [json.loads(line.rstrip(","))["step"] for line in lines if line.startswith('  {"step"')] == list(range(1, 19))


def test_a_schedule_is_frozen(sc: Schedule) -> None:
    with pytest.raises(ValueError, match="frozen"):
        sc.model = "tso"


def test_fields_of_a_newer_minikvm_are_kept(data: Json) -> None:
    data["rows"][0]["colour"] = "blue"
    again = json.loads(schedule_json(data | {"later": [1, 2]}))
    assert (again["later"], again["rows"][0]["colour"]) == ([1, 2], "blue")


def test_another_version_is_refused_with_both_versions(data: Json) -> None:
    assert refusal(data | {"minikvm_schedule": 2, "minikvm": "9.9.0"}) == (
        "some.json: minikvm_schedule: got 2, expected version 1 of a schedule file of minikvm check, which is the one that this minikvm "
        "reads (written by minikvm 9.9.0)"
    )


@pytest.mark.parametrize("version", [True, 1.0, "1", None])
def test_a_version_that_only_looks_like_1_is_refused(version: Any, data: Json) -> None:
    assert "expected version 1" in refusal(data | {"minikvm_schedule": version})


@pytest.mark.parametrize("data", [[], {}, {"minikvm_verdict": 1}, "text", None])
def test_json_that_is_something_else_is_refused(data: Any) -> None:
    expected = 'a schedule file of minikvm check: a JSON object with "minikvm_schedule": 1'
    assert refusal(data) == f"some.json: got something else, expected {expected}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b'{"minikvm_schedule": 1,\n oops}', ":2:2: got no JSON (Expecting property name"),
        (b"", ":1:1: got no JSON (Expecting value)"),
        (b"\xff\xfe\xff", ": got no JSON (UnicodeDecodeError)"),
        (b"[" * 200_000, ": got no JSON (RecursionError)"),
    ],
    ids=["syntax", "empty", "encoding", "depth"],
)
def test_a_file_that_is_no_json_is_refused_with_its_place(text: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(text)
    with pytest.raises(ConfigError) as caught:
        read_schedule(path)
    assert str(caught.value).startswith(f"{path}{says}") and "expected a schedule file of minikvm check" in str(caught.value)


def test_a_refusal_is_a_usage_error(data: Json) -> None:
    with pytest.raises(ConfigError) as caught:
        schedule_of(data | {"threads": []})
    assert caught.value.exit_code == 2


def test_every_wrong_field_is_named_at_once(data: Json) -> None:
    del data["loop"]
    data["rows"][2]["kind"] = "swap"
    data["scope"]["vcpus"] = -1
    text = refusal(data)
    assert "some.json: loop: missing, expected a value" in text
    assert 'some.json: rows[2].kind: got "swap", expected \'store\'' in text
    assert "some.json: scope.vcpus: got -1, expected greater than or equal to 0" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"step": 5}, "rows[3].step is 5, not 4"),
        ({"thread": 9}, "rows[3].thread names no thread: 9"),
        ({"ipi_to": 9}, "rows[3].ipi_to names no thread: 9"),
        ({"reads_from": 19}, "rows[3].reads_from names no step: 19"),
        ({"missed": {"step": 0, "missing": ""}}, "rows[3].missed.step names no step: 0"),
        ({"marked": True}, "2 rows are marked, not 1"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(changes: Json, says: str, data: Json) -> None:
    data["rows"][3] |= changes
    assert says in refusal(data)


def test_a_schedule_without_a_marked_row_is_refused(data: Json) -> None:
    data["rows"][-1]["marked"] = False
    assert "0 rows are marked, not 1" in refusal(data)


def test_two_threads_with_one_id_are_refused(data: Json) -> None:
    data["threads"][1]["id"] = 0
    assert "thread id 0 is there twice" in refusal(data)
