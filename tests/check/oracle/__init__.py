"""What the explorer must find, by brute force and from the definitions: see graphs.py, axioms.py and machines.py."""
from .axioms import MODELS
from .graphs import Graph, TooBig, candidates, load, outcome
from .machines import sc_machine, tso_machine
from .races import RACES

__all__ = ["MODELS", "RACES", "Graph", "TooBig", "candidates", "load", "outcome", "sc_machine", "tso_machine"]
