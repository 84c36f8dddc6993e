"""What every built-in strategy owes its caller, for random vCPU states, targets and flags: one call, nobody else moving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minikvm.core.bitmap import Bitmap
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode
from tests.examples import examples

Make = Callable[..., Any]
NO_WAKEUP, WAIT, NO_ACTION = 1 << 8, 1 << 9, 1 << 10
ME = 0
SENDS_TO_ALL = {"broadcast"}
LOOKS_ONLY = {"broadcast", "locked", "sampled"}  # they never move a mode to EXITING
CPU_FIRST = {"linear", "v1-bitmap"}  # they leave the mode of a vCPU alone that is not loaded, or loaded here


@dataclass(frozen=True)
class VcpuState:
    mode: Mode
    cpu: int
    wait: bool
    requests: int


@dataclass(frozen=True)
class Case:
    """A VM and one call. targets None: all. Every vCPU whose state is None is a hole."""

    vcpus: list[VcpuState | None]
    pcpus: int
    targets: list[int] | None
    req: int

    def chosen(self) -> list[int]:
        indices = range(len(self.vcpus)) if self.targets is None else sorted(set(self.targets))
        return [i for i in indices if self.vcpus[i] is not None]

    def state(self, idx: int) -> VcpuState:
        state = self.vcpus[idx]
        assert state is not None
        return state

    def woken(self) -> list[int]:
        return [] if self.req & NO_WAKEUP else [i for i in self.chosen() if self.state(i).wait]

    def looked_at(self) -> list[int]:
        woken = self.woken()
        return [i for i in self.chosen() if i not in woken]

    def needs(self, idx: int) -> bool:
        mode = self.state(idx).mode
        return mode != Mode.OUTSIDE_GUEST_MODE if self.req & WAIT else mode == Mode.IN_GUEST_MODE

    def mask(self) -> set[int]:
        return {self.state(i).cpu for i in self.looked_at() if self.needs(i)} - {-1, ME}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count = draw(st.sampled_from([1, 3, 63, 64, 65, 130]))
    pcpus = draw(st.sampled_from([1, 2, 8, 64, 140]))
    present = draw(st.lists(st.integers(0, count - 1), max_size=12, unique=True))
    vcpus: list[VcpuState | None] = [VcpuState(Mode.OUTSIDE_GUEST_MODE, -1, False, 0)] * count
    for idx in present:
        hole = count > 1 and idx > 0 and draw(st.integers(0, 5)) == 0
        vcpus[idx] = None if hole else VcpuState(
            draw(st.sampled_from(Mode)), draw(st.integers(-1, pcpus - 1)), draw(st.booleans()), draw(st.sampled_from([0, 1, 1 << 40])))
    interesting = st.sampled_from(present) if present else st.integers(0, count - 1)
    targets = draw(st.none() | st.lists(interesting | st.integers(0, count - 1), max_size=12))
    flags = draw(st.sampled_from([0, NO_WAKEUP])) | draw(st.sampled_from([0, WAIT])) | draw(st.sampled_from([0, NO_ACTION]))
    return Case(vcpus, pcpus, targets, draw(st.sampled_from([0, 8, 34, 63])) | flags)


@dataclass(frozen=True)
class Done:
    """What a call did."""

    vm: Standalone
    returned: bool
    visited: int

    def masks(self) -> list[set[int]]:
        return [set(ipi.mask) for ipi in self.vm.ipis]

    def sent(self) -> set[int]:
        return set().union(*self.masks())


def run(strategy: Any, case: Case) -> Done:
    vm = Standalone(
        len(case.vcpus), case.pcpus, strategy=strategy, record=True, this_cpu=ME,
        holes=[i for i, state in enumerate(case.vcpus) if state is None],
        cluster_of=[p // 16 for p in range(case.pcpus)], node_of=[p % 2 for p in range(case.pcpus)],
        apic_of=[p * 3 for p in range(case.pcpus)])
    for idx, state in enumerate(case.vcpus):
        if state is not None:
            vm.set_vcpu(idx, mode=state.mode, cpu=state.cpu, wait=state.wait, requests=state.requests)
    returned = vm.dispatch(case.req, None if case.targets is None else Bitmap(len(case.vcpus), case.targets))
    return Done(vm, returned, vm.visited)


quick = settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(case=cases())
def test_exactly_the_targets_get_the_bit(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    bit = 0 if case.req & NO_ACTION else 1 << (case.req & 0xFF)
    got = {i: done.vm.state(i)[3] for i, state in enumerate(case.vcpus) if state is not None}
    chosen = case.chosen()
    assert got == {i: case.state(i).requests | (bit if i in chosen else 0) for i in got}


@quick
@given(case=cases())
def test_sleeping_targets_are_woken_unless_no_wakeup(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    asleep = {i for i, state in enumerate(case.vcpus) if state is not None and done.vm.state(i)[2]}
    assert done.vm.woken == case.woken()
    assert asleep == {i for i, state in enumerate(case.vcpus) if state is not None and state.wait} - set(case.woken())


@quick
@given(case=cases())
def test_ipis_go_where_the_truth_table_says(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    wanted = set(range(case.pcpus)) if strategy_name in SENDS_TO_ALL else case.mask()
    assert done.sent() == wanted
    assert case.mask() <= done.sent()


@quick
@given(case=cases())
def test_groups_of_a_call_are_disjoint_and_not_empty(strategy: Make, strategy_name: str, case: Case) -> None:
    masks = run(strategy(strategy_name), case).masks()
    assert all(masks)
    assert sum(len(m) for m in masks) == len(set().union(*masks))


@quick
@given(case=cases())
def test_it_waits_once_and_only_when_ipis_were_sent_with_wait(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    waits = [op for op in done.vm.calls if op.name == "call_wait"]
    assert len(waits) == (1 if case.req & WAIT and done.masks() else 0)
    assert all(ipi.wait == bool(case.req & WAIT) for ipi in done.vm.ipis)
    assert not waits or done.vm.calls[-1] == waits[0], "a send after the wait"


@quick
@given(case=cases())
def test_it_says_whether_an_ipi_was_sent(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    assert done.returned == bool(done.masks())


@quick
@given(case=cases())
def test_modes_move_from_in_guest_to_exiting_at_most(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    looked_at = case.looked_at()
    for idx, state in enumerate(case.vcpus):
        if state is None:
            continue
        moved = idx in looked_at and state.mode == Mode.IN_GUEST_MODE and strategy_name not in LOOKS_ONLY
        if strategy_name in CPU_FIRST and state.cpu in (-1, ME):
            moved = False
        assert done.vm.state(idx)[0] == (Mode.EXITING_GUEST_MODE if moved else state.mode), f"vCPU {idx}"


@quick
@given(case=cases())
def test_preemption_is_on_again_after_the_call(strategy: Make, strategy_name: str, case: Case) -> None:
    assert run(strategy(strategy_name), case).vm.preempt_count == 0


@quick
@given(case=cases())
def test_only_linear_walks_visit_more_than_the_targets(strategy: Make, strategy_name: str, case: Case) -> None:
    count = len(case.vcpus)
    wanted = count if case.targets is None else len(set(case.targets))
    if strategy_name in {"linear", "upstream-linear"}:
        wanted = count
    elif strategy_name == "asymmetric":  # it walks those again that were not woken
        wanted += len(case.looked_at())
    assert run(strategy(strategy_name), case).visited == wanted


@quick
@given(case=cases())
def test_each_bit_that_is_made_is_reported_to_the_observer(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    made = [op.vcpu for op in done.vm.events if op.name == "made"]
    assert made == ([] if case.req & NO_ACTION else case.chosen())


@quick
@given(case=cases())
def test_each_send_is_reported_to_the_observer(strategy: Make, strategy_name: str, case: Case) -> None:
    done = run(strategy(strategy_name), case)
    assert [set(op.value) for op in done.vm.events if op.name == "sending"] == done.masks()


@quick
@given(case=cases())
def test_a_target_bitmap_with_bits_past_the_table_touches_nobody_there(strategy: Make, strategy_name: str, case: Case) -> None:
    """Nobody is there to be touched: it must neither crash nor count them."""
    count = len(case.vcpus)
    if count % 64 == 0:
        return
    targets = Bitmap(count, case.targets or [])
    memoryview(targets).cast("B")[-1] |= 0x80
    vm = Standalone(count, case.pcpus, strategy=strategy(strategy_name), record=True)
    vm.dispatch(case.req & ~NO_ACTION, targets)
    assert {op.vcpu for op in vm.events if op.name == "made"} == set(case.targets or [])


@pytest.mark.parametrize("by", ["cluster", "node"])
@quick
@given(case=cases())
def test_cluster_sends_one_group_at_a_time(strategy: Make, by: str, case: Case) -> None:
    done = run(strategy("cluster", by=by), case)
    group = (lambda p: p // 16) if by == "cluster" else (lambda p: p % 2)
    groups = [{group(p) for p in mask} for mask in done.masks()]
    assert all(len(g) == 1 for g in groups)
    assert len({next(iter(g)) for g in groups}) == len(groups), "a group was sent twice"


@quick
@given(case=cases())
def test_pv_window_spans_at_most_128_apic_ids(strategy: Make, case: Case) -> None:
    done = run(strategy("pv-window"), case)
    assert all(max(m) * 3 - min(m) * 3 < 128 for m in done.masks())
