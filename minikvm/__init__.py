"""minikvm: write a vCPU kick strategy once; run it on real threads, check it, measure it."""

import sys as _sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minikvm.config import load as load
    from minikvm.live import VM as VM

__version__ = "0.1.0"
__all__ = ["VM", "__version__", "get_include", "load"]

if not getattr(_sys, "_is_gil_enabled", lambda: True)():
    raise ImportError("minikvm needs an interpreter with the GIL; this one is free-threaded")


def __getattr__(name: str) -> Any:
    """VM and load, imported when they are first used: ``minikvm --help`` needs neither."""
    if name == "VM":
        from minikvm.live import VM

        return VM
    if name == "load":
        from minikvm.config import load

        return load
    raise AttributeError(f"module 'minikvm' has no attribute {name!r}")


def get_include() -> str:
    """The folder to give to a C compiler so that ``#include <minikvm/minikvm.h>`` is found."""
    from pathlib import Path

    return str(Path(__file__).parent / "include")
