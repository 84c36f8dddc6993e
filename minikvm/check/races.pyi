from typing import NamedTuple, final

class Access(NamedTuple):
    thread: int
    index: int  # type: ignore[assignment]
    kind: str
    order: str
    loc: int
    name: str
    file: str
    line: int

@final
class RaceLog:
    pairs: list[tuple[Access, Access]]
