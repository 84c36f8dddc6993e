"""pydantic's errors -> one plain sentence for each place of the file."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from minikvm.config.fields import Expected, OneOrMany
from minikvm.config.problems import Path, Problem, did_you_mean, one_of, shorten
from minikvm.config.scalars import TooLong, resolve_plain
from minikvm.config.yamldoc import Document, MapNode, Node, ScalarNode, SeqNode, show

_NAMES: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", type(None): "null"}

MAX_EXPLAINED = 1000
"""Schema errors that become problems; nobody reads more, and looking for a near name takes its time."""

_UNKNOWN, _MISSING, _MEANT = "unknown key", "missing", "did you mean "


def explain(
    errors: Iterable[ErrorDetails], doc: Document, model: type[BaseModel], prefix: Path = (), own: Sequence[str] = ()
) -> list[Problem]:
    """The errors of validating the value at ``prefix`` against ``model``, at most one for each place.

    ``own``: keys at ``prefix`` that are not the model's but fine (a plugin's name beside its options).
    """
    found: dict[Path, Problem] = {}
    for error in islice(errors, MAX_EXPLAINED):
        path, missing = _walk(doc, model, prefix, error)
        if path not in found:
            found[path] = _explain(error, doc, model, (prefix, path), missing=missing, own=own)
    # A list with wrong elements is "too short" as well, and a key that is spelt wrong is also missing: say it once.
    outer = {path[:length] for path in found for length in range(len(path))}
    misspelt = {(*p.path[:-1], p.hint[len(_MEANT) : -1]) for p in found.values() if p.fault == _UNKNOWN and p.hint.startswith(_MEANT)}
    return [p for p in found.values() if not (p.path in outer and not p.fault) and not (p.fault == _MISSING and p.path in misspelt)]


def _walk(doc: Document, model: type[BaseModel], prefix: Path, error: ErrorDetails) -> tuple[Path, bool]:
    """The path in the file of a pydantic location.

    A location's tags of union members (``<...>``) name nothing in the file, nor does the index of one item that stands for a list.
    """
    path, node, last = prefix, doc.node(prefix), len(error["loc"]) - 1
    unwrapped: Path | None = None
    for at, step in enumerate(error["loc"]):
        if step == "[key]":  # pydantic's mark for "the key itself", after the key
            continue
        if isinstance(node, MapNode) and path != unwrapped and _one_or_many(model, path[len(prefix) :]):
            unwrapped = path
            if isinstance(step, int):
                continue
        child: Node | None = None
        part = _as_key(node, step) if isinstance(node, MapNode) else step
        if isinstance(node, MapNode):
            child = node.entries[part][1] if part in node.entries else None
        elif isinstance(node, SeqNode) and isinstance(part, int) and 0 <= part < len(node.items):
            child = node.items[part]
        if child is not None:
            path, node = (*path, part), child
        elif at == last and error["type"] == "missing":
            return (*path, part), True
    return path, False


def _one_or_many(model: type[BaseModel], path: Path) -> bool:
    """Whether the value at the path may be a list or its only item."""
    field = _field_at(model, path) if path and isinstance(path[-1], str) else None
    return field is not None and OneOrMany in field.metadata


def _as_key(node: MapNode, part: str | int) -> str | int:
    """pydantic writes integer keys as text in places."""
    if part not in node.entries and isinstance(part, str) and part.lstrip("-").isascii() and part.lstrip("-").isdigit():
        return int(part) if len(part) < 100 and int(part) in node.entries else part
    return part


def _explain(
    error: ErrorDetails, doc: Document, model: type[BaseModel], paths: tuple[Path, Path], *, missing: bool, own: Sequence[str]
) -> Problem:
    prefix, path = paths
    relative = path[len(prefix) :]
    if error["type"] in ("extra_forbidden", "invalid_key"):
        return _unknown_key(doc, model, path, relative, own)
    context = error.get("ctx", {})
    expected = str(context["expected"]) if error["type"] == "minikvm" else expected_at(model, relative) or _plain(error)
    hint = str(context.get("hint", "")) if error["type"] == "minikvm" else ""
    if missing:
        line, column = doc.place(path[:-1])
        return Problem(doc.name, line, column, path, "", expected, hint, _MISSING)
    if error["loc"] and error["loc"][-1] == "[key]":
        line, column = doc.key_place(path)
        return Problem(doc.name, line, column, path, f"the key {shorten(str(path[-1]))}", _keys_expected(model, relative), hint)
    node = doc.node(path)
    line, column = doc.place(path)
    return Problem(doc.name, line, column, path, show(node), expected, hint or _scalar_hint(node, error, _field_at(model, relative)))


def _scalar_hint(node: Node | None, error: ErrorDetails, field: FieldInfo | None) -> str:
    if not isinstance(node, ScalarNode):
        return ""
    if node.value is None:
        return "" if field is None or field.is_required() else "leave the key out for the default"
    if error["type"] == "literal_error" and isinstance(node.value, str):
        return did_you_mean(node.value, re.findall("'([^']*)'", str(error.get("ctx", {}).get("expected", ""))))
    if not node.plain and error["type"] != "minikvm":
        try:
            number = resolve_plain(node.text)
        except TooLong:
            return ""
        return "without the quotes" if number is not None and not isinstance(number, str) else ""
    return ""


def _unknown_key(doc: Document, model: type[BaseModel], path: Path, relative: Path, own: Sequence[str]) -> Problem:
    owners = list(_models_at(model, relative[:-1]))
    known = [*own, *dict.fromkeys(name for owner in owners for name, _ in _fields(owner))]
    key = path[-1] if path else ""
    line, column = doc.key_place(path)
    if isinstance(key, int):
        hint = 'a list format with a comma needs quotes inside { }, as in "0-3,7"'
    else:
        hint = "not both" if key in known else did_you_mean(key, known) or _belongs(model, key, path)
    expected = one_of(known) if len(known) > 1 else f"only {known[0]}" if known else "no options"
    return Problem(doc.name, line, column, path, shorten(str(key)), expected, hint, _UNKNOWN)


def _belongs(model: type[BaseModel], key: str, path: Path) -> str:
    for section, field in _fields(model):
        for inner in _models_in(field.annotation):
            if key in dict(_fields(inner)) and path[:1] != (section,):
                return f"it belongs under {section}"
    return "it belongs at the top" if len(path) > 1 and key in dict(_fields(model)) else ""


def _keys_expected(model: type[BaseModel], path: Path) -> str:
    field = _field_at(model, path[:-1])
    args = get_args(field.annotation) if field is not None else ()
    return f"{_derive(args[0])} as the key" if args else "another key"


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        yield field.alias or name, field


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _models_at(model: type[BaseModel], path: Path) -> list[type[BaseModel]]:
    """The models that the value at the path may be validated by."""
    models = [model]
    for part in path:
        if isinstance(part, str):
            models = [inner for owner in models for name, field in _fields(owner) if name == part for inner in _models_in(field.annotation)]
    return models


def _field_at(model: type[BaseModel], path: Path) -> FieldInfo | None:
    """The field that the last key of the path names."""
    names = [at for at, part in enumerate(path) if isinstance(part, str)]
    if not names:
        return None
    for owner in _models_at(model, path[: names[-1]]):
        for name, field in _fields(owner):
            if name == path[names[-1]]:
                return field
    return None


def expected_at(model: type[BaseModel], path: Path) -> str:
    """What the model expects at the path; "" when it cannot say."""
    field = _field_at(model, path)
    if field is None:
        return "a mapping" if not path else ""
    stated = [item for item in field.metadata if isinstance(item, Expected)]
    if isinstance(path[-1], int):
        if stated and stated[-1].item:
            return stated[-1].item
        arguments = [arg for arg in get_args(field.annotation) if arg is not Ellipsis]
        return _derive(arguments[-1]) if arguments else ""
    return stated[-1].text if stated else _derive(field.annotation, field.metadata)


def expected_of(field: FieldInfo) -> str:
    """What the field expects, for the reference."""
    stated = [item for item in field.metadata if isinstance(item, Expected)]
    return stated[-1].text if stated else _derive(field.annotation, field.metadata)


def _derive(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A phrase for a type with its bounds; "" for what has no phrase."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        stated = [item for item in arguments[1:] if isinstance(item, Expected)]
        return stated[-1].text if stated else _derive(arguments[0], arguments[1:])
    if origin in (Union, types.UnionType):
        phrases = [_derive(argument, metadata) for argument in arguments]
        return " or ".join(phrases) if all(phrases) else ""
    if origin is Literal:
        return one_of([str(argument) for argument in arguments])
    if annotation in (int, float):
        return _NAMES[annotation] + _bounds(metadata)
    if annotation in _NAMES:
        return _NAMES[annotation]
    if origin in (list, tuple, set, frozenset):
        return "a list"
    if origin is dict or annotation is dict:
        return "a mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a mapping with the keys {one_of([name for name, _ in _fields(annotation)])}"
    return ""


def _bounds(metadata: Sequence[Any]) -> str:
    limits: dict[str, Any] = {}
    for item in metadata:
        for inner in (item, *getattr(item, "metadata", ())):
            for name in ("ge", "gt", "le", "lt"):
                if getattr(inner, name, None) is not None:
                    limits[name] = getattr(inner, name)
    if "ge" in limits and "le" in limits:
        return f" {limits['ge']}..{limits['le']}"
    if "ge" in limits and isinstance(limits.get("lt"), int):
        return f" {limits['ge']}..{limits['lt'] - 1}"
    words = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}
    return "".join(f" {words[name]} {limits[name]}" for name in words if name in limits)


def _plain(error: ErrorDetails) -> str:
    """pydantic's own words, for a plugin's options whose type has no phrase."""
    return error["msg"].removeprefix("Input should be ").removeprefix("Value error, ") or "another value"
