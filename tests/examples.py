"""How many examples a property is tried with."""

import os


def examples(count: int) -> int:
    """``count``, or so many times more as MINIKVM_TEST_EXAMPLES says (tox -e fuzz)."""
    return count * int(os.environ.get("MINIKVM_TEST_EXAMPLES", "1"))
