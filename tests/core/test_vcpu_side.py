"""The vCPU's side: load and put, guest entry on both architectures, shadow walk, block."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from minikvm.core.recorder import Op
from minikvm.core.requests import RequestRegistry
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode, VCpu
from minikvm.core.view import CurrentVM

Steps = Callable[[Iterable[Op]], list[str]]
ARCHITECTURES = ["x86", "arm64"]
GATE, STICKY, NMI = 1 << 22, 1 << 1, 1 << 17


@pytest.fixture(params=ARCHITECTURES)
def vm(request: pytest.FixtureRequest) -> Standalone:
    """One vCPU, loaded on pCPU 0, and its own thread's context; either loop."""
    vm = Standalone(1, 2, loop=request.param, vcpu=0, world=True, record=True)
    vm.set_vcpu(0, cpu=0)
    return vm


@pytest.fixture
def x86() -> Standalone:
    vm = Standalone(1, 2, vcpu=0, world=True, record=True)
    vm.set_vcpu(0, cpu=0)
    return vm


def without_points(steps: Steps, vm: Standalone) -> list[str]:
    return steps(op for op in vm.trace if op.op not in ("point", "event"))


# ---- entry ----


def test_x86_enters_in_the_order_of_the_protocol(x86: Standalone, steps: Steps) -> None:
    assert x86.enter(0) is True
    assert without_points(steps, x86) == [
        "load relaxed vcpu.requests",  # opportunistic
        "call irq_disable",
        "store release vcpu.mode", "fence mb vcpu_enter_guest",
        "load relaxed vcpu.mode", "load relaxed vcpu.requests", "call work_pending",  # the last check
        "call enter_guest",
        "store relaxed vcpu.mode", "fence wmb vcpu_enter_guest",
        "call irq_enable",
    ]  # fmt: skip


def test_arm64_enters_in_the_order_of_the_protocol(steps: Steps) -> None:
    vm = Standalone(1, 1, loop="arm64", world=True)
    assert vm.enter(0) is True
    assert without_points(steps, vm) == [
        "load relaxed vcpu.requests",
        "call irq_disable",
        "store relaxed vcpu.mode", "fence mb vcpu_enter_guest",
        "load relaxed vcpu.requests", "call work_pending",  # the last check does not look at the mode (R19)
        "call enter_guest",
        "store relaxed vcpu.mode", "fence wmb vcpu_enter_guest",
        "call irq_enable",
    ]  # fmt: skip


def test_the_mode_is_in_guest_until_the_exit_and_outside_after_it(vm: Standalone) -> None:
    vm.enter(0)
    assert [op.value for op in vm.ops if op.op == "store"] == [Mode.IN_GUEST_MODE, Mode.OUTSIDE_GUEST_MODE]


def test_irqs_and_preemption_are_off_in_the_guest_and_on_again_after_it(vm: Standalone) -> None:
    inside: list[tuple[int, int]] = []
    vm.recorder.hooks["enter_guest"] = lambda vcpu: inside.append((vm.irqs_off, vm.preempt_count))
    vm.enter(0)
    assert (inside, vm.irqs_off, vm.preempt_count) == ([(1, 1)], 0, 0)


def kicked_at(vm: Standalone, where: str, **state: int) -> None:
    def at(point: str, vcpu: int | None) -> None:
        if point == where:
            vm.set_vcpu(0, **state)  # type: ignore[arg-type]

    vm.recorder.at_point = at


@pytest.mark.parametrize("point", ["entry.irqs_off", "entry.mode", "entry.last_check"])
def test_a_request_that_comes_before_the_last_check_aborts_the_entry(vm: Standalone, point: str) -> None:
    kicked_at(vm, point, requests=NMI)
    assert (vm.enter(0), "enter_guest" in [call.name for call in vm.calls]) == (False, False)


def test_a_request_that_comes_after_the_last_check_does_not(vm: Standalone) -> None:
    kicked_at(vm, "entry.enter", requests=NMI)
    assert vm.enter(0) is True


def test_exiting_aborts_the_entry_on_x86(x86: Standalone) -> None:
    kicked_at(x86, "entry.last_check", mode=Mode.EXITING_GUEST_MODE)
    assert x86.enter(0) is False


def test_exiting_alone_does_not_abort_the_entry_on_arm64() -> None:
    vm = Standalone(1, 1, loop="arm64", world=True)
    kicked_at(vm, "entry.last_check", mode=Mode.EXITING_GUEST_MODE)
    assert vm.enter(0) is True


def test_pending_work_aborts_the_entry(vm: Standalone) -> None:
    vm.recorder.work = True
    assert vm.enter(0) is False


def test_an_aborted_entry_leaves_the_mode_outside_and_irqs_on(vm: Standalone) -> None:
    kicked_at(vm, "entry.last_check", requests=NMI)
    vm.enter(0)
    assert (vm.state(0)[0], vm.irqs_off, vm.preempt_count) == (Mode.OUTSIDE_GUEST_MODE, 0, 0)


def test_an_entry_that_was_aborted_by_a_request_handles_it_on_the_next_pass(vm: Standalone) -> None:
    kicked_at(vm, "entry.last_check", requests=NMI)
    vm.enter(0)
    vm.recorder.at_point = None
    assert (vm.enter(0), [call.value for call in vm.calls if call.name == "handle"]) == (True, [17])


def test_a_fast_path_exit_repeats_the_last_check_and_enters_again(x86: Standalone, steps: Steps) -> None:
    again = [1, 0]
    x86.recorder.hooks["enter_guest"] = lambda vcpu: again.pop(0)
    x86.enter(0)
    done = without_points(steps, x86)
    first = done.index("call enter_guest")
    check = ["load relaxed vcpu.mode", "load relaxed vcpu.requests", "call work_pending"]
    assert done[first + 1 : first + 5] == [*check, "call enter_guest"]


def test_a_fast_path_exit_with_a_request_does_not_enter_again(vm: Standalone) -> None:
    def exits(vcpu: int) -> int:
        vm.set_vcpu(0, requests=NMI)
        return 1

    vm.recorder.hooks["enter_guest"] = exits
    assert (vm.enter(0), [call.name for call in vm.calls].count("enter_guest")) == (True, 1)


def test_the_points_of_an_entry_come_in_the_order_of_its_steps(vm: Standalone) -> None:
    vm.enter(0)
    assert vm.points == [
        "vcpu.check", "entry.irqs_off", "entry.mode", "entry.last_check", "entry.enter", "entry.exit", "entry.outside",
    ]  # fmt: skip


def test_the_observer_sees_begin_commit_and_end_of_an_entry(vm: Standalone) -> None:
    vm.enter(0)
    assert [event.name for event in vm.events] == ["entry_begin", "entry_commit", "entry_end"]


def test_the_observer_sees_what_aborted_an_entry(vm: Standalone) -> None:
    kicked_at(vm, "entry.last_check", requests=NMI)
    vm.enter(0)
    assert [(event.value, event.operand) for event in vm.events if event.name == "entry_abort"] == [(NMI, 0)]


# ---- handling ----


def test_requests_are_handled_in_the_order_of_their_bits(vm: Standalone) -> None:
    vm.set_vcpu(0, requests=1 << 40 | 1 << 14 | 1)
    assert (vm.vm.handle_requests(0), [call.value for call in vm.calls]) == (3, [0, 14, 40])


def test_a_handled_request_is_cleared_before_its_work_is_done(vm: Standalone) -> None:
    seen: list[int] = []
    vm.recorder.hooks["handle"] = lambda vcpu, nr: seen.append(vm.state(0)[3])
    vm.set_vcpu(0, requests=NMI)
    vm.vm.handle_requests(0)
    assert seen == [0]


@pytest.mark.parametrize("bits", [GATE, STICKY], ids=["gate", "sticky"])
def test_the_vcpu_does_not_clear_a_gate_or_a_sticky_request(vm: Standalone, bits: int) -> None:
    vm.set_vcpu(0, requests=bits | NMI)
    vm.enter(0)
    assert (vm.state(0)[3], [call.value for call in vm.calls if call.name == "handle"]) == (bits, [17])


@pytest.mark.parametrize("bits", [GATE, STICKY], ids=["gate", "sticky"])
def test_a_gate_or_a_sticky_request_keeps_the_vcpu_out_of_the_guest(vm: Standalone, bits: int) -> None:
    vm.set_vcpu(0, requests=bits)
    assert vm.enter(0) is False


def test_a_vcpu_that_only_a_gate_keeps_out_waits_for_its_requester(vm: Standalone) -> None:
    vm.set_vcpu(0, requests=GATE)
    vm.enter(0)
    assert [call.value for call in vm.calls if call.name == "await_requests"] == [GATE]


def test_a_vcpu_that_an_ordinary_request_keeps_out_does_not_wait(vm: Standalone) -> None:
    kicked_at(vm, "entry.last_check", requests=GATE | NMI)
    vm.enter(0)
    assert "await_requests" not in [call.name for call in vm.calls]


def test_the_vcpu_enters_when_the_requester_has_opened_the_gate(vm: Standalone, registry: RequestRegistry) -> None:
    vm.set_vcpu(0, requests=GATE)
    vm.enter(0)
    vm.vm.clear_request(registry["MCLOCK_INPROGRESS"], 0)
    assert vm.enter(0) is True


@pytest.mark.parametrize(("exiting", "aborts"), [(True, True), (False, False)], ids=["x86", "arm64"])
def test_last_check_looks_at_the_mode_only_if_asked(x86: Standalone, exiting: bool, aborts: bool) -> None:
    x86.set_vcpu(0, mode=Mode.EXITING_GUEST_MODE)
    assert x86.vm.last_check(0, exiting) == (aborts, 0)


def test_last_check_tells_which_requests_it_saw(x86: Standalone) -> None:
    x86.set_vcpu(0, requests=0b1010)
    assert x86.vm.last_check(0) == (True, 0b1010)


# ---- shadow walk ----


def test_a_shadow_walk_is_between_a_full_barrier_and_a_release(vm: Standalone, steps: Steps) -> None:
    vm.vm.shadow_walk(0)
    assert without_points(steps, vm) == [
        "call irq_disable", "store relaxed vcpu.mode", "fence mb shadow_walk", "call walk", "store release vcpu.mode", "call irq_enable",
    ]  # fmt: skip


def test_the_mode_is_reading_during_a_walk_and_outside_after_it(vm: Standalone) -> None:
    seen: list[Mode] = []
    vm.recorder.hooks["walk"] = lambda vcpu: seen.append(vm.state(0)[0])
    vm.vm.shadow_walk(0)
    assert (seen, vm.state(0)[0]) == ([Mode.READING_SHADOW_PAGE_TABLES], Mode.OUTSIDE_GUEST_MODE)


def test_irqs_are_off_during_a_walk_and_on_after_it(vm: Standalone) -> None:
    seen: list[int] = []
    vm.recorder.hooks["walk"] = lambda vcpu: seen.append(vm.irqs_off)
    vm.vm.shadow_walk(0)
    assert (seen, vm.irqs_off, vm.preempt_count) == ([1], 0, 0)


# ---- block ----


def test_a_vcpu_publishes_itself_before_it_tests_the_condition(vm: Standalone, steps: Steps) -> None:
    assert vm.vm.vcpu_block(0) is True
    assert without_points(steps, vm) == [
        "store release vcpu.wait", "fence mb vcpu_block", "load relaxed vcpu.requests", "call block",
    ]  # fmt: skip


def test_a_vcpu_with_something_to_do_does_not_sleep(vm: Standalone) -> None:
    vm.set_vcpu(0, requests=NMI)
    assert (vm.vm.vcpu_block(0), vm.calls, vm.state(0)[2]) == (False, [], False)


def test_a_request_that_does_not_wake_does_not_keep_a_vcpu_awake(vm: Standalone) -> None:
    vm.set_vcpu(0, requests=1 << 23)  # SCAN_IOAPIC: NO_WAKEUP
    assert vm.vm.vcpu_block(0) is True


@pytest.mark.parametrize("point", ["block.published", "block.test"])
def test_a_request_between_publishing_and_testing_keeps_it_awake(vm: Standalone, point: str) -> None:
    kicked_at(vm, point, requests=NMI)
    assert vm.vm.vcpu_block(0) is False


def test_a_kicker_that_comes_between_publishing_and_testing_finds_the_sleeper(vm: Standalone) -> None:
    woken: list[bool] = []

    def at(point: str, vcpu: int | None) -> None:
        if point == "block.published":
            vm.recorder.at_point = None
            woken.append(vm.vm.wake_up(0))

    vm.recorder.at_point = at
    vm.vm.vcpu_block(0)
    assert woken == [True]


# ---- load, put and the strategy's half ----


def test_load_stores_the_pcpu_of_the_context(vm: Standalone) -> None:
    vm.this_cpu = 1
    vm.vm.vcpu_load(0)
    assert vm.state(0)[1] == 1


def test_put_leaves_the_pcpu_stale_on_x86(x86: Standalone) -> None:
    x86.vm.vcpu_put(0)
    assert x86.state(0)[1] == 0


def test_put_clears_the_pcpu_on_arm64() -> None:
    vm = Standalone(1, 1, loop="arm64")
    vm.vm.vcpu_load(0)
    vm.vm.vcpu_put(0)
    assert vm.state(0)[1] == -1


class Halves:
    """A strategy with all of the vCPU's half, which notes when it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    def dispatch(self, vm: CurrentVM, request: int, targets: object) -> bool:
        return False

    def note(self, what: str, vcpu: VCpu) -> None:
        self.asked.append((what, vcpu.idx, vcpu.cpu))

    def on_load(self, vm: CurrentVM, vcpu: VCpu) -> None:
        self.note("on_load", vcpu)

    def on_put(self, vm: CurrentVM, vcpu: VCpu) -> None:
        self.note("on_put", vcpu)

    def enter_barrier(self, vm: CurrentVM, vcpu: VCpu) -> None:
        self.note("enter_barrier", vcpu)

    def on_wake(self, vm: CurrentVM, vcpu: VCpu) -> None:
        self.note("on_wake", vcpu)


@pytest.fixture
def halves() -> tuple[Standalone, Halves]:
    strategy = Halves()
    return Standalone(2, 2, strategy=strategy, loop="arm64", world=True, this_cpu=1), strategy


def test_on_load_is_asked_after_the_cpu_was_stored(halves: tuple[Standalone, Halves]) -> None:
    vm, strategy = halves
    vm.vm.vcpu_load(1)
    assert strategy.asked == [("on_load", 1, 1)]


def test_on_put_is_asked_before_the_cpu_is_cleared(halves: tuple[Standalone, Halves]) -> None:
    vm, strategy = halves
    vm.set_vcpu(1, cpu=1)
    vm.vm.vcpu_put(1)
    assert (strategy.asked, vm.state(1)[1]) == ([("on_put", 1, 1)], -1)


def test_on_wake_is_asked_after_a_sleep(halves: tuple[Standalone, Halves]) -> None:
    vm, strategy = halves
    vm.vm.vcpu_block(1)
    assert strategy.asked == [("on_wake", 1, -1)]


def test_on_wake_is_not_asked_when_it_did_not_sleep(halves: tuple[Standalone, Halves]) -> None:
    vm, strategy = halves
    vm.set_vcpu(1, requests=NMI)
    vm.vm.vcpu_block(1)
    assert strategy.asked == []


def test_enter_barrier_replaces_the_full_barrier_between_mode_and_last_check(halves: tuple[Standalone, Halves], steps: Steps) -> None:
    vm, strategy = halves
    vm.enter(1)
    assert [asked[0] for asked in strategy.asked] == ["enter_barrier"]
    assert without_points(steps, vm)[2:5] == ["store relaxed vcpu.mode", "load relaxed vcpu.cpu", "load relaxed vcpu.requests"]


def test_without_an_enter_barrier_there_is_a_full_one(vm: Standalone, steps: Steps) -> None:
    vm.vm.enter_barrier(0)
    assert steps(vm.ops) == ["fence mb enter_barrier"]


def test_the_views_enter_guest_is_the_loops(x86: Standalone) -> None:
    x86.enter(0)
    by_loop = x86.trace
    x86.clear()
    assert (x86.vm.vcpu_enter_guest(0, "x86"), x86.trace) == (True, by_loop)
