"""What the tests of config share: a small registry, and the messages of a bad text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from minikvm.config import ConfigError, loads


class ClusterOptions(BaseModel, extra="forbid"):
    width: int = Field(16, ge=1, le=64)
    kind: Literal["x2apic", "node"] = "node"


class DelayOptions(BaseModel, extra="forbid"):
    ns: list[int] = []


NAMES = {
    "request": ["KVM_REQ_TLB_FLUSH", "EVENT"],
    "strategy": ["upstream", "cluster"],
    "backend": ["futex", "signal"],
    "loop": ["x86", "arm64"],
    "injector": ["stale-cpu", "delay"],
    "engine": ["threads"],
    "model": [],
}


class SmallRegistry:
    """A few names of each kind; the strategy cluster and the injector delay take options."""

    def names(self, kind: str) -> list[str]:
        return NAMES[kind]

    def options_model(self, kind: str, name: str) -> type[BaseModel] | None:
        return {("strategy", "cluster"): ClusterOptions, ("injector", "delay"): DelayOptions}.get((kind, name))


@pytest.fixture
def registry() -> SmallRegistry:
    return SmallRegistry()


@pytest.fixture
def complaints() -> Callable[..., list[str]]:
    """loads(text, "f.yaml") must fail; the lines of its message."""

    def lines(text: str | bytes, **options: object) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            loads(text, "f.yaml", **options)
        return str(caught.value).split("\n")

    return lines
