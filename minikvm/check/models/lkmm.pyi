from pydantic import BaseModel

from minikvm.kinds import MemoryModel

class LKMM(MemoryModel):
    plain: bool

    def __init__(self, options: BaseModel | None = ..., *, plain: bool = ...) -> None: ...
