"""minikvm: write a vCPU kick strategy once; run it on real threads, check it, measure it."""

__version__ = "0.1.0"


def get_include() -> str:
    """The folder to give to a C compiler so that ``#include <minikvm/minikvm.h>`` is found."""
    from pathlib import Path

    return str(Path(__file__).parent / "include")
