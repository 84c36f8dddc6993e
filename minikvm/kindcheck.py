"""The rules that a plugin's class must keep, looked at when it is registered: a broken one is refused then, not in the middle of a run."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from minikvm import kinds


class KindError(ValueError):
    """A class breaks a rule of its kind; the message is one sentence that names the class, its file and the rule."""


def location_of(obj: object) -> str:
    """The file (of a module, class or function) that *obj* comes from; for compiled code the extension module; "" if unknown."""
    try:
        return str(Path(inspect.getfile(obj)).resolve())  # type: ignore[arg-type]
    except (TypeError, OSError):
        return ""


def check_class(cls: object, kind: str) -> type[kinds.Kind]:
    """Return *cls* if it is a sound class of *kind*.

    Raises KindError for anything else, with the first rule that it breaks.
    """
    base = kinds.KINDS[kind]
    where = location_of(cls) or getattr(cls, "__module__", "") or "unknown file"
    if not isinstance(cls, type):
        raise KindError(f"{cls!r}: expected a class that derives from minikvm.kinds.{base.__name__}, this is of type {type(cls).__name__}")
    if not issubclass(cls, base) or cls is base:
        raise KindError(f"class {cls.__name__} ({where}): expected a subclass of minikvm.kinds.{base.__name__}")
    for rule in broken_rules(cls):
        raise KindError(f"class {cls.__name__} ({where}): {rule}")
    return cls


def broken_rules(cls: type[kinds.Kind]) -> Iterator[str]:
    """Every rule that *cls* breaks, as the end of a sentence."""
    yield from broken_name(cls)
    yield from broken_work(cls)
    yield from broken_options(cls)
    if issubclass(cls, kinds.Strategy):
        yield from broken_words(cls.requires, "requires", kinds.CAPABILITIES)
        yield from broken_uses(cls)
    elif issubclass(cls, kinds.Backend):
        yield from broken_words(cls.capabilities, "capabilities", kinds.CAPABILITIES)
        if cls.cost not in kinds.COSTS:
            yield f"cost is {cls.cost!r}, expected one of {', '.join(kinds.COSTS)}"
    elif issubclass(cls, kinds.Injector):
        if not isinstance(cls.benign, bool):
            yield f"benign is {cls.benign!r}, expected True or False"
        if not cls.points:
            yield 'points is empty, expected the names of the points at which it is asked, such as ("kick.cpu_read",)'
        yield from broken_words(cls.points, "points", kinds.POINTS)
        yield from broken_uses(cls)
    elif issubclass(cls, kinds.Loop):
        if cls.arch not in kinds.ARCHES:
            yield f"arch is {cls.arch!r}, expected one of {', '.join(kinds.ARCHES)}"
        yield from broken_uses(cls)


def broken_name(cls: type[kinds.Kind]) -> Iterator[str]:
    name: object = cls.name
    # A subclass that only inherits its name would clash with its own base.
    if name == "" or "name" not in cls.__dict__:
        yield 'it has no name of its own, expected name = "some-slug"'
    elif not isinstance(name, str) or not kinds.SLUG.fullmatch(name) or len(name) > kinds.MAX_NAME:
        yield f"name is {name!r}, expected small letters, digits and single dashes, at most {kinds.MAX_NAME} characters"


def broken_work(cls: type[kinds.Kind]) -> Iterator[str]:
    base = kinds.KINDS[cls.kind]
    if cls.native is not kinds.Kind.native:
        return
    missing = [method for method in cls.python_methods if getattr(cls, method) is getattr(base, method)]
    if missing:
        yield f"it has neither native() nor {' and '.join(f'{method}()' for method in missing)}"


def broken_options(cls: type[kinds.Kind]) -> Iterator[str]:
    options: object = cls.Options
    if not isinstance(options, type) or not issubclass(options, BaseModel):
        yield f"Options is {options!r}, expected a subclass of minikvm.kinds.Options"
        return
    if options.model_config.get("extra") != "forbid":
        yield 'Options lets unknown keys pass, expected a subclass of minikvm.kinds.Options (extra="forbid")'
    for reserved in cls.reserved_options:
        if reserved in options.model_fields:
            yield f"Options has a field {reserved!r}, a key that the YAML file uses itself"


def broken_uses(cls: type[kinds.Strategy] | type[kinds.Injector] | type[kinds.Loop]) -> Iterator[str]:
    wrong = list(broken_words(cls.uses, "uses", kinds.USES[cls.kind]))
    yield from wrong
    if not wrong and "walk" in cls.uses and "migrate" not in cls.uses:
        yield 'uses names walk, expected migrate beside it: it is vm.migrate(vcpu, walk=True)'


def broken_words(words: object, attribute: str, known: frozenset[str]) -> Iterator[str]:
    if isinstance(words, str) or not isinstance(words, (frozenset, set, tuple, list)) or not all(isinstance(w, str) for w in words):
        yield f"{attribute} is {words!r}, expected a frozenset or tuple of strings"
    elif unknown := sorted(set(words) - known):
        yield f"{attribute} names {', '.join(unknown)}, expected some of {', '.join(sorted(known))}"
