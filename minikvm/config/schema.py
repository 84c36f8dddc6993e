"""The JSON schema of the YAML file, for editors and for the reference."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema

from minikvm.config.model import VMConfig
from minikvm.config.registry import Registry
from minikvm.kinds import C_KINDS

SCHEMA_ID = "urn:minikvm:schema:config:1"
_KINDS = {"strategy": "strategy", "backend": "backend", "loop": "loop", "injectors": "injector"}
"""The keys of the file where a plugin is named, and of which kind."""


_C_FILE = {
    "type": "object", "required": ["c"], "properties": {
        "c": {"type": "string", "pattern": "\\.c$", "x-expected": "the path of a C file", "examples": ["my_patch.c"],
              "description": "Path of a file in kernel-style C, as seen from the configuration's folder."}},
}  # fmt: skip
"""Instead of a name (cfiles.py); a run loop's options may stand beside it."""


def schema(registry: Registry | None = None) -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a configuration file. ``x-expected`` is what a message says was expected of a key.

    ``registry``: the plugins whose names and options it offers. A name that the registry does not know is no mistake in the schema:
    ``-p`` may bring more when the file is used.
    """
    body = VMConfig.model_json_schema(by_alias=True, mode="validation")
    if registry is not None:
        for key, kind in _KINDS.items():
            _offer(body, key, kind, registry)
    for key in C_KINDS:
        place = body["properties"][key]
        first, *rest = place.get("anyOf") or [{"$ref": place.pop("$ref")}]
        place["anyOf"] = [first, _C_FILE, *rest]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, "title": "minikvm configuration"}
    return {**head, **{key: value for key, value in body.items() if key != "title"}}


def schema_text() -> str:
    """The schema as indented JSON text that ends in a newline."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _offer(body: dict[str, Any], key: str, kind: str, registry: Registry) -> None:
    """At *key*: any name, the mapping of each plugin that is known with its own options, or the mapping of one that is not."""
    place = body["properties"][key]
    one = place.get("items", place)
    base = body["$defs"][one.pop("$ref").rpartition("/")[2]]
    text, mapping = base["anyOf"]
    names = sorted(registry.names(kind))
    another = {**mapping, "properties": {**mapping["properties"], "name": {**mapping["properties"]["name"], "not": {"enum": names}}}}
    known = []
    for name in names:
        full = f"{kind}.{name}"
        body["$defs"][full] = _with_options(mapping, name, full, registry.options_model(kind, name), body["$defs"])
        known.append({"$ref": f"#/$defs/{full}"})
    # Examples, which editors offer, and no enumeration.
    one["anyOf"] = [{**text, "examples": names}, *known, another]


def _with_options(mapping: dict[str, Any], name: str, full: str, options: type[BaseModel] | None, defs: dict[str, Any]) -> dict[str, Any]:
    """The mapping of one plugin; what its options refer to goes to *defs*, under names that begin with *full*."""
    own: dict[str, Any] = {}
    named = {**mapping["properties"]["name"], "const": name, "examples": [name]}
    whole = {**mapping, "title": name, "properties": {**mapping["properties"], "name": named}}
    if options is not None:
        try:
            own = options.model_json_schema(by_alias=True, mode="validation", ref_template=f"#/$defs/{full}.{{model}}")
        except PydanticInvalidForJsonSchema:  # a type of the plugin's own that no schema can say: anything goes
            return whole
    for model, definition in own.get("$defs", {}).items():
        defs[f"{full}.{model}"] = definition
    whole["properties"] |= own.get("properties", {})
    whole["required"] = [*mapping.get("required", []), *own.get("required", [])]
    whole["additionalProperties"] = False
    return whole
