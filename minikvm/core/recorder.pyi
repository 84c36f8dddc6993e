from collections.abc import Callable
from typing import Any, NamedTuple, final

class Op(NamedTuple):
    op: str
    name: str = ""
    order: str = ""
    value: Any = None
    operand: int | None = None
    vcpu: int | None = None

MEMORY_OPS: frozenset[str]
POINTS: tuple[str, ...]
EVENTS: tuple[str, ...]
VERDICTS: dict[str, int]

@final
class Recorder:
    trace: list[Op]
    hooks: dict[str, Callable[..., int | None]]
    verdicts: dict[str, str]
    at_point: Callable[[str, int | None], str | None] | None
    answers: list[int]
    injectors: list[object]
    work: bool
