from typing import Any

from minikvm.pluginload import BeginAnew

MAX_OPERATIONS: int
MAX_BLOCKS: int

class Exposed(BeginAnew):
    word: int

class Library:
    def __init__(self, file: str, lines: Any, name: str, checked: bool, arm64: bool = False, exposed: tuple[int, ...] = ()) -> None: ...
    def capsule(self, kind: str) -> Any: ...
