"""Finding and importing plugins: from installed distributions, from modules, from files."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minikvm.kindcheck import KindError, location_of
from minikvm.kinds import KINDS, Kind, kind_of

GROUP = "minikvm"


class PluginError(Exception):
    """A plugin failed: at import, at registration or during a run. The command line exits with 3.

    plugin: how to name it to a person. The plugin's own exception, if there is one, is ``__cause__``.
    """

    def __init__(self, message: str, plugin: str = "") -> None:
        super().__init__(message)
        self.plugin = plugin

    @property
    def needs_traceback(self) -> bool:
        """False if the sentence says it all: a broken rule, a rebuilt core. True if the plugin's code raised."""
        cause = self.__cause__
        return cause is not None and not isinstance(cause, (KindError, PluginError)) and not is_abi_mismatch(cause)


class NotFound(LookupError):
    """A name on the command line or in a configuration stands for nothing. The command line exits with 2."""

    def __str__(self) -> str:
        return str(self.args[0])


class BadSource(Exception):
    """A C file that cannot be used as it is: unreadable, of no known form, or it does not compile. The command line exits with 2."""


class BeginAnew(Exception):
    """Raised in an exploration that has to begin anew: something is shared between threads that was not known to be. *word*: what."""

    word: int


@dataclass(frozen=True)
class Origin:
    """Where a plugin comes from. distribution and version are "" for a file or a module outside of any distribution."""

    plugin: str
    distribution: str = ""
    version: str = ""
    location: str = ""

    def __str__(self) -> str:
        whole = f"{self.distribution} {self.version}".strip()
        if whole and self.location:
            return f"{whole} ({self.location})"
        return whole or self.location or self.plugin


def is_abi_mismatch(cause: BaseException) -> bool:
    """Did an extension refuse to load because it was built for another core?"""
    return isinstance(cause, ImportError) and "rebuild the plugin" in str(cause)


def sentence(cause: BaseException) -> str:
    """What *cause* says, with its type where the text alone would be cryptic (KeyError: 'x')."""
    text = " ".join(str(cause).split())
    if isinstance(cause, (KindError, PluginError)) or is_abi_mismatch(cause):
        return text
    return f"{type(cause).__name__}: {text}" if text else type(cause).__name__


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """"; did you mean X?" or ""."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def entry_points() -> list[importlib.metadata.EntryPoint]:
    """The installed plugins, in the order of their names, not yet imported."""
    return sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))


def origin_of_entry(entry: importlib.metadata.EntryPoint) -> Origin:
    """Name, distribution and version of an entry point; the location is known only after the import."""
    if entry.dist is None:
        return Origin(entry.name)
    return Origin(entry.name, entry.dist.name, entry.dist.version)


def normalized(name: str) -> str:
    """A distribution's name as package indexes compare it: My_Plugin is my-plugin."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_path(spec: str) -> bool:
    """Is the value of ``-p`` a file's path rather than a name?"""
    return spec.endswith(".py") or "/" in spec


def load_file(path: Path) -> tuple[object, Origin]:
    """Import one .py file under a module name of its own, so that two files named alike do not meet.

    Raises NotFound if there is no such file; whatever the file raises passes through.
    """
    if not path.exists():
        beside = [p.name for p in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise NotFound(f"plugin file {path}: there is no such file{did_you_mean(path.name, beside)}")
    if path.is_dir():
        raise NotFound(f"plugin file {path}: this is a folder, expected a .py file")
    if path.suffix != ".py":
        raise NotFound(f"plugin file {path}: expected a .py file (a compiled plugin is installed and found by its name)")
    full = path.resolve()
    stem = re.sub(r"\W", "_", full.stem)
    name = f"minikvm_plugin_{stem}_{hashlib.sha256(str(full).encode()).hexdigest()[:10]}"
    origin = Origin(str(path), location=str(full))
    if name in sys.modules:
        return sys.modules[name], origin
    spec = importlib.util.spec_from_file_location(name, full)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Before the execution: dataclasses and pickle look their module up by name.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module, origin


def load_module(name: str) -> tuple[object, Origin]:
    """Import a module by its dotted name.

    Raises NotFound if there is no such module; whatever the module raises passes through.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise NotFound(f"plugin {name!r}: expected a .py file, an installed plugin's name or a module")
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only if the name itself is missing: a module that fails to import another one is a broken plugin.
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
        installed = sorted({entry.name for entry in entry_points()})
        raise NotFound(
            f"plugin {name}: neither a .py file nor an installed plugin (installed: {', '.join(installed) or 'none'}) "
            f"nor a module that can be imported{did_you_mean(name, installed)}"
        ) from None
    try:
        found = importlib.metadata.distribution(name.partition(".")[0])
    except importlib.metadata.PackageNotFoundError:
        return module, Origin(name, location=location_of(module))
    return module, Origin(name, found.name, found.version, location_of(module))


def classes_in(module: object) -> list[type[Kind]]:
    """The plugin classes that *module* itself defines; an imported one, or one named with an underscore, is none of its own."""
    name = getattr(module, "__name__", None)
    found = (obj for obj in list(vars(module).values()) if kind_of(obj) is not None)
    return [cls for cls in found if cls.__module__ == name and not cls.__name__.startswith("_")]


BUILTIN_PACKAGES = {
    "strategy": "minikvm.strategies",
    "backend": "minikvm.backends",
    "injector": "minikvm.injectors",
    "loop": "minikvm.loops",
    "engine": "minikvm.engines",
    "model": "minikvm.check.models",
}
"""Where the built-ins live: one module a class, named as the class's name with underscores. A module with a leading underscore is none."""


def builtin_files(kind: str) -> dict[str, tuple[str, str]]:
    """The built-ins of *kind* without importing them: name -> (module, file)."""
    found: dict[str, tuple[str, str]] = {}
    package = BUILTIN_PACKAGES.get(kind)
    if package is None:
        return found
    suffixes = set(importlib.machinery.all_suffixes())
    top, *rest_of_path = package.split(".")
    spec = importlib.util.find_spec(top)  # of a.b.c it would import a.b
    for root in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(root, *rest_of_path)
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            stem, dot, rest = file.name.partition(".")
            if dot + rest in suffixes and not stem.startswith("_"):
                found.setdefault(stem.replace("_", "-"), (f"{package}.{stem}", str(file)))
    return found


def load_builtin(kind: str, name: str, module_name: str) -> type[Kind]:
    """Import a built-in's module and return the one class of *kind* that it holds.

    Raises PluginError if it does not import, or holds anything else: a built-in that is broken is never passed over.
    """
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise PluginError(f"the built-in {kind} {name} ({module_name}) does not import: {sentence(error)}", "minikvm") from error
    classes = [cls for cls in classes_in(module) if issubclass(cls, KINDS[kind])]
    if len(classes) != 1 or classes[0].name != name:
        held = ", ".join(f"{cls.__name__} ({cls.name!r})" for cls in classes) or "none"
        raise PluginError(f"the built-in module {module_name} must hold one {kind} named {name!r}; it holds {held}", "minikvm")
    return classes[0]
