"""The watchdog on a core that a test moves by hand: what it takes to become a violation."""

import pytest

from minikvm.live.core import WHERE
from minikvm.live.watchdog import ABORTS_SUSPECT, LOOKS, Watchdog

SUSPECT_NS = 100
GUEST, ASLEEP, AWAITING, HOST, AT_GATE, LOCK, QUEUED, DONE = (
    WHERE.index(n) for n in ("guest", "blocked", "awaiting acknowledgements", "host", "awaiting a gate", "lock", "run queue", "done")
)
IN_GUEST, OUTSIDE = 2, 0
BIT = 1 << 9


class Core:
    """What the watchdog reads of a LiveCore, for threads 0 (a vCPU) and 1 (who holds the slot that thread 0 waits for)."""

    in_flight = 0

    def __init__(self):
        self.time = 1000
        self.where, self.since, self.phase, self.requests, self.aborts = HOST, 0, OUTSIDE, 0, 0
        self.beats = [0, 0]
        self.pauses = []
        self.pending = False
        self.other, self.holder, self.given_up = GUEST, 1, 0
        self.lock, self.other_lock, self.closed = None, None, 0

    def now(self):
        return self.time

    def quick_scan(self):
        return [
            (0, self.where, self.since, self.beats[0], self.phase, self.requests, self.aborts, self.lock),
            (1, self.other, 0, self.beats[1], OUTSIDE, 0, 0, self.other_lock),
        ]

    def name(self, number):
        return f"thread {number}"

    def left_closed(self):
        return self.closed

    def tenures(self, _pcpu):
        return self.given_up

    def pause(self, on):
        self.pauses.append(on)

    def silent_bits(self, _number):
        return 0

    def wake_owed(self, _number):
        return BIT

    def irq_pending(self, _number):
        return self.pending

    def pcpu_of(self, _number):
        return 0

    def awaited_slots(self, _pcpu):
        return [1]

    def slot(self, _pcpu):
        return (0, self.holder, 0, 0)


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def watchdog(core):
    return Watchdog(core, SUSPECT_NS)


@pytest.fixture
def look(core, watchdog):
    """One look after *ns* more, in which each thread's heart has beaten so often."""

    def look(ns=SUSPECT_NS, beats=(0, 0)):
        core.time += ns
        core.beats = [n + more for n, more in zip(core.beats, beats, strict=True)]
        return watchdog.look()

    return look


@pytest.fixture
def missed(core):
    """A vCPU in the guest with a request that its entry did not see."""
    core.where, core.phase, core.requests = GUEST, IN_GUEST, BIT


def test_nothing_odd_is_no_suspicion(core, look):
    assert [look() for _ in range(5)] == [None] * 5
    assert core.pauses == []


def test_an_odd_state_that_lasts_and_a_thread_that_ran_is_a_violation(look, missed):
    assert [look(0), look(), look(beats=(2, 0))][-1].property == "P1"


def test_a_young_suspicion_stops_no_work(core, look, missed):
    look(0)
    look(SUSPECT_NS - 1)
    assert core.pauses == []


def test_an_old_suspicion_stops_new_work(core, look, missed):
    look(0)
    look()
    assert core.pauses == [True]


def test_one_heartbeat_is_not_enough(look, missed):
    look(0)
    look()
    assert look(beats=(1, 0)) is None
    assert look(beats=(1, 0)) is not None


def test_heartbeats_from_before_the_pause_do_not_count(look, missed):
    look(0, beats=(50, 0))
    assert look(beats=(50, 0)) is None


def test_a_suspicion_that_dissolves_is_no_violation_and_work_goes_on(core, look, missed):
    look(0)
    look()
    core.requests = 0
    assert look(beats=(9, 9)) is None
    assert core.pauses == [True, False]


def test_the_same_state_entered_anew_begins_anew(core, look, missed):
    look(0)
    look()
    core.since += 1
    assert look(beats=(9, 9)) is None


def test_an_interrupt_on_its_way_is_waited_for(core, look, missed):
    look(0)
    look()
    core.in_flight = 1
    assert look(beats=(9, 9)) is None
    core.in_flight = 0
    assert look().property == "P1"


def test_an_interrupt_that_is_pending_is_waited_for(core, look, missed):
    look(0)
    look()
    core.pending = True
    assert look(beats=(9, 9)) is None


def test_a_sleeper_with_a_wake_event_is_p3(core, look):
    core.where, core.requests = ASLEEP, BIT
    assert [look(0), look(), look(beats=(2, 0))][-1].property == "P3"


def test_a_sleeper_with_a_request_that_must_not_wake_it_may_rest(core, look):
    core.where, core.requests = ASLEEP, BIT << 1
    assert [look(0), look(), look(beats=(2, 0))] == [None] * 3


def test_a_missing_acknowledgement_is_p7_when_who_must_give_it_has_run(core, look):
    core.where = AWAITING
    look(0)
    look()
    assert look(beats=(2, 1)) is None
    assert look(beats=(0, 1)).property == "P7"


def test_aborts_without_end_are_p5(core, look):
    core.aborts = ABORTS_SUSPECT
    assert [look(0), look(), look(beats=(2, 0))][-1].property == "P5"


def test_a_few_aborts_are_none(core, look):
    core.aborts = ABORTS_SUSPECT - 1
    assert [look(0), look(), look(beats=(2, 0))] == [None] * 3


def test_a_caller_without_a_host_cpu_may_still_send_the_ipi(core, look, missed):
    core.other = HOST
    assert [look(beats=(2, 0)) for _ in range(4)] == [None] * 4
    assert look(beats=(2, 1)).property == "P1"


@pytest.fixture
def unacknowledged(core):
    core.where = AWAITING


def test_a_holder_that_was_granted_the_slot_but_has_not_run_owes_no_acknowledgement(core, look, unacknowledged):
    look(), look()
    core.holder, core.given_up = 1, 1  # given up once, and granted to a thread whose heart beat in the queue
    assert [look(beats=(2, 2)) for _ in range(4)] == [None] * 4


def test_a_holder_that_comes_out_of_the_queue_has_its_turn_counted_from_then_on(core, look, unacknowledged):
    core.other = QUEUED  # granted the slot, and not run by the host yet
    look(), look()
    core.other = GUEST
    assert look(beats=(2, 2)) is None, "two beats are what coming out of the queue takes"
    assert look(beats=(2, 2)).property == "P7"


def test_two_tenures_without_an_acknowledgement_are_a_deadlock(core, look, unacknowledged):
    look(), look()
    core.given_up = 2
    assert look(beats=(2, 0)).property == "P7"


@pytest.fixture
def locked_out(core):
    """Thread 0 finds a lock held by thread 1, whenever it looks."""
    core.where, core.lock = LOCK, (7, False, 1)


def test_a_lock_that_a_thread_which_runs_never_releases_is_p7_and_names_it(look, locked_out):
    look(0), look()
    found = look(beats=(LOOKS, 2))
    assert found.property == "P7"
    assert "a lock, which thread 1 holds and never releases" in found.sentence


def test_a_lock_is_not_judged_by_fewer_looks(look, locked_out):
    look(0), look()
    assert look(beats=(LOOKS - 1, 2)) is None


def test_a_lock_whose_holder_has_not_run_may_still_be_released(look, locked_out):
    look(0), look()
    assert look(beats=(LOOKS, 1)) is None


def test_a_lock_whose_holder_has_ended_is_never_released(core, look, locked_out):
    core.other = DONE
    look(0), look()
    assert look(beats=(LOOKS, 0)).property == "P7"


def test_a_lock_that_came_to_another_holder_is_another_wait(core, look, locked_out):
    look(0), look()
    core.lock = (8, False, 1)
    assert look(beats=(LOOKS, 2)) is None


def test_a_lock_that_its_own_holder_waits_for_is_p7(core, look):
    core.where, core.lock = LOCK, (7, False, 0)
    look(0), look()
    assert "which it holds itself" in look(beats=(LOOKS, 0)).sentence


def test_who_waits_at_the_gate_is_reported_after_who_keeps_it_from_opening(core, look):
    core.lock, core.where, core.other, core.other_lock = (3, True, 1), LOCK, LOCK, (4, False, 1)
    look(0), look()
    assert look(beats=(LOOKS, LOOKS)).number == 1


def test_a_gate_that_nobody_is_there_to_open_is_p5(core, look):
    core.where, core.requests, core.closed = AT_GATE, BIT, BIT
    look(0), look()
    found = look(beats=(2, 0))
    assert found.property == "P5" and "its requester is gone" in found.sentence


def test_a_gate_whose_requester_is_there_may_stay_closed(core, look):
    core.where, core.requests = AT_GATE, BIT
    assert [look(0), look(), look(beats=(2, 2))] == [None] * 3


def test_a_caller_that_waits_for_a_lock_may_still_send_the_ipi(core, look, missed):
    core.other, core.other_lock = LOCK, (7, False, 1)
    assert [look(beats=(2, 1)) for _ in range(6)] == [None] * 6
