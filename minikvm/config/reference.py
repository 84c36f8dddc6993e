"""docs/yaml-reference.md, from the schema: ``python -m minikvm.config.reference > docs/yaml-reference.md``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from minikvm.config.schema import schema
from minikvm.config.yamldoc import MAX_DEPTH, MAX_VALUES

COMMAND = "python -m minikvm.config.reference > docs/yaml-reference.md"

_INTRO = f"""# The YAML file

<!-- Generated: {COMMAND} -->

One file describes one VM and what is done to it. `minikvm validate FILE` checks it, `minikvm schema` prints its JSON schema.

- YAML 1.2, core schema: `no`, `on` and `yes` are texts, `010` is ten, `0o10` is eight. One document, UTF-8, at most 1 MiB,
  {MAX_DEPTH} levels deep.
- At most {MAX_VALUES} values, keys included. Anchors and aliases work; what they expand to counts.
  Merge keys (`<<`) and tags beside the core ones are errors, and so are unknown and duplicate keys.
- Nothing is converted: `"8"` is no number, `1` is no `true`.
- A duration is a number with a unit (`ns`, `us`, `ms`, `s`, `min`): `10us`, `1.5ms`, `2s`. A key that ends in `_us`
  or `_ms` takes a bare number.
- A set of vCPUs as text is in the kernel's list format, `"0,2-7"`, or a mask, `"0x1f"`. Quote it inside `{{ }}`,
  and quote a mask everywhere.
- Options of a strategy, back end, run loop or injector stand beside its `name`; `minikvm plugins show NAME` lists them.
"""


def reference_text() -> str:
    """The whole page."""
    tree = schema()
    parts = [_INTRO]
    for title, section in _sections(tree):
        parts.append(f"\n## {title}\n\n{_sentence(section)}\n\n{_table(section)}")
    return "".join(parts)


def _sections(tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(title, object schema), the file itself first, then each mapping at the first place where it may stand."""
    waiting: list[tuple[str, Mapping[str, Any]]] = [("", tree)]
    seen: set[str] = set()
    while waiting:
        where, section = waiting.pop(0)
        yield where or "The whole file", section
        users: dict[str, list[str]] = {}
        for key, value in section["properties"].items():
            for name in dict.fromkeys(_references(value)):
                users.setdefault(name, []).append(f"`{where.strip('`')}.{key}`" if where else f"`{key}`")
        for name in [user for user in users if user not in seen]:
            seen.add(name)
            title = ", ".join(users[name])
            shared = [other for other in users if users[other] == users[name]]
            for inner in _objects(tree["$defs"][name]):
                waiting.append((f"{title} with {next(iter(inner['properties']))}" if len(shared) > 1 else title, inner))


def _objects(definition: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The definition itself, or its mapping form when a bare name may stand for it."""
    if "properties" in definition:
        return [definition]
    head = {"description": definition.get("description", "")}
    return [{**head, **option} for option in definition.get("anyOf", ()) if "properties" in option]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def _sentence(section: Mapping[str, Any]) -> str:
    return " ".join(str(section.get("description", "")).split())


def _table(section: Mapping[str, Any]) -> str:
    rows = ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
    required = section.get("required", ())
    for key, value in section["properties"].items():
        default = "required" if key in required else _code(value["default"]) if _simple(value.get("default", {})) else "see its table"
        example = _code(value["examples"][0]) if value.get("examples") else ""
        cells = (f"`{key}`", value["x-expected"], default, value.get("description", ""), example)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def _simple(value: Any) -> bool:
    return not isinstance(value, dict)


def _code(value: Any) -> str:
    return f"`{_flow(value)}`"


def _flow(value: Any) -> str:
    """The value in YAML's flow style."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        return json.dumps(value) if any(c in value for c in ",{}[]:#") else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


if __name__ == "__main__":
    print(reference_text(), end="")
