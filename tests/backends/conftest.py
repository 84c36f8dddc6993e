"""Every built-in back end, in each way in which its guest can wait."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minikvm.testing._pingpong import PingPong

WAYS = [
    ("futex", "sleep"), ("eventfd", "sleep"), ("signal", "sleep"), ("signal", "spin"), ("spin", "spin"), ("membarrier", "spin"),
]


@pytest.fixture(scope="session")
def backend() -> Callable[..., Any]:
    """backend(name, **options) -> the back end's object."""

    def make(name: str, **options: Any) -> Any:
        module = importlib.import_module(f"minikvm.backends.{name}")
        (cls,) = (c for c in vars(module).values() if isinstance(c, type) and getattr(c, "name", None) == name)
        return cls(cls.Options(**options))

    return make


@pytest.fixture
def two_slots(backend: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """two_slots(name, way, **options) -> a PingPong, closed after the test."""
    made = []

    def make(name: str, way: str, **options: Any) -> Any:
        made.append(PingPong(backend(name, **options), way == "spin"))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "way" in metafunc.fixturenames:
        metafunc.parametrize(("name", "way"), WAYS, ids=["-".join(pair) for pair in WAYS])
