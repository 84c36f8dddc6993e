from collections.abc import Iterable
from typing import Any, final

from minikvm.kinds import MemoryModel

@final
class PythonModel:
    def __init__(self, plugin: MemoryModel, loc_names: tuple[str, ...]) -> None: ...

# A PyCapsule, which typing has no name for.
def capsule_of(model: MemoryModel, loc_names: Iterable[str] = ()) -> Any: ...
