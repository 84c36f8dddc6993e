"""Every built-in injector, and a VM on which it is asked."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from minikvm.core.standalone import Standalone

NAMES = (
    "delay", "late-ipi", "lost-ipi", "mask-alloc-failure", "preempt", "spurious-ipi", "spurious-wakeup", "stale-cpu",
)


@pytest.fixture(scope="session")
def injector() -> Callable[..., Any]:
    """injector(name, **options) -> the injector's object."""

    def make(name: str, **options: Any) -> Any:
        module = importlib.import_module(f"minikvm.injectors.{name.replace('-', '_')}")
        (cls,) = (c for c in vars(module).values() if isinstance(c, type) and getattr(c, "name", None) == name)
        return cls(cls.Options(**options))

    return make


@pytest.fixture
def vm() -> Standalone:
    """Three vCPUs on pCPUs 0..2; the context runs on pCPU 2."""
    vm = Standalone(3, world=True, this_cpu=2)
    for idx in range(3):
        vm.set_vcpu(idx, cpu=idx)
    return vm


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "injector_name" in metafunc.fixturenames:
        metafunc.parametrize("injector_name", NAMES)
