"""The JSON schema of the YAML file, for editors and for the reference."""

from __future__ import annotations

import json
from typing import Any

from minikvm.config.model import VMConfig

SCHEMA_ID = "urn:minikvm:schema:config:1"


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a configuration file. ``x-expected`` is what a message says was expected of a key."""
    body = VMConfig.model_json_schema(by_alias=True, mode="validation")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, "title": "minikvm configuration"}
    return {**head, **{key: value for key, value in body.items() if key != "title"}}


def schema_text() -> str:
    """The schema as indented JSON text that ends in a newline."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
