"""The VM on OS threads: vCPU threads, pCPU slots, initiators, injected worlds, the watchdog and the report's figures.

May import core, the built-ins' base classes, config and the plugin manager; not report, testing or cli.
"""

from minikvm.live.vm import VM, VMError

__all__ = ["VM", "VMError"]
