"""The watchdog: P1 (seen), P3 (awake), P5 (progress) and P7 (deadlock), which time alone cannot prove on a busy machine.

A state that should not last but has lasted for `watchdog.suspect_ms` is a suspicion. Then new work is stopped, and the suspicion
becomes a violation only when the thread concerned has run since (its heart has beaten twice), no IPI is in flight or pending for it,
and the state still holds. Otherwise it is dropped, and the work goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from minikvm.live.core import WHERE, LiveCore

GUEST, BLOCKED, AWAITS, LOCK = (WHERE.index(name) for name in ("guest", "blocked", "awaiting acknowledgements", "lock"))
IN_GUEST_PHASE = 2
ABORTS_SUSPECT = 1000
"""Aborted entries in a row. Each pass first handles what is pending, so a run loop that consumes has a handful at most."""
BEATS = 2


@dataclass(frozen=True)
class Suspicion:
    """A state that should not last: of which thread, which of its waits or stays, and why it is wrong."""

    property: str
    number: int
    stay: int
    sentence: str


@dataclass
class _Case:
    suspicion: Suspicion
    first_seen: int
    beats: dict[int, int] | None = None
    """Every thread's heartbeat when new work was stopped; None before that."""


class Watchdog:
    """Looks at a running VM again and again. Not thread-safe: the supervisor's own."""

    def __init__(self, core: LiveCore, suspect_ns: int) -> None:
        self.core = core
        self.suspect_ns = suspect_ns
        self.checked = dict.fromkeys(("P1", "P3", "P5", "P7"), 0)
        self.cases: dict[tuple[str, int, int], _Case] = {}
        self.paused = False

    def look(self) -> Suspicion | None:
        """One look. Returns a violation when one is certain; pauses and resumes new work as needed."""
        now = self.core.now()
        beats: dict[int, int] = {}
        seen: dict[tuple[str, int, int], _Case] = {}
        for vital in self.core.quick_scan():
            beats[vital[0]] = vital[3]
            for suspicion in self._odd(*vital):
                key = (suspicion.property, suspicion.number, suspicion.stay)
                seen[key] = self.cases.get(key) or _Case(suspicion, now)
        self.cases = seen
        old = [case for case in seen.values() if now - case.first_seen >= self.suspect_ns]
        if not old:
            self._resume()
            return None
        if not self.paused:
            self.paused = True
            self.core.pause(True)
        for case in old:
            if case.beats is None:
                case.beats = beats
            elif self._confirmed(case, beats):
                return case.suspicion
        return None

    def _resume(self) -> None:
        if self.paused:
            self.paused = False
            self.core.pause(False)

    def _odd(self, number: int, where: int, stay: int, _beat: int, phase: int, requests: int, aborts: int) -> Iterator[Suspicion]:
        """What should not last, of one thread."""
        if where == GUEST and phase == IN_GUEST_PHASE:
            self.checked["P1"] += 1
            if requests & ~self.core.silent_bits(number):
                why = "rests in the guest although a request was made that its last check missed, and no IPI for it is pending"
                yield Suspicion("P1", number, stay, why)
        elif where == BLOCKED:
            self.checked["P3"] += 1
            if requests & self.core.wake_owed(number):
                yield Suspicion("P3", number, stay, "rests asleep although a request that must wake it was made")
        elif where in (AWAITS, LOCK):
            self.checked["P7"] += 1
            what = "an acknowledgement that never comes" if where == AWAITS else "a lock that is never released"
            yield Suspicion("P7", number, stay, f"waits for ever for {what}")
        self.checked["P5"] += 1
        if aborts >= ABORTS_SUSPECT:
            yield Suspicion("P5", number, 0, "aborts every entry, consumes nothing, and nothing changes what aborts it")

    def _confirmed(self, case: _Case, beats: dict[int, int]) -> bool:
        """Has everybody concerned run since the suspicion, and is nothing on its way?"""
        assert case.beats is not None
        number = case.suspicion.number
        concerned = [number, *self._holders(case.suspicion)]
        if any(beats[n] - case.beats[n] < BEATS for n in concerned):
            return False
        if self.core.in_flight:
            return False
        return case.suspicion.property != "P1" or not self.core.irq_pending(number)

    def _holders(self, suspicion: Suspicion) -> list[int]:
        """Who would have to act: the holders of the slots whose acknowledgement is missing."""
        if suspicion.property != "P7":
            return []
        pcpu = self.core.pcpu_of(suspicion.number)
        if pcpu is None:
            return []
        return [holder for holder in (self.core.slot(p)[1] for p in self.core.awaited_slots(pcpu)) if holder is not None]
