"""What may go wrong when a VM starts, told as what it is: a plugin's failure, or a host that is too small for the configuration."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from minikvm.config.loader import error_at
from minikvm.pluginload import PluginError, sentence

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.live.core import LiveCore
    from minikvm.plugins import Manager

STACK_BYTES = 512 * 1024
"""A vCPU thread's stack: the run loop needs little, a Python plugin some."""


def open_backend(core: LiveCore, config: VMConfig, manager: Manager) -> None:
    """Open the back end on every slot. ConfigError where the host lacks what a built-in needs; PluginError for another's exception."""
    try:
        core.open()
    except Exception as error:
        brought = manager.get("backend", config.backend.name)
        if brought.plugin == "minikvm" and isinstance(error, OSError):
            expected = f"a back end for which the host has a doorbell a pCPU, {core.table.nr_pcpus} in all"
            raise error_at(config, ("backend",), expected, sentence(error)) from error
        raise PluginError(f"backend {brought.name} failed to open: {sentence(error)}", brought.plugin) from error


def start_thread(name: str, body: Callable[[], None], config: VMConfig) -> threading.Thread:
    """A thread of the VM, started. ConfigError where the host has no thread left, or no memory for its stack."""
    before = threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=body, name=name, daemon=True)
        thread.start()
    except (RuntimeError, MemoryError) as error:
        expected = "no more vCPUs than the host has threads and memory for, one thread each"
        raise error_at(config, ("vm", "vcpus"), expected, f"{name}: {sentence(error)}") from error
    finally:
        threading.stack_size(before)
    return thread
