"""Each back end's round trip through the live VM against the same ping-pong by hand (pingpong.c says what "the same" is)."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measure import Row, in_turns, rounds_of
from native import address_of, build, capsule, pointer

from minikvm.core.requests import RequestRegistry
from minikvm.core.vcpu import VcpuTable
from minikvm.live.core import NO_BIT, LiveCore
from minikvm.plugins import Manager

BOUND = 1.15
SETUPS = 5
"""How often both pairs of threads are set up anew."""
SENDER, RECEIVER = 0, 1
"""The pCPU slots of the two."""


@dataclass(frozen=True)
class Primitive:
    """A back end and how its guest waits; *number* is the one of pingpong.c's, *trips* how many round trips make a round."""

    name: str
    backend: str
    spin: bool
    number: int
    trips: int


PRIMITIVES = (
    Primitive("futex", "futex", False, 0, 60),
    Primitive("eventfd", "eventfd", False, 1, 60),
    Primitive("signal, asleep", "signal", False, 2, 60),
    Primitive("signal, spinning", "signal", True, 3, 60),
    Primitive("spin", "spin", True, 4, 1000),
    Primitive("membarrier", "membarrier", True, 5, 200),
)


class TooFewCpus(Exception):
    """A ping-pong needs two CPUs."""


class RoundTrips:
    """The library, and the two CPUs that all pairs of threads are pinned to."""

    def __init__(self, folder: Path, manager: Manager) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        if len(cpus) < 2:
            raise TooFewCpus(f"a ping-pong needs two CPUs, and this process may use {len(cpus)}")
        self.cpus = cpus[0], cpus[1]
        self.manager = manager
        self.library = lib = build("pingpong", folder)
        lib.hand_run.restype = lib.live_took.restype = ctypes.c_uint64
        lib.hand_run.argtypes = lib.live_count.argtypes = [ctypes.c_uint64]
        lib.live_open.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]

    @contextmanager
    def _by_hand(self, primitive: Primitive) -> Iterator[Any]:
        """The pair of threads by hand; gives the function that times one round trip."""
        if self.library.hand_open(primitive.number, signal.SIGRTMIN + 4, self.cpus[1]):
            raise OSError(f"the ping-pong by hand with {primitive.name} cannot be set up")
        try:
            yield lambda: self.library.hand_run(primitive.trips) / primitive.trips
        finally:
            self.library.hand_close()

    @contextmanager
    def _live(self, primitive: Primitive, whole: bool) -> Iterator[Any]:
        """The live VM's pair: this thread, a task on one slot, and a vCPU on the other; *whole*: a real strategy and run loop drive it."""
        lib, manager = self.library, self.manager
        backend = manager.create("backend", primitive.backend, {})
        parts = [manager.create("loop", "x86", {}), manager.create("strategy", "upstream", {})]
        capsules = [part.native() for part in parts]
        request = RequestRegistry()["TLB_FLUSH" if whole else "OUTSIDE_GUEST_MODE"]
        loop, strategy = (pointer(capsules[0], "loop"), pointer(capsules[1], "strategy")) if whole else (None, None)
        lib.live_open(self.cpus[1], loop, strategy, request.value)
        core = LiveCore(
            VcpuTable(1, 2), strategy=capsule(address_of(lib, "live_strategy"), "strategy"),
            loop=capsule(address_of(lib, "live_loop"), "loop"),
            backend=backend.native(), engine=capsule(address_of(lib, "live_engine"), "engine"), injectors=[], spin=primitive.spin,
            used=[SENDER, RECEIVER], max_threads=2, max_lines=1, guest=(0, 0.0, 0.0, 0, 0.0, 0, 0.0), migrate=0.0, slice_ns=2_000_000,
            late_ns=0, wire=False, seed=1,
        )
        core.set_call(request.value, request.nr if whole else NO_BIT, None, True, False)
        core.open()
        receiver = threading.Thread(target=core.run, args=(core.add_vcpu(0, RECEIVER, True, [], 1), "vcpu"), name="receiver")
        receiver.start()

        def timed() -> float:
            lib.live_count(primitive.trips)
            if not core.call(SENDER):
                raise RuntimeError(f"the live VM with {primitive.name} stopped by itself")
            return float(lib.live_took()) / primitive.trips

        try:
            yield timed
        finally:
            lib.live_close()
            core.stop()
            receiver.join()
            core.close()
            del parts, capsules

    def _pairs(self, primitive: Primitive, whole: bool, rounds: int) -> list[tuple[float, float]]:
        """One set-up of both pairs of threads, and *rounds* rounds in turns."""
        before = os.sched_getaffinity(0)
        with self._by_hand(primitive) as hand, self._live(primitive, whole) as live:
            os.sched_setaffinity(0, {self.cpus[0]})
            try:
                in_turns(live, hand, 2)
                return in_turns(live, hand, rounds)
            finally:
                os.sched_setaffinity(0, before)

    def rows(self, rounds: int, primitives: tuple[Primitive, ...] = PRIMITIVES) -> Iterator[Row]:
        """Each back end against its bound; then, without one, what a whole call through a strategy and a run loop takes.

        SETUPS set-ups, since the time that a cache line takes between two CPUs depends on where in memory it is.
        """
        for whole in (False, True):
            for primitive in primitives:
                name = f"{primitive.name}: upstream, x86 and all checks" if whole else primitive.name
                some = partial(self._pairs, primitive, whole, max(3, rounds // SETUPS))
                yield rounds_of("whole call" if whole else "round trip", name, some, SETUPS, None if whole else BOUND)
