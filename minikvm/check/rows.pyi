class BadAddress(RuntimeError):
    thread: int
    row: int
    value: int

def location_at(value: int) -> int: ...
