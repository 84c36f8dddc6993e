"""What may plug in, and what is told about: minikvm's pluggy hooks.

A plugin is a module (or object) with functions marked ``@hookimpl``. It is found through the entry-point group ``minikvm`` of an
installed distribution, or named with ``minikvm -p FILE_OR_MODULE``. The first eight hooks hand over classes and definitions, once,
when the plugin is loaded; the last three are told about a run. No hook is called in a hot loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pluggy

from minikvm import kinds

PROJECT = "minikvm"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""The mark of a hook's implementation: ``from minikvm.hookspecs import hookimpl``."""


@hookspec
def minikvm_strategies() -> Sequence[type[kinds.Strategy]]:  # type: ignore[empty-body]
    """Bring request-dispatch strategies.

    Example::

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import REQUEST_WAIT, Strategy

        class KickOnly(Strategy):
            '''Log the request and kick, wake nobody.'''

            name = "kick-only"

            def dispatch(self, vm, request, targets):
                with vm.preempt_disabled() as me:
                    mask = vm.kick_mask()
                    for idx in targets:
                        vcpu = vm.vcpu(idx)
                        vm.make_request(request, vcpu)
                        if vm.needs_ipi(vcpu, request):
                            vm.mask_cpu(vcpu, vm.read_cpu(vcpu), me, mask)
                    return vm.kick_many(mask, bool(request & REQUEST_WAIT))

        @hookimpl
        def minikvm_strategies():
            return [KickOnly]

    Returns a list of subclasses of minikvm.kinds.Strategy.
    """


@hookspec
def minikvm_ipi_backends() -> Sequence[type[kinds.Backend]]:  # type: ignore[empty-body]
    """Bring IPI back ends.

    Example::

        import time

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import Backend

        class Poll(Backend):
            '''The guest looks at its pending word every 10 microseconds; a ring has nothing to do.'''

            name = "poll"
            capabilities = frozenset({"acknowledges", "interrupts-sleep"})
            cost = "memory"

            def ring(self, vm, doorbell):
                pass

            def wait(self, vm, doorbell, timeout_ns):
                time.sleep(10e-6)

        @hookimpl
        def minikvm_ipi_backends():
            return [Poll]

    Returns a list of subclasses of minikvm.kinds.Backend.
    """


@hookspec
def minikvm_race_injectors() -> Sequence[type[kinds.Injector]]:  # type: ignore[empty-body]
    """Bring race injectors.

    Example::

        import os

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import Injector

        class Yield(Injector):
            '''Let another thread run between the read of vcpu.cpu and the IPI.'''

            name = "yield"
            points = ("kick.cpu_read",)

            def at(self, vm, point, vcpu):
                os.sched_yield()

        @hookimpl
        def minikvm_race_injectors():
            return [Yield]

    Returns a list of subclasses of minikvm.kinds.Injector.
    """


@hookspec
def minikvm_run_loops() -> Sequence[type[kinds.Loop]]:  # type: ignore[empty-body]
    """Bring vCPU run loops.

    Example::

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import Loop

        class Unchecked(Loop):
            '''Enter the guest without a last check: a demonstration of what the check is for.'''

            name = "unchecked"
            arch = "arm64"

            def enter(self, vm, vcpu):
                return vm.enter_guest(vcpu)

        @hookimpl
        def minikvm_run_loops():
            return [Unchecked]

    Returns a list of subclasses of minikvm.kinds.Loop.
    """


@hookspec
def minikvm_guest_engines() -> Sequence[type[kinds.GuestEngine]]:  # type: ignore[empty-body]
    """Bring guest engines: what "in the guest" is.

    Example::

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import GuestEngine

        class Nothing(GuestEngine):
            '''A guest that leaves at once.'''

            name = "nothing"

            def run(self, vm, vcpu, timeout_ns):
                return None

        @hookimpl
        def minikvm_guest_engines():
            return [Nothing]

    Returns a list of subclasses of minikvm.kinds.GuestEngine.
    """


@hookspec
def minikvm_memory_models() -> Sequence[type[kinds.MemoryModel]]:  # type: ignore[empty-body]
    """Bring memory models for the checker.

    Example::

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import MemoryModel

        class Anything(MemoryModel):
            '''Every execution is allowed.'''

            name = "anything"

            def consistent(self, graph):
                return True

        @hookimpl
        def minikvm_memory_models():
            return [Anything]

    Returns a list of subclasses of minikvm.kinds.MemoryModel.
    """


@hookspec
def minikvm_workloads() -> Sequence[type[kinds.Workload]]:  # type: ignore[empty-body]
    """Bring generators of calls.

    Example::

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import Workload

        class Wave(Workload):
            '''Flush one vCPU after the other, once.'''

            name = "wave"

            def calls(self, vm):
                for idx in range(len(vm.vcpus)):
                    yield {"request": "TLB_FLUSH", "targets": [idx], "wait": True}

        @hookimpl
        def minikvm_workloads():
            return [Wave]

    Returns a list of subclasses of minikvm.kinds.Workload.
    """


@hookspec
def minikvm_requests() -> Sequence[kinds.RequestDef]:  # type: ignore[empty-body]
    """Bring request ids of your own, which a workload then calls by name.

    Example::

        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import RequestDef

        @hookimpl
        def minikvm_requests():
            return [RequestDef("MY_SCAN", 50, wait=True, no_wakeup=True)]

    Returns a list of minikvm.kinds.RequestDef; names and ids are unique among all plugins and KVM's own.
    """


@hookspec
def minikvm_vm_started(vm: Any) -> None:
    """Hear that a VM's threads run and its workload is about to start.

    Example::

        import sys

        from minikvm.hookspecs import hookimpl

        @hookimpl
        def minikvm_vm_started(vm):
            print("started", len(vm.vcpus), "vCPUs", file=sys.stderr)

    Returns nothing. Called on the thread that called ``vm.run()``; an exception ends the run with exit code 3.
    """


@hookspec
def minikvm_vm_stopped(vm: Any, report: Any) -> None:
    """Hear that a VM has ended, and how; all of its threads are gone.

    Example::

        import json
        import sys

        from minikvm.hookspecs import hookimpl

        @hookimpl
        def minikvm_vm_stopped(vm, report):
            json.dump(report.as_dict()["totals"], sys.stderr)

    Returns nothing. *report* has ``exit_code`` and ``as_dict()``, the mapping that ``minikvm run --json`` prints.
    """


@hookspec
def minikvm_violation(vm: Any, violation: Any) -> None:
    """Hear that a property was violated.

    Example::

        import sys

        from minikvm.hookspecs import hookimpl

        @hookimpl
        def minikvm_violation(violation):
            print(violation["property"], violation["sentence"], file=sys.stderr)

    Returns nothing. *violation* is one entry of the report's ``violations``. Take only the arguments that you use.
    """


KIND_HOOKS = {
    "strategy": "minikvm_strategies",
    "backend": "minikvm_ipi_backends",
    "injector": "minikvm_race_injectors",
    "loop": "minikvm_run_loops",
    "engine": "minikvm_guest_engines",
    "model": "minikvm_memory_models",
    "workload": "minikvm_workloads",
}
"""The hook that brings the classes of each kind."""
NOTIFY_HOOKS = ("minikvm_vm_started", "minikvm_vm_stopped", "minikvm_violation")
