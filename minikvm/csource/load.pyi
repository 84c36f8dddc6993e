from typing import Any

MAX_OPERATIONS: int
MAX_BLOCKS: int

class Exposed(Exception):
    word: int

class Library:
    def __init__(self, file: str, lines: Any, name: str, checked: bool, arm64: bool = False) -> None: ...
    def capsule(self, kind: str) -> Any: ...
