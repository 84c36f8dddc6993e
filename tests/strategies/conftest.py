"""The built-in strategies, by name."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

NAMES = (
    "asymmetric", "broadcast", "cluster", "deferred-flush", "linear", "locked", "pv-window", "sampled", "upstream", "upstream-linear",
    "v1-bitmap",
)


def make_strategy(name: str, **options: Any) -> Any:
    module = importlib.import_module(f"minikvm.strategies.{name.replace('-', '_')}")
    (cls,) = (c for c in vars(module).values() if isinstance(c, type) and getattr(c, "name", None) == name)
    return cls(cls.Options(**options))


@pytest.fixture(scope="session")
def strategy() -> Callable[..., Any]:
    return make_strategy


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "strategy_name" in metafunc.fixturenames:
        metafunc.parametrize("strategy_name", NAMES)
