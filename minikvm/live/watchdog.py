"""The watchdog: P1 (seen), P3 (awake), P5 (progress) and P7 (deadlock), which time alone cannot prove on a busy machine.

A state that should not last but has lasted for `watchdog.suspect_ms` is a suspicion. Then new work is stopped, and the suspicion
becomes a violation only when the thread concerned has run since (its heart has beaten twice), no IPI is in flight or pending for it,
and the state still holds. Otherwise it is dropped, and the work goes on. Who waits for a lock or for the entry gate says who holds it;
that thread, too, must have run since. A thread that neither waits nor rests, but never comes back from a plugin's own loop, is not told
from one that the host does not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from minikvm.live.core import WHERE, LiveCore

HOST, GUEST, RUNQ, BLOCKED, AWAITS, GATE, IRQ = (
    WHERE.index(name)
    for name in ("host", "guest", "run queue", "blocked", "awaiting acknowledgements", "awaiting a gate", "interrupt")
)
OVER = frozenset(WHERE.index(name) for name in ("parked", "idle", "done"))
"""Places of threads that need not run any more."""
IN_GUEST_PHASE = 2
ABORTS_SUSPECT = 1000
"""Aborted entries in a row. Each pass first handles what is pending, so a run loop that consumes has a handful at most."""
BEATS = 2
LOOKS = 20
"""So often who waits for a lock has found it held by the same thread since the suspicion. A beat of such a wait is one look."""

Lock = tuple[int, bool, int]
Vital = tuple[int, int, int, int, int, int, int, "Lock | None"]
"""One thread, as quick_scan() gives it."""


@dataclass(frozen=True)
class Suspicion:
    """A state that should not last: of which thread, which of its waits or stays, and why it is wrong."""

    property: str
    number: int
    stay: int
    sentence: str
    holder: int | None = None
    """The thread that holds the lock or the gate that is waited for."""
    root: bool = True
    """False where it only follows from what another thread does wrong."""


@dataclass(frozen=True)
class _Moment:
    """What the watchdog needs of one look: heartbeats, who was running, who queued, and (holder, tenures) of each slot."""

    beats: dict[int, int]
    running: frozenset[int]
    queued: frozenset[int]
    over: frozenset[int]
    locked_out: bool
    slots: dict[int, tuple[int | None, int]]


@dataclass
class _Case:
    suspicion: Suspicion
    first_seen: int
    moment: _Moment | None = None
    """When new work was stopped; None before that."""


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
        left_closed = self.core.left_closed()  # before the bits: a gate is taken before its bits are set
        vitals = self.core.quick_scan()
        seen: dict[tuple[str, int, int], _Case] = {}
        for vital in vitals:
            for suspicion in self._odd(left_closed, *vital):
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
        moment = self._moment(vitals, old)
        certain = [case.suspicion for case in old if case.moment is not None and self._confirmed(case, moment)]
        for case in old:
            if case.moment is None:
                case.moment = moment
        return min(certain, key=lambda suspicion: not suspicion.root, default=None)

    def _moment(self, vitals: list[Vital], cases: list[_Case]) -> _Moment:
        awaited: set[int] = set()
        for case in cases:
            acknowledgements = case.suspicion.property == "P7" and case.suspicion.holder is None
            pcpu = self.core.pcpu_of(case.suspicion.number) if acknowledgements else None
            awaited.update([] if pcpu is None else self.core.awaited_slots(pcpu))
        return _Moment(
            {vital[0]: vital[3] for vital in vitals}, frozenset(vital[0] for vital in vitals if vital[1] in (HOST, IRQ)),
            frozenset(vital[0] for vital in vitals if vital[1] == RUNQ),
            frozenset(vital[0] for vital in vitals if vital[1] in OVER),
            any(vital[7] is not None and not vital[7][1] for vital in vitals),
            {pcpu: (self.core.slot(pcpu)[1], self.core.tenures(pcpu)) for pcpu in awaited},
        )

    def _resume(self) -> None:
        if self.paused:
            self.paused = False
            self.core.pause(False)

    def _odd(
        self, left_closed: int, number: int, where: int, stay: int, _beat: int, phase: int, requests: int, aborts: int, lock: Lock | None,
    ) -> Iterator[Suspicion]:
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
        elif where == AWAITS:
            self.checked["P7"] += 1
            yield Suspicion("P7", number, stay, "waits for ever for an acknowledgement that never comes")
        if lock is not None:
            self.checked["P7"] += 1
            yield self._held(number, *lock)
        self.checked["P5"] += 1
        if aborts >= ABORTS_SUSPECT:
            yield Suspicion("P5", number, 0, "aborts every entry, consumes nothing, and nothing changes what aborts it")
        elif requests & left_closed and where in (HOST, GATE, RUNQ):
            why = "waits for ever at an entry gate: its requester is gone and has not opened it (cleared the request)"
            yield Suspicion("P5", number, 1, why)

    def _held(self, number: int, wait: int, is_gate: bool, holder: int) -> Suspicion:
        who = "it holds itself" if holder == number else f"{self.core.name(holder)} holds"
        what = "the entry gate" if is_gate else "a lock"
        return Suspicion("P7", number, wait, f"waits for ever for {what}, which {who} and never releases", holder, root=not is_gate)

    def _confirmed(self, case: _Case, now: _Moment) -> bool:
        """Has everybody concerned run since the suspicion, and is nothing on its way?"""
        then = case.moment
        assert then is not None
        number, holder = case.suspicion.number, case.suspicion.holder
        if now.beats[number] - then.beats[number] < BEATS or self.core.in_flight:
            return False
        # Who runs neither in a guest nor asleep may be a caller that lost the host's CPU between the request and the IPI.
        if any(now.beats[n] == then.beats[n] for n in then.running):
            return False
        if case.suspicion.property in ("P1", "P3") and now.locked_out:
            return False  # a caller that waits for a lock may still kick or wake it
        if case.suspicion.property == "P1":
            return not self.core.irq_pending(number)
        if holder is not None:
            ran = holder in now.over or now.beats.get(holder, 0) - then.beats.get(holder, 0) >= BEATS
            return ran and now.beats[number] - then.beats[number] >= LOOKS
        if case.suspicion.property == "P7":
            pcpu = self.core.pcpu_of(number)
            awaited = [] if pcpu is None else self.core.awaited_slots(pcpu)
            if any(self._was_not_there(p, then, now) for p in awaited):
                case.moment = None  # its turn is counted from this look on
                return False
            return all(self._had_its_turn(p, then, now) for p in awaited)
        return True

    def _was_not_there(self, pcpu: int, then: _Moment, now: _Moment) -> bool:
        """Had the slot's holder been granted it, and not come out of the queue yet? Coming out is a beat or two, and handles nothing."""
        holder, tenures = then.slots.get(pcpu, (None, 0))
        return holder in then.queued and now.slots[pcpu] == (holder, tenures)

    def _had_its_turn(self, pcpu: int, then: _Moment, now: _Moment) -> bool:
        """Would an IPI to this slot have been handled since *then*? A thread that was granted the slot but has not run does not count."""
        holder, tenures = then.slots.get(pcpu, (None, self.core.tenures(pcpu)))
        if now.slots[pcpu][1] - tenures >= BEATS:
            return True  # a whole tenure: its holder handled what was pending before it left
        if now.slots[pcpu][0] is None:
            return True  # senders acknowledge for an idle slot themselves
        return now.slots[pcpu] == (holder, tenures) and holder is not None and now.beats[holder] - then.beats[holder] >= BEATS
