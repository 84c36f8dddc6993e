"""Litmus tests in the C format of the Linux kernel's tools/memory-model: parsed, translated to the explorer's rows, decided.

What may live here: the format (source.py, statement.py), its C (operations.py, translate.py, expressions.py), what a file's verdict is
(decide.py), several files (many.py). What a person reads of it is report's. Imports minikvm.check and rooms below. docs/litmus.md
describes the format.
"""

from minikvm.litmus.decide import Decided, decide
from minikvm.litmus.errors import LitmusError
from minikvm.litmus.test import LitmusTest, load

__all__ = ["Decided", "LitmusError", "LitmusTest", "decide", "load"]
