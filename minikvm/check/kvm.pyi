from collections.abc import Callable, Iterable
from typing import Any

from minikvm.check.execution import Graph
from minikvm.check.scope import Scope
from minikvm.check.steering import Steered

class Scene(Steered):
    objects: object
    def __init__(
        self, scope: Scope, model: Any, strategy: object, loop: object, injectors: Iterable[object] = ..., python: bool = ...,
        on_violation: Callable[[str, dict[str, Any]], None] | None = ...,
    ) -> None: ...
    def data_races(self) -> list[tuple[tuple[str, str, str, str], tuple[str, str, str, str]]]: ...
    def graph(self) -> Graph: ...
    def location_names(self) -> tuple[str, ...]: ...
