from collections.abc import Callable
from typing import Any

from minikvm.check.execution import Graph
from minikvm.check.program import Program, Result
from minikvm.check.steering import Steered

class Exploration(Steered):
    def __init__(
        self, program: Program, model: Any, *, on_execution: Callable[[Graph], object] | None = ..., outcomes: bool = ...,
        races: bool = ..., symmetry: Any = ...,
    ) -> None: ...
    @property
    def model_name(self) -> str: ...
    def result(self) -> Result: ...
