"""CurrentVM: what it gives out, how long that is valid, and what it says to misuse."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from minikvm.core.bitmap import Bitmap
from minikvm.core.cpumask import CpuMask
from minikvm.core.requests import RequestRegistry
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode, VCpu
from minikvm.core.view import CurrentVM
from minikvm.core.vmview import Verdict


@pytest.fixture
def vm() -> Standalone:
    """Four places, the third a hole; three pCPUs; the context is on pCPU 0."""
    vm = Standalone(4, 3, holes=[2], world=True, record=True)
    for vcpu in vm.table:
        vm.set_vcpu(vcpu, cpu=vcpu.idx % 3)
    return vm


class Keeper:
    """A strategy that keeps what it was given."""

    def __init__(self, take: Callable[[CurrentVM], Any]) -> None:
        self.take = take
        self.kept: list[Any] = []

    def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
        self.kept.append((vm, self.take(vm)))
        return False


# ---- who and where ----


def test_vcpus_skip_holes(vm: Standalone) -> None:
    assert [vcpu.idx for vcpu in vm.vm.vcpus] == [0, 1, 3]


def test_a_place_gives_the_same_vcpu_each_time(vm: Standalone) -> None:
    assert vm.vm.vcpu(3) is vm.vm.vcpu(3)


def test_get_vcpu_gives_none_for_a_hole_and_past_the_end(vm: Standalone) -> None:
    assert [vm.vm.get_vcpu(idx) for idx in (2, 4, -1)] == [None, None, None]


def test_this_cpu_is_where_the_context_is_now(vm: Standalone) -> None:
    vm.this_cpu = 2
    assert vm.vm.this_cpu == 2


def test_current_is_the_vcpu_whose_thread_it_is() -> None:
    vm = Standalone(2, vcpu=1)
    current = vm.vm.current
    assert current is not None and current.idx == 1


def test_a_task_is_no_vcpus_thread(vm: Standalone) -> None:
    assert vm.vm.current is None


@pytest.mark.parametrize(("targets", "seen"), [(None, [0, 1, 3]), ([1, 2, 3], [1, 3]), ([], [])])
def test_for_each_vcpu_skips_holes(vm: Standalone, targets: list[int] | None, seen: list[int]) -> None:
    assert [vcpu.idx for vcpu in vm.vm.for_each_vcpu(targets)] == seen


def test_topology_is_that_of_the_table() -> None:
    standalone = Standalone(1, 2, cluster_of=[4, 5], node_of=[1, 0], apic_of=[70, 80])
    vm = standalone.vm
    assert [(vm.cluster_of(pcpu), vm.node_of(pcpu), vm.apic_of(pcpu)) for pcpu in (0, 1)] == [(4, 1, 70), (5, 0, 80)]


# ---- lifetime ----


@pytest.fixture
def expired() -> tuple[CurrentVM, VCpu]:
    """A view and a vCPU that a strategy kept after its call."""
    strategy = Keeper(lambda vm: vm.vcpu(1))
    Standalone(2, strategy=strategy).dispatch(0)
    vm, vcpu = strategy.kept[0]
    return vm, vcpu


@pytest.mark.parametrize(
    "use",
    [
        lambda vm: vm.this_cpu,
        lambda vm: vm.vcpus,
        lambda vm: vm.vcpu(0),
        lambda vm: vm.make_request(0, 0),
        lambda vm: vm.kick_mask(),
        lambda vm: vm.smp_mb(),
        lambda vm: vm.preempt_disabled(),
        lambda vm: list(vm.for_each_vcpu()),
        lambda vm: vm.shadow_walk(0),
        lambda vm: vm.delay(1),
    ],
)
def test_a_view_that_is_kept_after_its_call_says_that_it_has_expired(expired: Any, use: Callable[[CurrentVM], Any]) -> None:
    with pytest.raises(RuntimeError, match="this vm has expired"):
        use(expired[0])


@pytest.mark.parametrize("field", ["requests", "mode", "cpu", "wait"])
def test_a_vcpu_that_is_kept_after_its_call_says_that_it_has_expired(expired: Any, field: str) -> None:
    with pytest.raises(RuntimeError, match="this view of vCPU 1 has expired"):
        getattr(expired[1], field)


def test_an_expired_vcpu_still_has_its_name(expired: Any) -> None:
    assert (expired[1].idx, repr(expired[1])) == (1, "<VCpu 1>")


def test_a_view_outlives_a_dead_vm_without_touching_it() -> None:
    owner = [Standalone(4, 3)]
    view, vcpu = owner[0].vm, owner[0].vm.vcpu(3)
    owner.clear()
    gc.collect()
    with pytest.raises(RuntimeError, match="expired"):
        view.this_cpu  # noqa: B018
    with pytest.raises(RuntimeError, match="expired"):
        vcpu.cpu  # noqa: B018


def test_a_view_stays_valid_in_a_call_within_its_call() -> None:
    seen: list[int] = []

    class Nested:
        def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
            if request == 8:
                standalone.dispatch(9)
            seen.append(vm.this_cpu)
            return False

    standalone = Standalone(1, strategy=Nested())
    standalone.dispatch(8)
    assert seen == [0, 0]


def test_a_view_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="is given to plugins"):
        CurrentVM()


# ---- kick masks ----


def test_the_kick_mask_is_the_pcpus_own_memory(vm: Standalone, registry: RequestRegistry) -> None:
    mask = vm.vm.kick_mask()
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE)
    vm.dispatch(registry["TLB_FLUSH"], [1])
    assert list(mask) == [1]


def test_the_kick_mask_is_cleared_when_it_is_taken(vm: Standalone) -> None:
    vm.vm.kick_mask().set(2)
    assert list(vm.vm.kick_mask()) == []


def test_each_pcpu_has_its_own_kick_mask(vm: Standalone) -> None:
    first = vm.vm.kick_mask()
    vm.this_cpu = 1
    vm.vm.kick_mask().set(2)
    assert list(first) == []


def test_a_kick_mask_that_is_kept_after_its_call_keeps_its_bits_in_its_own_memory() -> None:
    def take(vm: CurrentVM) -> CpuMask:
        mask = vm.kick_mask()
        mask.zero()
        mask.set(len(strategy.kept))
        return mask

    strategy = Keeper(take)
    vm = Standalone(2, strategy=strategy)
    vm.dispatch(0)
    vm.dispatch(0)
    assert [list(mask) for _, mask in strategy.kept] == [[0], [1]]


def test_a_memoryview_of_a_kick_mask_that_outlives_its_call_is_an_error() -> None:
    strategy = Keeper(lambda vm: memoryview(vm.kick_mask()))
    with pytest.raises(RuntimeError, match="memoryview of a kick mask outlives the call"):
        Standalone(2, strategy=strategy).dispatch(0)


def test_an_allocated_mask_is_not_the_kick_mask(vm: Standalone) -> None:
    mine = vm.vm.zalloc_cpumask()
    assert mine is not None
    mine.set(1)
    assert list(vm.vm.kick_mask()) == []


def test_an_allocation_that_an_injector_fails_gives_none(vm: Standalone) -> None:
    vm.recorder.verdicts["kick.alloc_mask"] = "fail"
    assert vm.vm.zalloc_cpumask() is None


def test_mask_cpu_adds_what_is_loaded_elsewhere(vm: Standalone) -> None:
    mask = vm.vm.kick_mask()
    added = [vm.vm.mask_cpu(0, cpu, 0, mask) for cpu in (-1, 0, 2)]
    assert (added, list(mask)) == ([False, False, True], [2])


# ---- preemption, points, choices ----


def test_preemption_is_off_inside_the_block_and_on_after_it(vm: Standalone) -> None:
    with vm.vm.preempt_disabled() as me:
        inside = (me, vm.preempt_count)
    assert (inside, vm.preempt_count) == ((0, 1), 0)


def test_preemption_is_on_again_after_an_exception(vm: Standalone) -> None:
    with pytest.raises(KeyError), vm.vm.preempt_disabled():
        raise KeyError
    assert vm.preempt_count == 0


def test_put_cpu_without_get_cpu_is_an_error(vm: Standalone) -> None:
    with pytest.raises(RuntimeError, match=r"put_cpu\(\) without get_cpu\(\)"):
        vm.vm.put_cpu()


def test_a_point_gives_the_injectors_verdict(vm: Standalone) -> None:
    vm.recorder.verdicts["ipi.send"] = "ipi_lost"
    assert (vm.vm.point("ipi.send"), vm.vm.point("kick.begin", 1)) == (Verdict.IPI_LOST, Verdict.GO)


def test_choose_asks_the_world(vm: Standalone) -> None:
    vm.recorder.answers = [2]
    assert [vm.vm.choose(3), vm.vm.choose(3)] == [2, 0]


@pytest.mark.parametrize(("probability", "answers"), [(0.0, {0}), (1.0, {1, 2}), (0.5, {0, 1, 2})])
def test_without_a_world_choose_is_random_by_its_probability(probability: float, answers: set[int]) -> None:
    vm = Standalone(1, seed=7)
    assert {vm.vm.choose(3, probability) for _ in range(200)} == answers


def test_choices_repeat_with_the_seed() -> None:
    first, second, other = ([vm.vm.choose(1000, 1.0) for _ in range(8)] for vm in (Standalone(1, seed=seed) for seed in (3, 3, 4)))
    assert (first == second, first == other) == (True, False)


def test_a_note_reaches_the_observer(vm: Standalone) -> None:
    vm.vm.note("deferred", 1, 40)
    assert [(event.name, event.vcpu, event.value) for event in vm.events] == [("deferred", 1, 40)]


# ---- the environment ----


def test_migrate_moves_a_vcpu_out_of_the_guest_to_another_pcpu(vm: Standalone) -> None:
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE)
    assert vm.vm.migrate(1) is True
    assert vm.state(1)[:2] == (Mode.OUTSIDE_GUEST_MODE, 2)


def test_migrate_may_walk_on_the_new_pcpu(vm: Standalone) -> None:
    vm.vm.migrate(1, walk=True)
    assert vm.state(1)[:2] == (Mode.READING_SHADOW_PAGE_TABLES, 2)


def test_migrate_does_nothing_to_a_vcpu_that_is_not_loaded(vm: Standalone) -> None:
    vm.set_vcpu(1, cpu=-1)
    assert (vm.vm.migrate(1), vm.state(1)[1]) == (False, -1)


def test_preempt_does_nothing_with_preemption_off(vm: Standalone) -> None:
    with vm.vm.preempt_disabled():
        assert vm.vm.preempt() is False
    assert vm.vm.preempt() is True


def test_a_spurious_wakeup_of_any_takes_a_sleeper(vm: Standalone) -> None:
    vm.set_vcpu(3, wait=True)
    assert [vm.vm.spurious_wakeup(), vm.vm.spurious_wakeup()] == [True, False]
    assert vm.state(3)[2] is False


def test_delay_and_spurious_ipi_reach_the_machine(vm: Standalone) -> None:
    vm.vm.delay(250)
    vm.vm.spurious_ipi(2)
    assert [(call.name, call.value) for call in vm.calls] == [("delay", 250), ("spurious_ipi", 2)]


def test_membarrier_and_reschedule_reach_the_machine(vm: Standalone) -> None:
    vm.vm.membarrier()
    vm.vm.reschedule(2)
    assert [(call.name, call.value) for call in vm.calls] == [("membarrier", None), ("reschedule", 2)]


def test_send_call_does_not_wait_until_call_wait(vm: Standalone) -> None:
    vm.vm.send_call(CpuMask(3, [1]), wait=True)
    sent = [call.name for call in vm.calls]
    vm.vm.call_wait()
    assert (sent, vm.calls[-1].name) == (["call_many"], "call_wait")


def test_set_mode_stores_with_the_order_that_is_asked_for(vm: Standalone) -> None:
    vm.vm.set_mode(1, Mode.IN_GUEST_MODE, "release")
    assert [(op.op, op.order, op.value) for op in vm.ops] == [("store", "release", 1)]


def test_a_wait_releases_the_gil(vm: Standalone) -> None:
    """A machine that waits for another Python thread would hang if the GIL were held."""
    done = threading.Event()

    def acknowledged(*_: object) -> None:
        threading.Thread(target=done.set).start()
        assert done.wait(10)

    vm.recorder.hooks["call_wait"] = acknowledged
    vm.vm.call_wait()
    assert done.is_set()
