"""What may plug in: one small base class for each kind of plugin.

A plugin author subclasses one of these and hands the class over, either through a hook (hookspecs.py) or simply by defining it
in the file that is given to ``minikvm -p``. Every kind follows one pattern:

- ``name``: how a YAML file and the command line call it, a slug (``my-strategy``); unique among the classes of its kind;
- the first line of the docstring: the summary that ``minikvm plugins list`` prints;
- ``Options``: a pydantic model with the options that the YAML file may set; the instance gets it as ``self.options``;
- the work itself, in one of two forms: ``native()`` returns a PyCapsule with a table of C functions, which are called without
  the GIL, or one Python method does it (``dispatch`` of a strategy, ``ring`` of a back end, ...), which is called with it.

minikvm makes one instance a run. Python methods are called from many threads, so they keep no state without a lock.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from minikvm.requestdefs import (
    REQUEST_ID_MASK,
    REQUEST_NO_ACTION,
    REQUEST_NO_WAKEUP,
    REQUEST_WAIT,
    RequestDef,
)

SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
CAPABILITIES = frozenset({"acknowledges", "interrupts-sleep", "interrupts-spin"})
COSTS = ("memory", "syscall", "signal", "broadcast")
USES = {"strategy": frozenset({"membarrier"}), "loop": frozenset({"membarrier"}), "injector": frozenset({"migrate", "walk"})}
MAX_NAME = 64
C_KINDS = ("strategy", "loop")
"""What may be a C file, whose path is its name then."""
ARCHES = ("any", "x86", "arm64")
POINTS = frozenset("""
    kick.begin kick.alloc_mask kick.cpu_read kick.made kick.wake kick.mode ipi.send ipi.await kick.end vcpu.loaded vcpu.put vcpu.check
    vcpu.handled entry.irqs_off entry.mode entry.last_check entry.enter entry.exit entry.outside entry.abort walk.begin walk.end
    block.published block.test block.sleep block.woken irq.handled task.run
""".split())  # noqa: SIM905 (a table to be read)
"""The points at which injectors are asked: MK_POINTS of include/minikvm/world.h."""

__all__ = [
    "ARCHES", "CAPABILITIES", "COSTS", "C_KINDS", "KINDS", "POINTS", "REQUEST_ID_MASK", "REQUEST_NO_ACTION", "REQUEST_NO_WAKEUP",
    "REQUEST_WAIT", "USES", "Backend", "GuestEngine", "Injector", "Kind", "Loop", "MemoryModel", "NoOptions", "Options", "RequestDef",
    "Strategy", "Workload", "is_c_file", "kind_of", "label", "labels", "summary_of",
]


class Options(BaseModel):
    """The base of a plugin's options: unknown keys are errors, values do not change during a run.

    Example::

        from minikvm.kinds import Options
        from pydantic import Field

        class GroupOptions(Options):
            group: int = Field(16, ge=1, le=64, description="pCPUs that one send reaches")
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class NoOptions(Options):
    """The options of a plugin that has none."""


class Kind:
    """The common part of all kinds. Not to be subclassed by plugins: take one of the classes below."""

    kind: ClassVar[str] = ""
    python_methods: ClassVar[tuple[str, ...]] = ()
    """The Python methods that do the work when native() returns None: all of them must be there."""
    reserved_options: ClassVar[tuple[str, ...]] = ("name",)
    """Keys that the YAML file uses itself beside the plugin's own."""

    name: ClassVar[str] = ""
    Options: ClassVar[type[BaseModel]] = NoOptions

    def __init__(self, options: BaseModel | None = None) -> None:
        self.options: Any = self.Options() if options is None else options

    def native(self) -> object | None:
        """A PyCapsule with the C functions of this kind (minikvm.core's .pxd files), or None: the Python methods do the work."""
        return None

    def checked(self) -> object | None:
        """The same for the explorer; another one for what has to be compiled otherwise for it (kernel-style C)."""
        return self.native()

    @classmethod
    def summary(cls) -> str:
        """The docstring's first line."""
        return summary_of(cls)


class Strategy(Kind):
    """How a request is brought to many vCPUs: which are looked at, in which order, and how the IPIs are sent.

    *dispatch* makes *request* (id and flags) for each of *targets* (table indices) and kicks those that need it; it returns
    True if it sent an IPI. The order of the steps is the protocol's: request, wake-up, mode, and only then ``vcpu.cpu``.
    It may also bring the vCPU's half: ``on_load``, ``on_put``, ``enter_barrier`` and ``on_wake``, each ``(self, vm, vcpu)``.

    Example::

        from minikvm.kinds import REQUEST_NO_ACTION, REQUEST_NO_WAKEUP, REQUEST_WAIT, Strategy

        class OneByOne(Strategy):
            '''Kick one target after another.'''

            name = "one-by-one"
            requires = frozenset({"acknowledges"})

            def dispatch(self, vm, request, targets):
                sent = False
                with vm.preempt_disabled() as me:
                    for idx in targets:
                        vcpu = vm.vcpu(idx)
                        if not request & REQUEST_NO_ACTION:
                            vm.make_request(request, vcpu)
                        if not request & REQUEST_NO_WAKEUP and vm.wake_up(vcpu):
                            continue
                        if vm.needs_ipi(vcpu, request):
                            mask = vm.kick_mask()
                            vm.mask_cpu(vcpu, vm.read_cpu(vcpu), me, mask)
                            sent |= vm.kick_many(mask, bool(request & REQUEST_WAIT))
                return sent
    """

    kind = "strategy"
    python_methods = ("dispatch",)
    vcpu_half: ClassVar[tuple[str, ...]] = ("on_load", "on_put", "enter_barrier", "on_wake")

    requires: ClassVar[frozenset[str]] = frozenset()
    """Capabilities that the back end must have: a run with one that lacks them is a configuration error."""
    uses: ClassVar[frozenset[str]] = frozenset()
    """What a check must know beforehand: "membarrier", if it calls ``vm.membarrier()``. In a check, calling it unsaid is an error."""

    def dispatch(self, vm: Any, request: int, targets: Iterable[int]) -> bool:
        """Bring *request* to *targets*; True if an IPI was sent."""
        raise NotImplementedError

    @classmethod
    def brings(cls) -> tuple[str, ...]:
        """Which methods of the vCPU's half this strategy has, so that a run calls no others."""
        return tuple(method for method in cls.vcpu_half if callable(getattr(cls, method, None)))


class Backend(Kind):
    """How an IPI travels to the thread that holds a pCPU slot, and how a guest on that slot waits for one.

    *ring* tells the thread on a slot that its pending word has changed; it is called after the word was written. *wait* is the
    guest: it returns when ``doorbell.rung``, after *timeout_ns* nanoseconds, or early, as it likes: the caller looks at the word and
    waits again. What it must not do is to lose a ring that comes just before it sleeps, and then sleep on: so test ``doorbell.rung``
    under the lock that *ring* takes. ``doorbell.pcpu`` is the slot. Optional: ``open(doorbell)``, ``close(doorbell)``,
    ``thread_start(vm)``.

    Example::

        import threading

        from minikvm.kinds import Backend

        class OneCondition(Backend):
            '''One condition variable for all pCPUs: slow, and easy to follow.'''

            name = "one-condition"
            capabilities = frozenset({"acknowledges", "interrupts-sleep"})
            cost = "broadcast"

            def __init__(self, options=None):
                super().__init__(options)
                self.changed = threading.Condition()

            def ring(self, vm, doorbell):
                with self.changed:
                    self.changed.notify_all()

            def wait(self, vm, doorbell, timeout_ns):
                with self.changed:
                    self.changed.wait_for(lambda: doorbell.rung, timeout_ns / 1e9)
    """

    kind = "backend"
    python_methods = ("ring", "wait")

    capabilities: ClassVar[frozenset[str]] = frozenset()
    """What it can do, of: acknowledges, interrupts-sleep, interrupts-spin."""
    cost: ClassVar[Literal["memory", "syscall", "signal", "broadcast"]] = "syscall"
    """What one IPI costs the sender: a store, a system call, a signal's delivery, or work for every pCPU."""

    def ring(self, vm: Any, doorbell: Any) -> None:
        """Tell the thread on the slot ``doorbell.pcpu`` that an IPI is pending."""
        raise NotImplementedError

    def wait(self, vm: Any, doorbell: Any, timeout_ns: int) -> None:
        """Be the guest on the slot ``doorbell.pcpu`` until ``doorbell.rung``, or for *timeout_ns* nanoseconds."""
        raise NotImplementedError


class Injector(Kind):
    """A race injector: asked at named points of the kick path and the run loop, it makes the rare thing happen there.

    ``probability`` is no option of its own: the YAML file sets it beside the name, and *at* is called that often.

    Example::

        import time

        from minikvm.kinds import Injector

        class SlowKicker(Injector):
            '''Sleep between the read of vcpu.cpu and the IPI.'''

            name = "slow-kicker"
            points = ("kick.cpu_read",)

            def at(self, vm, point, vcpu):
                time.sleep(20e-6)
    """

    kind = "injector"
    python_methods = ("at",)
    reserved_options = ("name", "probability")

    benign: ClassVar[bool] = True
    """True: the protocol must survive it. False: it breaks things on purpose, and a run must report the violation."""
    points: ClassVar[tuple[str, ...]] = ()
    """Names of the points at which it is asked."""
    uses: ClassVar[frozenset[str]] = frozenset()
    """What a check must know beforehand: "migrate", if it calls ``vm.migrate()``; "walk" beside it, if with ``walk=True``. In a check,
    calling it unsaid is an error; one that says so is not asked there, since the move is then the vCPU's own choice, before each pass. So
    let it do nothing else. Where the options decide, ``__init__`` may set ``self.uses``."""

    def at(self, vm: Any, point: str, vcpu: Any) -> None:
        """Act at *point*, where *vcpu* is the one that is kicked or that runs."""
        raise NotImplementedError


class Loop(Kind):
    """A vCPU run loop: the steps from the last check of the requests to guest entry and back.

    Example::

        from minikvm.kinds import Loop

        class Careless(Loop):
            '''A loop that enters the guest without looking at the requests: wrong, for demonstration.'''

            name = "careless"
            arch = "x86"

            def enter(self, vm, vcpu):
                return vm.enter_guest(vcpu)
    """

    kind = "loop"
    python_methods = ("enter",)

    arch: ClassVar[Literal["any", "x86", "arm64"]] = "any"
    """Whose rules it follows: arm64's last check, for one, sees only request bits."""
    uses: ClassVar[frozenset[str]] = frozenset()
    """As a strategy's."""

    def enter(self, vm: Any, vcpu: Any) -> Any:
        """One pass: check, enter the guest, leave it."""
        raise NotImplementedError


class GuestEngine(Kind):
    """What "in the guest" is: a sleeping or spinning thread, a real KVM vCPU.

    Example::

        from minikvm.kinds import GuestEngine

        class Idle(GuestEngine):
            '''A guest that leaves as soon as it is entered.'''

            name = "idle"

            def run(self, vm, vcpu, timeout_ns):
                return None
    """

    kind = "engine"
    python_methods = ("run",)

    def run(self, vm: Any, vcpu: Any, timeout_ns: int) -> None:
        """Be in the guest for at most *timeout_ns* nanoseconds; the machine looks at the slot and calls again."""
        raise NotImplementedError


class MemoryModel(Kind):
    """A memory model: a predicate that says which execution graphs may happen.

    Example::

        from minikvm.kinds import MemoryModel

        class Anything(MemoryModel):
            '''Every execution is allowed: an upper bound, for comparison.'''

            name = "anything"

            def consistent(self, graph):
                return True
    """

    kind = "model"
    python_methods = ("consistent",)

    def consistent(self, graph: Any) -> bool:
        """True if the model allows the execution *graph*."""
        raise NotImplementedError


class Workload(Kind):
    """A generator of calls, for what a list of YAML lines cannot say.

    *calls* yields mappings with the keys of a workload line (request, targets, wait, from, ...).

    Example::

        from minikvm.kinds import Workload

        class Wave(Workload):
            '''Flush one vCPU after the other, round and round.'''

            name = "wave"

            def calls(self, vm):
                while True:
                    for idx in range(len(vm.vcpus)):
                        yield {"request": "TLB_FLUSH", "targets": [idx], "wait": True}
    """

    kind = "workload"
    python_methods = ("calls",)

    def calls(self, vm: Any) -> Iterator[Mapping[str, Any]]:
        """Yield the calls, one mapping each."""
        raise NotImplementedError


KINDS: Mapping[str, type[Kind]] = {cls.kind: cls for cls in (Strategy, Backend, Injector, Loop, GuestEngine, MemoryModel, Workload)}


def summary_of(cls: type) -> str:
    """The first line of the class's own docstring, or "" (a base's docstring says nothing about the subclass)."""
    doc = cls.__dict__.get("__doc__") or ""
    return str(inspect.cleandoc(doc)).partition("\n")[0].strip()


def is_c_file(name: object, kind: str = "strategy") -> bool:
    """Does the name of a strategy or loop stand for a file in kernel-style C?"""
    return kind in C_KINDS and isinstance(name, str) and name.endswith(".c") and name.isprintable() and len(name) <= 4096


def label(name: str) -> str:
    """How a strategy or loop is called in tables and file names: a C file by its own name, without its folder."""
    return name.rpartition("/")[2] if is_c_file(name) else name


def labels(names: Iterable[str]) -> dict[str, str]:
    """The label of each of *names*; C files of the same name get as much of their folders as tells them apart."""
    found: dict[str, str] = {}
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(label(name), []).append(name)
    for short, group in groups.items():
        parts = 1
        while len({_tail(name, parts) for name in group}) < len(group):
            parts += 1
        found |= {name: short if len(group) == 1 else _tail(name, parts) for name in group}
    return found


def _tail(path: str, parts: int) -> str:
    return "/".join(path.split("/")[-parts:])


def kind_of(cls: object) -> str | None:
    """Which kind *cls* is a class of ("strategy", ...), or None; the base classes themselves are of none."""
    if not isinstance(cls, type) or cls in KINDS.values():
        return None
    return next((kind for kind, base in KINDS.items() if issubclass(cls, base)), None)
