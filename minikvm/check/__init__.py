"""check: every interleaving under every memory model. Execution graphs, the explorer, memory models, properties, counterexamples.

What may live here: nothing that knows how a verdict is shown. Imports core, the kinds, config and the plugins' rooms; never live, report
or cli.

    >>> from minikvm.check import Program, explore
    >>> p = Program.parse("W x 1; R y a || W y 1; R x b").observe("a", "b")
    >>> result = explore(p, "sc")
    >>> result.executions, result.allows(a=0, b=0)
    (3, False)
"""

from minikvm.check.execution import Event, Graph
from minikvm.check.explorer import ReplayError
from minikvm.check.parser import ProgramError
from minikvm.check.program import Program, Race, Result, explore

__all__ = ["Event", "Graph", "Program", "ProgramError", "Race", "ReplayError", "Result", "explore"]
