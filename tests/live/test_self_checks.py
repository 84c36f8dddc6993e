"""The checks of a run can fail: for each property a plugin that breaks it on purpose, and a control that differs in that one step."""

import pytest

from minikvm.pluginload import PluginError

PLUGINS = '''
import time

from minikvm.core.requests import RequestRegistry
from minikvm.kinds import REQUEST_NO_ACTION, REQUEST_NO_WAKEUP, REQUEST_WAIT, Injector, Loop, Strategy

IN_GUEST = 1
REQUESTS = RequestRegistry()


class Correct(Strategy):
    """The protocol, step by step. The others below change one step each."""

    name = "correct"

    def dispatch(self, vm, request, targets):
        with vm.preempt_disabled() as me:
            mask = vm.kick_mask()
            for vcpu in vm.for_each_vcpu(self.chosen(vm, targets)):
                self.one(vm, vcpu, request, mask, me)
            sent = self.send(vm, mask, request)
        self.after(vm, request, targets)
        return sent

    def chosen(self, vm, targets):
        return targets

    def one(self, vm, vcpu, request, mask, me):
        if not request & REQUEST_NO_ACTION:
            vm.make_request(request, vcpu)
        if self.wakes(vm, vcpu, request):
            return
        if self.needs_ipi(vm, vcpu, request):
            vm.mask_cpu(vcpu, vm.read_cpu(vcpu), me, mask)

    def wakes(self, vm, vcpu, request):
        return not request & REQUEST_NO_WAKEUP and vm.wake_up(vcpu)

    def needs_ipi(self, vm, vcpu, request):
        return vm.needs_ipi(vcpu, request)

    def send(self, vm, mask, request):
        return bool(mask) and vm.kick_many(mask, bool(request & REQUEST_WAIT))

    def after(self, vm, request, targets):
        pass


class DropsWait(Correct):
    """M03: the call is declared waiting, and the IPI is not waited for."""

    name = "drops-wait"

    def send(self, vm, mask, request):
        return bool(mask) and vm.kick_many(mask, False)


class IgnoresExiting(Correct):
    """M02: WAIT tests == IN_GUEST, so a vCPU that another kicker made EXITING is not waited for."""

    name = "ignores-exiting"

    def needs_ipi(self, vm, vcpu, request):
        return vm.exiting_guest_mode(vcpu) == IN_GUEST


class SkipsSetBits(Correct):
    """M01: no IPI when the bit was set already, so the second caller does not wait."""

    name = "skips-set-bits"

    def one(self, vm, vcpu, request, mask, me):
        if not vm.test_request(request, vcpu):
            super().one(vm, vcpu, request, mask, me)
        else:
            vm.make_request(request, vcpu)


class NeverKicks(Correct):
    """The request is made, and nobody is told."""

    name = "never-kicks"

    def needs_ipi(self, vm, vcpu, request):
        return False


class KicksFirst(Correct):
    """M47: the kick comes first; the vCPU is back in the guest when the request is made."""

    name = "kicks-first"

    def one(self, vm, vcpu, request, mask, me):
        if self.needs_ipi(vm, vcpu, request):
            vm.mask_cpu(vcpu, vm.read_cpu(vcpu), me, mask)

    def after(self, vm, request, targets):
        time.sleep(0.02)
        for vcpu in vm.for_each_vcpu(targets):
            vm.make_request(request, vcpu)


class NeverWakes(Correct):
    """The wake-up leg is left out."""

    name = "never-wakes"

    def wakes(self, vm, vcpu, request):
        return False


class MissesOne(Correct):
    """The last target is left out."""

    name = "misses-one"

    def chosen(self, vm, targets):
        return list(targets)[:-1]


class OneTooMany(Correct):
    """vCPU 0 gets every request."""

    name = "one-too-many"

    def chosen(self, vm, targets):
        return sorted({0, *targets})


class UnderTheLock(Correct):
    """The vCPU's lock is taken for the look at its mode, and given back."""

    name = "gives-it-back"

    def needs_ipi(self, vm, vcpu, request):
        vm.lock(vcpu)
        needs = super().needs_ipi(vm, vcpu, request)
        self.leave(vm, vcpu)
        return needs

    def leave(self, vm, vcpu):
        vm.unlock(vcpu)


class NeverGivesBack(UnderTheLock):
    """It is never given back."""

    name = "never-gives-it-back"

    def leave(self, vm, vcpu):
        pass


class LeavesAGate(Correct):
    """Closes an entry gate of its own, and forgets it."""

    name = "leaves-a-gate"

    def after(self, vm, request, targets):
        for vcpu in vm.for_each_vcpu(targets):
            vm.make_request(REQUESTS["MCLOCK_INPROGRESS"], vcpu)


class Housekeeper(Correct):
    """A vCPU that is put or loaded asks itself for a flush, as record_steal_time() may: amid a call of its own, too."""

    name = "housekeeper"

    def on_load(self, vm, vcpu):
        vm.make_request(0, vcpu)

    def on_put(self, vm, vcpu):
        vm.make_request(0, vcpu)


class Whole(Loop):
    """A correct run loop in steps. The others below change one."""

    name = "whole"
    arch = "x86"

    def enter(self, vm, vcpu):
        self.handle(vm, vcpu)
        with vm.preempt_disabled():
            vm.irq_disable()
            vm.note("entry_begin", vcpu)
            vm.set_mode(vcpu, IN_GUEST)
            vm.enter_barrier(vcpu)
            aborts, _seen = vm.last_check(vcpu)
            if not aborts:
                vm.note("entry_commit", vcpu)
                vm.enter_guest(vcpu)
            vm.note("entry_end", vcpu)
            vm.set_mode(vcpu, 0)
            vm.smp_wmb()
            vm.irq_enable()
        return not aborts

    def handle(self, vm, vcpu):
        vm.handle_requests(vcpu)


class Unannounced(Whole):
    """The guest is entered, and nobody is told."""

    name = "unannounced"

    def enter(self, vm, vcpu):
        self.handle(vm, vcpu)
        with vm.preempt_disabled():
            vm.irq_disable()
            vm.set_mode(vcpu, IN_GUEST)
            vm.enter_barrier(vcpu)
            if not vm.last_check(vcpu)[0]:
                vm.enter_guest(vcpu)
            vm.set_mode(vcpu, 0)
            vm.irq_enable()
        return True


class NeverConsumes(Whole):
    """R24: a bit is logged that nobody consumes."""

    name = "never-consumes"

    def handle(self, vm, vcpu):
        pass


class NeverReads(Whole):
    """The bit is seen and cleared, and the payload behind it is not read again."""

    name = "never-reads"

    def handle(self, vm, vcpu):
        pending = vm.request_pending(vcpu)
        for nr in range(64):
            if pending >> nr & 1:
                vm.clear_request(nr, vcpu)


class LosesCalls(Injector):
    """Every IPI is lost: no acknowledgement comes."""

    name = "loses-calls"
    benign = False
    points = ("ipi.send",)

    def at(self, vm, point, vcpu):
        return "ipi_lost"
'''

PINNED = {"vm": {"vcpus": 3}, "placement": {"pins": {0: 1, 1: 2, 2: 3}}}
FOREVER = {**PINNED, "guest": {"enter_us": "forever"}}
LATE = {"injectors": [{"name": "late-ipi", "probability": 1}]}


def line(request, wait, **more):
    return {"request": request, "targets": "0-2", "wait": wait, "from": {"pcpu": 0}, "every": "5ms", "count": 30, **more}


TWO_CALLERS = {**FOREVER, **LATE, "workload": [line("CLOCK_UPDATE", False), line("EVENT", True)]}
SAME_BIT = {**FOREVER, **LATE, "workload": [line("EVENT", False), line("EVENT", True)]}
WAITING = {**FOREVER, **LATE, "workload": [line("EVENT", True)]}
PLAIN = {**FOREVER, "workload": [line("EVENT", False)]}
FEW = {**FOREVER, "workload": [line("EVENT", False, every="50ms", count=3)]}
ASLEEP = {**PINNED, "guest": {"enter_us": 50, "halt_ratio": 1, "halt_us": "forever"}, "workload": [line("EVENT", False)]}
SOME = {**PINNED, "workload": [line("EVENT", False, targets=[1, 2])]}
ONE = {"vm": {"vcpus": 1}, "placement": {"pins": {0: 1}}, "workload": [line("EVENT", False, targets=[0])]}

TWO_LOCKERS = {**FOREVER, "workload": [line("EVENT", False, count=1), line("EVENT", False, count=1, **{"from": {"pcpu": 4}})],
               "host": {"sockets": 1, "cores": 5, "threads": 1}}

STRATEGIES = [
    ("drops-wait", WAITING, "P2", "waiting call EVENT returned while vCPU"),
    ("ignores-exiting", TWO_CALLERS, "P2", "waiting call EVENT returned while vCPU"),
    ("skips-set-bits", SAME_BIT, "P2", "waiting call EVENT returned while vCPU"),
    ("never-kicks", PLAIN, "P1", "rests in the guest although a request was made that its last check missed"),
    ("kicks-first", FEW, "P1", "rests in the guest although a request was made that its last check missed"),
    ("never-wakes", ASLEEP, "P3", "rests asleep although a request that must wake it was made"),
    ("misses-one", SOME, "P8", "vCPU 2 is a target and was not touched by the call EVENT"),
    ("one-too-many", SOME, "P8", "vCPU 0 is no target and was touched by the call EVENT"),
    ("never-gives-it-back", PLAIN, "P7", "waits for ever for a lock, which it holds itself and never releases"),
    ("never-gives-it-back", TWO_LOCKERS, "P7", "waits for ever for a lock, which task 0 on pcpu"),
    ("leaves-a-gate", PLAIN, "P5", "waits for ever at an entry gate: its requester is gone"),
]
LOOPS = [
    ("never-consumes", ONE, "P5", "vCPU 0 aborts every entry, consumes nothing"),
    ("never-reads", ONE, "P6", "vCPU 0 handled EVENT with"),
]


@pytest.fixture
def plugins(manager_with):
    return manager_with(PLUGINS)


@pytest.fixture
def violations(run, plugins):
    """Run with the plugins of this file: (the properties violated, the first violation or None, the report)."""

    def violations(**sections):
        report = run(plugins, **sections)
        found = report["violations"]
        return {v["property"] for v in found}, found[0] if found else None, report

    return violations


@pytest.mark.parametrize(("strategy", "sections", "prop", "sentence"), STRATEGIES,
                         ids=[f"{row[0]}-{i}" for i, row in enumerate(STRATEGIES)])
def test_a_broken_strategy_is_reported_under_its_property(violations, strategy, sections, prop, sentence):
    properties, first, report = violations(strategy=strategy, **sections)
    assert properties == {prop}
    assert sentence in first["sentence"]
    assert report["exit_code"] == 1
    assert {row["id"]: row["status"] for row in report["properties"]}[prop] == "violated"


@pytest.mark.parametrize("sections", [WAITING, TWO_CALLERS, SAME_BIT, PLAIN, FEW, ASLEEP, SOME],
                         ids=["waiting", "two-callers", "same-bit", "plain", "few", "asleep", "some"])
def test_the_correct_strategy_is_not_reported(violations, sections):
    properties, first, report = violations(strategy="correct", **sections)
    assert properties == set(), first["sentence"]
    assert report["exit_code"] == 0


@pytest.mark.parametrize(("loop", "sections", "prop", "sentence"), LOOPS, ids=[row[0] for row in LOOPS])
def test_a_broken_run_loop_is_reported_under_its_property(violations, loop, sections, prop, sentence):
    properties, first, report = violations(loop=loop, **sections)
    assert properties == {prop}
    assert sentence in first["sentence"]
    assert report["exit_code"] == 1


def test_a_run_loop_that_enters_the_guest_past_the_protocol_is_refused(violations):
    with pytest.raises(PluginError, match="enters the guest of vCPU 0 past the protocol"):
        violations(loop="unannounced", **ONE)


def test_what_a_vcpu_asks_of_itself_when_it_is_put_and_loaded_amid_its_call_is_not_the_calls(violations):
    properties, first, report = violations(
        strategy="housekeeper", injectors=[{"name": "preempt", "probability": 0.5}], guest={"enter_us": 1},
        workload=[line("TLB_FLUSH", False, targets=[1], count=100, **{"from": {"vcpu": 0}})])
    assert properties == set(), first["sentence"]
    assert report["totals"]["calls"] == 100


def test_a_lock_that_is_given_back_is_not_reported(violations):
    properties, first, _report = violations(strategy="gives-it-back", **TWO_LOCKERS)
    assert properties == set(), first["sentence"]


def test_a_gate_that_is_held_for_longer_than_the_watchdog_waits_is_not_reported(violations):
    held = [line("MCLOCK_INPROGRESS", True, count=1, hold="600ms", **{"from": {"pcpu": p}}) for p in (0, 3)]
    properties, first, _report = violations(vm={"vcpus": 3}, placement={"pins": {0: 1, 1: 2, 2: 1}}, workload=held)
    assert properties == set(), first["sentence"]


def test_the_correct_run_loop_is_not_reported(violations):
    properties, first, _report = violations(loop="whole", **PLAIN)
    assert properties == set(), first["sentence"]


def test_a_lost_acknowledgement_is_a_deadlock(violations):
    properties, first, _report = violations(injectors=["loses-calls"], **PINNED, workload=[line("TLB_FLUSH", True)])
    assert properties == {"P7"}
    assert "waits for ever for an acknowledgement" in first["sentence"]


def test_a_violation_shows_every_vcpu_as_it_was(violations):
    _properties, first, _report = violations(strategy="never-kicks", **PLAIN)
    assert [row["vcpu"] for row in first["dump"]] == [0, 1, 2]
    for row in first["dump"]:
        assert row["mode"] == "IN_GUEST_MODE" and row["cpu"] == row["slot"] == row["vcpu"] + 1
        assert row["requests"] == ["EVENT"]
        assert row["last_points"][-1] == "entry.enter"
