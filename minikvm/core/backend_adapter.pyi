from typing import Any, Protocol, final

from minikvm.core.view import CurrentVM

@final
class Doorbell:
    bell: int
    fd: int
    state: Any
    @property
    def pcpu(self) -> int: ...
    @property
    def pending(self) -> int: ...
    @property
    def tid(self) -> int: ...
    def strike(self) -> int: ...

class _PythonBackend(Protocol):
    """Optional: open(doorbell), close(doorbell), thread_start(vm), sleep(vm, doorbell, idle, timeout_ns), spin(the same)."""

    def ring(self, vm: CurrentVM, doorbell: Doorbell, /) -> None: ...

@final
class BackendAdapter: ...

def python_backend(plugin: _PythonBackend) -> Any: ...
