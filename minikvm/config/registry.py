"""Where the loader takes names from. config stands below the plugins, so the caller hands them over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from minikvm.requestdefs import KVM_REQUESTS


class Registry(Protocol):
    """The names that plugins provide.

    Kinds: "request", "strategy", "backend", "injector", "loop", "engine", "model".
    """

    def names(self, kind: str) -> Sequence[str]:
        """Every name of the kind."""
        ...

    def options_model(self, kind: str, name: str) -> type[BaseModel] | None:
        """The model of a plugin's options; None when it takes none."""
        ...


@runtime_checkable
class RequestTraits(Protocol):
    """What a Registry may also know: the flags of a request."""

    def request_traits(self, name: str) -> frozenset[str]:
        """Some of "wait", "no_wakeup", "no_action", "gate", "sticky". The name has no prefix."""
        ...


@runtime_checkable
class LeavesOut(Protocol):
    """What a Registry may also know: the names that there would be, had nobody asked for them to be left out."""

    def left_out(self, kind: str, name: str) -> bool:
        """Was it left out (-p no:NAME)?"""
        ...


KVM_TRAITS: dict[str, frozenset[str]] = {name: traits for name, (_, traits) in KVM_REQUESTS.items()}
"""KVM's own requests, for files that are read without plugins."""


def traits_of(name: str, registry: Registry | None) -> frozenset[str] | None:
    """The flags of a request that no file defines; None when nobody knows it."""
    if isinstance(registry, RequestTraits) and name in bare_names(registry):
        return registry.request_traits(name)
    return KVM_TRAITS.get(name)


def bare_names(registry: Registry) -> list[str]:
    """The registry's request names without KVM_REQ_."""
    return [name.removeprefix("KVM_REQ_") for name in registry.names("request")]
