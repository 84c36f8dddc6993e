"""The plugin manager: loads plugins one by one, keeps what they bring, and tells them about a run.

``names``, ``get`` and ``options_model`` are the registry that the configuration loader asks.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
from pydantic import BaseModel

import minikvm
from minikvm import hookspecs, pluginload
from minikvm.kindcheck import KindError, check_class, location_of
from minikvm.kinds import KINDS, Backend, Kind, RequestDef, Strategy, is_c_file, kind_of, summary_of
from minikvm.pluginload import NotFound, Origin, PluginError, did_you_mean, sentence
from minikvm.requestdefs import KVM_REQUESTS, traits_of

__all__ = ["Manager", "NotFound", "PluginError", "Registered"]


@dataclass(frozen=True)
class Registered:
    """One class that can be named in a configuration, and where it comes from.

    plugin: the entry point's name, the module or the file; "minikvm" for a built-in. distribution, version: "" for a file.
    location: the file that defines the class. options: the pydantic model of its options. capabilities: what a back end has,
    what a strategy requires of one; empty for the other kinds.
    """

    kind: str
    name: str
    cls: type[Kind]
    plugin: str
    distribution: str
    version: str
    location: str
    summary: str
    options: type[BaseModel]
    capabilities: frozenset[str]


class Manager:
    """Plugins, the classes they bring and the hooks they hear.

    plugins: what ``-p`` was given, in order: a .py file, an installed plugin's name, a module, or ``no:NAME`` (an installed plugin's
    or distribution's name, not to be loaded; or a built-in's, of whatever kind: there is none then, and the name is free).
    no_plugins: load no installed plugin unless it is named. strict: a broken installed plugin is an error instead of a warning; one
    that was named always is.

    Raises PluginError (a plugin failed, or two bring the same name) and NotFound (a value of *plugins* stands for nothing).

    Thread-safety: made and asked on one thread; ``vm_started``, ``vm_stopped`` and ``violation`` may be called from any.

    >>> manager = Manager(no_plugins=True)
    >>> manager.get("strategy", "no-such")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    minikvm.pluginload.NotFound: unknown strategy 'no-such'...
    """

    def __init__(self, plugins: Iterable[str] = (), *, no_plugins: bool = False, strict: bool = False) -> None:
        self._pm = pluggy.PluginManager(hookspecs.PROJECT)
        self._pm.add_hookspecs(hookspecs)
        self._strict = strict
        self._warnings: list[str] = []
        self._loaded: list[tuple[object, Origin]] = []
        self._registered: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
        self._requests: dict[str, tuple[RequestDef, Origin]] = {}
        self._builtins = {kind: pluginload.builtin_files(kind) for kind in KINDS}
        specs = list(plugins)
        blocked = {spec[3:] for spec in specs if spec.startswith("no:")}
        named = [spec for spec in specs if not spec.startswith("no:")]
        self._left_out = {kind: blocked & names.keys() for kind, names in self._builtins.items()}
        for kind, names in self._left_out.items():
            for name in names:
                del self._builtins[kind][name]
        self._load_installed(blocked, named, no_plugins)
        for spec in dict.fromkeys(named):
            self._load_named(spec)

    # -- loading ------------------------------------------------------------------------------------------------------------------

    def _load_installed(self, blocked: set[str], named: list[str], no_plugins: bool) -> None:
        found = pluginload.entry_points()
        keys = {entry: {entry.name, pluginload.normalized(pluginload.origin_of_entry(entry).distribution)} for entry in found}
        builtins = {name for names in (*self._builtins.values(), *self._left_out.values()) for name in names}
        known = builtins.union(*keys.values())
        for name in sorted(blocked):
            if name not in known and pluginload.normalized(name) not in known:
                self._warnings.append(f"-p no:{name}: there is no built-in or installed plugin of that name{did_you_mean(name, known)}")
        for entry, names in keys.items():
            if names & (blocked | {pluginload.normalized(name) for name in blocked}):
                if entry.name in named:
                    raise NotFound(f"plugin {entry.name} is asked for (-p {entry.name}) and left out (-p no:) at the same time")
                continue
            if not no_plugins or entry.name in named:
                self._load_entry(entry, asked_for=entry.name in named)

    def _load_entry(self, entry: Any, asked_for: bool) -> None:
        origin = pluginload.origin_of_entry(entry)
        try:
            plugin = entry.load()
            self._add(plugin, replace(origin, location=location_of(plugin if _has_file(plugin) else type(plugin))))
        except Clash:
            raise
        except (Exception, SystemExit) as error:
            failure = PluginError(f"plugin {entry.name} ({origin}) failed to load: {sentence(error)}", entry.name)
            if self._strict or asked_for:
                raise failure from error
            self._warnings.append(f"{failure}; go on without it (-p no:{entry.name} silences this)")

    def _load_named(self, spec: str) -> None:
        if any(entry.name == spec for entry in pluginload.entry_points()):
            return  # loaded with the installed ones
        try:
            plugin, origin = pluginload.load_file(Path(spec)) if pluginload.is_path(spec) else pluginload.load_module(spec)
            self._add(plugin, origin)
        except (Clash, NotFound):
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(f"plugin {spec} failed to load: {sentence(error)}", spec) from error

    def _add(self, plugin: object, origin: Origin) -> None:
        """Register all that *plugin* brings, or nothing of it."""
        if self._pm.is_registered(plugin):
            return
        if (kind := kind_of(plugin)) is not None:
            self._keep([registered(plugin, kind, origin)], [], origin)
            return
        refuse_unmarked(plugin)
        self._pm.register(plugin, name=f"{origin.plugin} #{len(self._loaded)}")
        try:
            self._refuse_unknown_hooks(plugin)
            classes = list(self._classes_of(plugin, origin))
            requests = list(self._items(plugin, "minikvm_requests"))
            for item in requests:
                if not isinstance(item, RequestDef):
                    raise KindError(f"minikvm_requests returned {item!r}, expected minikvm.kinds.RequestDef")
            if not self._pm.get_hookcallers(plugin) and not classes:
                raise KindError("it brings nothing: expected functions marked @hookimpl or classes that derive from minikvm.kinds")
            self._keep(classes, requests, origin)
        except BaseException:
            self._pm.unregister(plugin)
            raise
        self._loaded.append((plugin, origin))

    def _classes_of(self, plugin: object, origin: Origin) -> Iterator[Registered]:
        hooks = {caller.name for caller in self._pm.get_hookcallers(plugin) or ()}
        for kind, hook in hookspecs.KIND_HOOKS.items():
            for cls in self._items(plugin, hook):
                yield registered(cls, kind, origin)
        if isinstance(plugin, ModuleType) and not hooks & set(hookspecs.KIND_HOOKS.values()):
            for cls in pluginload.classes_in(plugin):
                yield registered(cls, cls.kind, origin)

    def _refuse_unknown_hooks(self, plugin: object) -> None:
        known = set(hookspecs.KIND_HOOKS.values()) | {"minikvm_requests", *hookspecs.NOTIFY_HOOKS}
        for caller in self._pm.get_hookcallers(plugin) or ():
            if not caller.has_spec():
                raise KindError(f"there is no hook {caller.name}{did_you_mean(caller.name, known)}")

    def _items(self, plugin: object, hook: str) -> Iterator[Any]:
        for items in self._call(plugin, hook):
            if not isinstance(items, (list, tuple)):
                raise KindError(f"{hook} returned {items!r}, expected a list")
            yield from items

    def _call(self, plugin: object, hook: str, **arguments: Any) -> list[Any]:
        """Call one hook of one plugin, so that what it returns or raises is known to be its own."""
        others = [other for other in self._pm.get_plugins() if other is not plugin]
        result: list[Any] = self._pm.subset_hook_caller(hook, others)(**arguments)
        return result

    def _keep(self, classes: list[Registered], requests: list[RequestDef], origin: Origin) -> None:
        new: dict[tuple[str, str], Registered] = {}
        for item in classes:
            if (other := new.get((item.kind, item.name)) or self._holder(item.kind, item.name)) is not None:
                raise Clash(f"{item.kind} {item.name!r}", origin_of(other), origin_of(item))
            new[item.kind, item.name] = item
        taken = dict(self._requests)
        for request in requests:
            for name, (number, _) in KVM_REQUESTS.items():
                if name == request.name or number == request.id:
                    raise Clash(f"request {request.name!r} (id {request.id})", Origin(f"KVM's own {name} (id {number})"), origin)
            for name, (definition, holder) in taken.items():
                if name == request.name or definition.id == request.id:
                    raise Clash(f"request {request.name!r} (id {request.id})", holder, origin)
            taken[request.name] = (request, origin)
        self._requests = taken
        for item in new.values():
            self._registered[item.kind][item.name] = item

    def _holder(self, kind: str, name: str) -> Registered | None:
        if name in self._builtins[kind]:
            return self.get(kind, name)
        return self._registered[kind].get(name)

    # -- the registry -------------------------------------------------------------------------------------------------------------

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each plugin that was passed over because it is broken, and for each ``no:NAME`` without a plugin."""
        return tuple(self._warnings)

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of *kind* ("strategy", "backend", ..., or "request": KVM's requests and the plugins' own), sorted."""
        if kind == "request":
            return tuple(sorted({*KVM_REQUESTS, *self._requests}))
        return tuple(sorted({*self._builtins[kind], *self._registered[kind]}))

    def left_out(self, kind: str, name: str) -> bool:
        """Is *name* a built-in that ``no:NAME`` left out, and that no plugin brings instead?"""
        return name in self._left_out[kind] and name not in self._registered[kind]

    def get(self, kind: str, name: str) -> Registered:
        """The class *name* of *kind*; a built-in is imported now, at the latest.

        Raises NotFound with the nearest name and all names, PluginError if a built-in does not import.
        """
        held = self._registered[kind]
        if name not in held and is_c_file(name, kind):
            return c_file(kind, name)
        if name not in held:
            if name not in self._builtins[kind]:
                names = self.names(kind)
                if self.left_out(kind, name):
                    raise NotFound(f"{kind} {name!r} is left out by -p no:{name} (there are: {', '.join(names) or 'none'})")
                raise NotFound(f"unknown {kind} {name!r}{did_you_mean(name, names)} (there are: {', '.join(names) or 'none'})")
            module, file = self._builtins[kind][name]
            origin = Origin("minikvm", "minikvm", minikvm.__version__, file)
            try:
                held[name] = registered(pluginload.load_builtin(kind, name, module), kind, origin)
            except KindError as error:
                raise PluginError(f"the built-in {kind} {name}: {error}", "minikvm") from error
        return held[name]

    def options_model(self, kind: str, name: str) -> type[BaseModel]:
        """The pydantic model of the options that the YAML file may give to *name*. Raises as get() does."""
        return self.get(kind, name).options

    def all(self, kind: str | None = None) -> list[Registered]:
        """Everything registered (of one kind): kinds in the order of minikvm.kinds.KINDS, names sorted. Imports every built-in."""
        return [self.get(k, name) for k in (KINDS if kind is None else (kind,)) for name in self.names(k)]

    def create(self, kind: str, name: str, options: BaseModel | Mapping[str, Any] | None = None) -> Any:
        """An instance of the class *name* with *options* (a mapping is checked against the class's model).

        Raises as get() does; pydantic's ValidationError for options that do not fit; PluginError if the class's own code raises.
        """
        item = self.get(kind, name)
        model = options if isinstance(options, BaseModel) else item.options.model_validate(dict(options or {}))
        try:
            return item.cls(model)
        except Exception as error:
            raise PluginError(f"{kind} {name} ({origin_of(item)}) failed to start: {sentence(error)}", item.plugin) from error

    def requests(self) -> tuple[RequestDef, ...]:
        """The plugins' own request ids, in the order of their ids."""
        return tuple(sorted((definition for definition, _ in self._requests.values()), key=lambda request: request.id))

    def request_traits(self, name: str) -> frozenset[str]:
        """Some of "wait", "no_wakeup", "no_action", "gate", "sticky". Raises NotFound for a request that nobody brings."""
        if name in self._requests:
            return traits_of(self._requests[name][0])
        if name not in KVM_REQUESTS:
            raise NotFound(f"unknown request {name!r}{did_you_mean(name, self.names('request'))}")
        return KVM_REQUESTS[name][1]

    # -- notifications ------------------------------------------------------------------------------------------------------------

    def vm_started(self, vm: Any) -> None:
        """Tell every plugin that *vm* runs. Raises PluginError, named, from whatever a plugin raises."""
        self._notify("minikvm_vm_started", vm=vm)

    def vm_stopped(self, vm: Any, report: Any) -> None:
        """Tell every plugin that *vm* has ended with *report*. Raises PluginError."""
        self._notify("minikvm_vm_stopped", vm=vm, report=report)

    def violation(self, vm: Any, violation: Any) -> None:
        """Tell every plugin of a *violation* (an entry of the report's list). Raises PluginError."""
        self._notify("minikvm_violation", vm=vm, violation=violation)

    def _notify(self, hook: str, **arguments: Any) -> None:
        for plugin, origin in self._loaded:
            try:
                self._call(plugin, hook, **arguments)
            except Exception as error:
                raise PluginError(f"plugin {origin.plugin} ({origin}) failed in {hook}: {sentence(error)}", origin.plugin) from error


class Clash(PluginError):
    """Two plugins bring the same name: which one a configuration means would be a matter of luck, so this is never a mere warning."""

    def __init__(self, what: str, first: Origin, second: Origin) -> None:
        hint = f" (leave one out: -p no:{second.plugin})" if second.distribution else ""
        super().__init__(f"{what} comes twice: from {first} and from {second}{hint}", second.plugin)


def c_file(kind: str, path: str) -> Registered:
    """A file in kernel-style C, whose path is its name. It is compiled when a run or a check asks for its functions."""
    cls: type[Kind] = importlib.import_module("minikvm.csource.plugin").class_for(kind, path)
    requires = frozenset(cls.requires) if issubclass(cls, Strategy) else frozenset()
    return Registered(kind, path, cls, path, "", "", path, summary_of(cls), cls.Options, requires)


def registered(cls: object, kind: str, origin: Origin) -> Registered:
    """Check *cls* and describe it. Raises KindError."""
    checked = check_class(cls, kind)
    capabilities: frozenset[str] = frozenset()
    if issubclass(checked, Strategy):
        capabilities = frozenset(checked.requires)
    elif issubclass(checked, Backend):
        capabilities = frozenset(checked.capabilities)
    return Registered(
        kind, checked.name, checked, origin.plugin, origin.distribution, origin.version, location_of(checked) or origin.location,
        summary_of(checked), checked.Options, capabilities,
    )


def origin_of(item: Registered) -> Origin:
    """Where a registered class comes from."""
    return Origin(item.plugin, item.distribution, item.version, item.location)


def refuse_unmarked(plugin: object) -> None:
    """A function with a hook's name but without the mark would never be called, and nobody would say so."""
    for hook in (*hookspecs.KIND_HOOKS.values(), "minikvm_requests", *hookspecs.NOTIFY_HOOKS):
        function = getattr(plugin, hook, None)
        marks = (f"{hookspecs.PROJECT}_impl", f"{hookspecs.PROJECT}_spec")
        if callable(function) and not any(hasattr(function, mark) for mark in marks):
            raise KindError(f"{hook} lacks the mark @hookimpl (from minikvm.hookspecs import hookimpl)")


def _has_file(plugin: object) -> bool:
    return isinstance(plugin, (ModuleType, type)) or callable(plugin)
