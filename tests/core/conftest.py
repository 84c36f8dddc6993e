"""What the tests of core share: KVM's requests, and a trace as lines that can be read in a failure message."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from minikvm.core.recorder import Op
from minikvm.core.requests import RequestRegistry


@pytest.fixture(scope="session")
def registry() -> RequestRegistry:
    return RequestRegistry()


@pytest.fixture(scope="session")
def steps() -> Callable[[Iterable[Op]], list[str]]:
    """A trace as "what order name" lines, without values: "fence mb wake_up", "load relaxed vcpu.cpu", "call wake"."""

    def written(trace: Iterable[Op]) -> list[str]:
        return [" ".join(word for word in (op.op, op.order, op.name) if word) for op in trace]

    return written
