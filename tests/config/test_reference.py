"""The JSON schema, the generated reference, and what importing the package costs in modules."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from minikvm.config import VMConfig
from minikvm.config.reference import COMMAND, reference_text
from minikvm.config.schema import SCHEMA_ID, schema, schema_text

PAGE = Path(__file__).parents[2] / "docs/yaml-reference.md"


def objects(tree: object) -> list[dict]:
    """Every object schema with properties."""
    if isinstance(tree, dict):
        return ([tree] if tree.get("type") == "object" and "properties" in tree else []) + [
            found for value in tree.values() for found in objects(value)
        ]
    return [found for value in tree for found in objects(value)] if isinstance(tree, list) else []


@pytest.mark.skipif(not PAGE.parent.is_dir(), reason="no docs folder beside the tests")
def test_the_committed_reference_is_the_generated_one():
    assert PAGE.read_text() == reference_text(), f"docs/yaml-reference.md is out of date; regenerate it: {COMMAND}"


def test_the_schema_is_json_with_its_own_id():
    assert json.loads(schema_text())["$id"] == SCHEMA_ID


def test_the_schema_has_every_section_of_the_model():
    assert set(schema()["properties"]) == set(VMConfig.model_fields)


def test_every_key_of_the_schema_is_described():
    bare = [
        f"{tree.get('title')}.{key}"
        for tree in objects(schema())
        for key, value in tree["properties"].items()
        if not value.get("description")
    ]
    assert bare == []


def test_every_key_of_the_schema_says_what_it_expects():
    bare = [
        f"{tree.get('title')}.{key}"
        for tree in objects(schema())
        for key, value in tree["properties"].items()
        if not value.get("x-expected")
    ]
    assert bare == []


def test_every_key_that_is_no_section_has_an_example():
    sections = {"vm", "placement", "guest", "requests", "workload", "watchdog", "check"}
    bare = {key for tree in objects(schema()) for key, value in tree["properties"].items() if not value.get("examples")}
    assert bare <= sections


def test_the_schema_refuses_unknown_keys_where_the_loader_does():
    open_ones = {next(iter(tree["properties"])) for tree in objects(schema()) if tree.get("additionalProperties") is not False}
    assert open_ones == {"name", "c"}  # plugins and C files, whose options are their own


def test_importing_config_imports_no_upper_room():
    code = "import sys, minikvm.config; print(*sorted(name for name in sys.modules if name.startswith('minikvm.')))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    others = {name for name in done.stdout.split() if not name.startswith(("minikvm.config", "minikvm.core"))}
    assert others <= {"minikvm.kinds", "minikvm.requestdefs"}
