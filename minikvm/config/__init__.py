"""The YAML model of a VM: ``load`` a file, get a ``VMConfig`` or one ``ConfigError`` with everything that is wrong.

May import core and the standard library beside PyYAML and pydantic; names of plugins come through a registry that the caller gives.
"""

from minikvm.config.files import find, shipped
from minikvm.config.host import Topology, discover
from minikvm.config.loader import as_data, dumps, load, loads, override
from minikvm.config.model import VM, Check, Guest, Host, InjectorPlugin, OwnRequest, Placement, Plugin, VMConfig, Watchdog
from minikvm.config.placement import pcpus_used, place, starting_pcpus, topology_of
from minikvm.config.problems import ConfigError, Problem
from minikvm.config.registry import Registry, RequestTraits
from minikvm.config.targets import TargetSet, holes_of, ids_of, resolve_initiators, resolve_targets
from minikvm.config.workload import ExceptTargets, Initiator, RandomTargets, WorkloadLine

__all__ = [
    "VM", "Check", "ConfigError", "ExceptTargets", "Guest", "Host", "Initiator", "InjectorPlugin", "OwnRequest", "Placement", "Plugin",
    "Problem", "RandomTargets", "Registry", "RequestTraits", "TargetSet", "Topology", "VMConfig", "Watchdog", "WorkloadLine", "as_data",
    "discover", "dumps", "find", "holes_of", "ids_of", "load", "loads", "override", "pcpus_used", "place", "resolve_initiators",
    "resolve_targets", "shipped", "starting_pcpus", "topology_of",
]  # fmt: skip
