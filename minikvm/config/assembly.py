"""From the names in a configuration to plugins and requests: what a run and a check have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minikvm.config.loader import error_at
from minikvm.core.requests import Request, RequestRegistry
from minikvm.pluginload import PluginError

if TYPE_CHECKING:
    from minikvm.config.model import Plugin, VMConfig
    from minikvm.config.workload import WorkloadLine
    from minikvm.plugins import Manager


def registry_of(config: VMConfig, manager: Manager) -> RequestRegistry:
    """KVM's requests, the plugins' and the file's own; ConfigError when two of them clash."""
    registry = RequestRegistry()
    own = [(r.name, r.id, [f for f in ("wait", "no_wakeup", "no_action") if getattr(r, f)], r.gate, r.sticky) for r in manager.requests()]
    own += [(r.name, r.id, list(r.flags), r.gate, r.sticky) for r in config.requests]
    for name, nr, flags, gate, sticky in own:
        try:
            registry.register(name, nr, flags, gate=gate, sticky=sticky)
        except ValueError as error:
            raise error_at(config, ("requests",), f"ids and names of their own ({error})") from None
    return registry


def request_of(line: WorkloadLine, registry: RequestRegistry) -> Request:
    """The line's request with the flags that the line gives it."""
    return registry[line.request].but(wait=line.wait, no_wakeup=line.no_wakeup, no_action=line.no_action)


def native_of(plugin: Any, kind: str) -> Any:
    """The plugin's own C functions, else trampolines to its Python methods. PluginError when it can have neither."""
    capsule = plugin.native()
    if capsule is not None:
        return capsule
    from minikvm.core import adapters, backend_adapter

    makers: dict[str, Callable[[Any], Any]] = {
        "strategy": adapters.python_strategy, "loop": adapters.python_loop, "injector": adapters.python_injector,
        "backend": backend_adapter.python_backend, "engine": adapters.python_engine,
    }
    if kind not in makers:
        raise PluginError(f"{kind} {plugin.name}: native() returned None, and this kind cannot be written in Python", plugin.name)
    try:
        return makers[kind](plugin)
    except (TypeError, ValueError) as error:
        raise PluginError(f"{kind} {plugin.name}: {error}", plugin.name) from error


def create(manager: Manager, kind: str, wanted: Plugin) -> Any:
    """An instance of the class that the configuration names."""
    return manager.create(kind, wanted.name, wanted.options)
