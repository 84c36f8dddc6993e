"""YAML -> VMConfig, or one ConfigError with everything that is wrong."""

from __future__ import annotations

import os
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from minikvm.config.cfiles import name_c_files
from minikvm.config.crosscheck import CrossCheck, Parts
from minikvm.config.explain import explain
from minikvm.config.files import decode, find, read
from minikvm.config.host import Topology
from minikvm.config.model import VM, Check, Host, InjectorPlugin, OwnRequest, Placement, Plugin, VMConfig
from minikvm.config.problems import ConfigError, Path, Problem, shorten
from minikvm.config.registry import Registry
from minikvm.config.scalars import TooLong, resolve_plain
from minikvm.config.workload import WorkloadLine
from minikvm.config.yamldoc import MAX_BYTES, Document, MapNode, parse, show
from minikvm.kinds import is_c_file

_M = TypeVar("_M", bound=BaseModel)
_PLUGINS = {"strategy": "strategy", "backend": "backend", "loop": "loop"}


def load(
    source: str | os.PathLike[str], *, registry: Registry | None = None, host: Topology | None = None, allow_c: bool = False
) -> VMConfig:
    """The configuration of that file name, or shipped name ("quickstart").

    ``registry``: the names and options of plugins; without it they are not checked. ``host``: the topology that ``host: auto`` stands
    for; without it, pCPU numbers on such a host are not checked. ``allow_c``: the file may name C files that are not beside it. Raises
    ConfigError.
    """
    path = find(source)
    return loads(read(path), str(path), registry=registry, host=host, allow_c=allow_c)


def loads(
    text: str | bytes, name: str = "<text>", *, registry: Registry | None = None, host: Topology | None = None, allow_c: bool = False,
    c_files: Mapping[str, str] | None = None,
) -> VMConfig:
    """The configuration in the text; ``name`` stands in its messages. Otherwise as load.

    ``c_files``: kind -> the plugin to take where the text names a C file, such as that file's path from here.
    """
    if isinstance(text, bytes):
        text = decode(text, name)
    elif len(text) > MAX_BYTES or len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise ConfigError([Problem(name, 0, 0, (), "", "a text of at most 1 MiB", fault="more than 1 MiB")])
    doc = parse(text.removeprefix("\ufeff"), name)
    if doc.root is None:
        raise ConfigError(doc.problems)
    if not isinstance(doc.root, MapNode):
        line, column = doc.root.place
        what = Problem(name, line, column, (), show(doc.root), "a mapping with the key vm")
        raise ConfigError([*doc.problems, what])
    return _validate(doc, registry, host, allow_c, c_files)


def _validate(
    doc: Document, registry: Registry | None, host: Topology | None, allow_c: bool = False, c_files: Mapping[str, str] | None = None
) -> VMConfig:
    data = doc.data()
    problems = [*doc.problems, *name_c_files(doc, data, allow_c, c_files)]
    config: VMConfig | None = None
    try:
        config = VMConfig.model_validate(data)
    except ValidationError as error:
        problems += explain(error.errors(include_url=False), doc, VMConfig)
    parts = _parts_of(config) if config is not None else _salvage(data)
    problems += CrossCheck(doc, parts, registry, host).run()
    if registry is not None:
        problems += _options(doc, parts, registry)
    if problems or config is None:
        raise ConfigError(_first_of_each_place(problems))
    _DOCUMENTS[id(config)] = doc
    weakref.finalize(config, _DOCUMENTS.pop, id(config), None)
    return config


_DOCUMENTS: dict[int, Document] = {}
"""The text of each configuration that lives, by its identity: for errors that show only when its VM starts."""


def error_at(config: VMConfig, path: Path, expected: str, hint: str = "") -> ConfigError:
    """A ConfigError about the value at *path* of a loaded configuration, with its file, line and column where they are known."""
    doc = _DOCUMENTS.get(id(config))
    value: Any = as_data(config)
    for part in path:
        if isinstance(value, str):  # a plugin without options is its bare name
            break
        value = value[part]
    shown = shorten(value if isinstance(value, str) else repr(value))
    if doc is None:
        return ConfigError([Problem("<configuration>", 0, 0, path, shown, expected, hint)])
    line, column = doc.place(path)
    return ConfigError([Problem(doc.name, line, column, path, shown, expected, hint)])


def _first_of_each_place(problems: Sequence[Problem]) -> list[Problem]:
    first: dict[tuple[int, int, Path], Problem] = {}
    for problem in problems:
        first.setdefault((problem.line, problem.column, problem.path), problem)
    return list(first.values())


def _parts_of(config: VMConfig) -> Parts:
    plugins: dict[Path, tuple[str, Plugin]] = {(key,): (kind, getattr(config, key)) for key, kind in _PLUGINS.items()}
    plugins |= {("injectors", at): ("injector", injector) for at, injector in enumerate(config.injectors)}
    return Parts(
        vm=config.vm,
        host=config.host,
        placement=config.placement,
        plugins=plugins,
        requests=list(config.requests),
        workload=list(config.workload),
        check=config.check,
        ends=config.duration is not None,
    )


def _salvage(data: Mapping[Any, Any]) -> Parts:
    """The parts of a configuration that is not valid as a whole."""
    host = data.get("host", "auto")
    plugins: dict[Path, tuple[str, Plugin]] = {}
    for key, kind in _PLUGINS.items():
        if key in data and (plugin := _plugin(Plugin, data[key])) is not None:
            plugins[(key,)] = (kind, plugin)
    for at, value in enumerate(_listed(data, "injectors")):
        if (injector := _plugin(InjectorPlugin, value)) is not None:
            plugins[("injectors", at)] = ("injector", injector)
    return Parts(
        vm=_valid(VM, data.get("vm")),
        host=host if host == "auto" else _valid(Host, host),
        placement=_valid(Placement, data.get("placement", {})),
        plugins=plugins,
        requests=[_valid(OwnRequest, value) for value in _listed(data, "requests")],
        workload=[_valid(WorkloadLine, value) for value in _listed(data, "workload")],
        check=_valid(Check, data.get("check", {})),
        ends=data.get("duration") is not None,
    )


def _listed(data: Mapping[Any, Any], key: str) -> list[Any]:
    value = data.get(key)
    return value if isinstance(value, list) else []


def _plugin(model: type[_M], value: Any) -> _M | None:
    return _valid(model, {"name": value} if isinstance(value, str) else value)


def _valid(model: type[_M], value: Any) -> _M | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _options(doc: Document, parts: Parts, registry: Registry) -> list[Problem]:
    """What is wrong with the plugins' own options; unknown plugins have none that could be checked."""
    problems: list[Problem] = []
    for path, (kind, plugin) in parts.plugins.items():
        if plugin.name not in registry.names(kind) and not is_c_file(plugin.name, kind):
            continue
        model = registry.options_model(kind, plugin.name) or _NoOptions
        try:
            model.model_validate(plugin.options)
        except ValidationError as error:
            problems += explain(error.errors(include_url=False), doc, model, path, tuple(type(plugin).model_fields))
    return problems


class _NoOptions(BaseModel, extra="forbid"):
    """The options of a plugin that takes none."""


def as_data(config: VMConfig) -> dict[str, Any]:
    """The configuration as the plain data of a YAML file, every default written out; loads(dumps(config)) == config."""
    return config.model_dump(mode="python", by_alias=True, exclude_none=True)


def dumps(config: VMConfig) -> str:
    """The configuration as YAML text, every default written out."""
    return yaml.dump(as_data(config), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Quotes by the rules of YAML 1.2: PyYAML follows 1.1, where 0o10 and 1e3 are strings."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    try:
        # U+0085 and its like are line breaks to YAML 1.1's emitter: only double quotes keep them.
        quote = not text.isprintable() or not isinstance(resolve_plain(text), str)
    except TooLong:
        quote = True
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if quote else None)


_Dumper.add_representer(str, _text)


def override(config: VMConfig, **changes: Any) -> VMConfig:
    """The configuration with whole top-level values replaced, each as it would stand in the file: ``override(c, seed=7, duration="2s")``.

    Raises ConfigError; only the schema is checked, not what needs other parts.
    """
    doc = parse(yaml.dump(changes, Dumper=_Dumper), "<options>")
    data = as_data(config) | changes
    try:
        return VMConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(explain(error.errors(include_url=False), doc, VMConfig)) from None
