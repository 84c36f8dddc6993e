"""Python plugins behind native structs."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.core.adapters import python_engine, python_injector, python_loop, python_strategy
from minikvm.core.backend_adapter import python_backend
from minikvm.core.bitmap import Bitmap
from minikvm.core.requests import KVM_REQUEST_NO_ACTION, KVM_REQUEST_NO_WAKEUP, KVM_REQUEST_WAIT
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode, VCpu
from minikvm.core.view import CurrentVM

PLACES, PCPUS = 6, 4


class Upstream:
    """kvm_make_vcpus_request_mask() by its single steps, as a plugin author would write it."""

    def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
        with vm.preempt_disabled() as me:
            mask = vm.kick_mask()
            for vcpu in vm.for_each_vcpu(targets):
                if not request & KVM_REQUEST_NO_ACTION:
                    vm.make_request(request, vcpu)
                if not request & KVM_REQUEST_NO_WAKEUP and vm.wake_up(vcpu):
                    continue
                if vm.needs_ipi(vcpu, request):
                    vm.mask_cpu(vcpu, vcpu.cpu, me, mask)
            return vm.kick_many(mask, bool(request & KVM_REQUEST_WAIT))


class Composed(Upstream):
    """The same with the composite step."""

    def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
        with vm.preempt_disabled() as me:
            mask = vm.kick_mask()
            for vcpu in vm.for_each_vcpu(targets):
                vm.make_vcpu_request(vcpu, request, mask, me)
            return vm.kick_many(mask, bool(request & KVM_REQUEST_WAIT))


VCPU_STATES = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(Mode),
        "cpu": st.integers(-1, PCPUS - 1),
        "wait": st.booleans(),
        "requests": st.integers(0, 2**64 - 1),
    }
)


@pytest.mark.parametrize("strategy", [Upstream, Composed])
@given(
    states=st.lists(VCPU_STATES, min_size=PLACES, max_size=PLACES),
    setting=st.fixed_dictionaries(
        {"holes": st.sets(st.integers(0, PLACES - 1), max_size=PLACES - 1), "this_cpu": st.integers(0, PCPUS - 1)}
    ),
    request=st.builds(lambda nr, flags: nr | flags << 8, st.integers(0, 63), st.integers(0, 7)),
    targets=st.none() | st.sets(st.integers(0, PLACES - 1)),
)
def test_a_python_strategy_does_the_same_operations_as_the_native_one(
    strategy: type[Upstream], states: list[dict[str, Any]], setting: dict[str, Any], request: int, targets: set[int] | None
) -> None:
    done = []
    for either in (None, strategy()):
        vm = Standalone(PLACES, PCPUS, strategy=either, **setting, world=True, record=True)
        for vcpu in vm.table:
            vm.set_vcpu(vcpu, **states[vcpu.idx])
        sent = vm.dispatch(request, targets)
        done.append((sent, vm.trace, [vm.state(vcpu) for vcpu in vm.table], vm.preempt_count))
    assert done[1] == done[0]


# ---- strategies ----


class Broken:
    """A strategy whose methods raise."""

    def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
        raise LookupError("dispatch is broken")

    def on_load(self, vm: CurrentVM, vcpu: VCpu) -> None:
        raise LookupError("on_load is broken")

    def enter_barrier(self, vm: CurrentVM, vcpu: VCpu) -> None:
        raise LookupError("enter_barrier is broken")


class Answering:
    """A strategy with a given answer, which notes its targets."""

    def __init__(self, answer: Any = False) -> None:
        self.answer = answer
        self.targets: list[Bitmap] = []

    def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> Any:
        self.targets.append(targets)
        return self.answer


def test_an_exception_in_dispatch_reaches_the_caller() -> None:
    with pytest.raises(LookupError, match="dispatch is broken"):
        Standalone(2, strategy=Broken()).dispatch(0)


def test_an_exception_in_dispatch_ends_dispatch_many() -> None:
    with pytest.raises(LookupError, match="dispatch is broken"):
        Standalone(2, strategy=Broken()).dispatch_many(0, None, 10)


def test_an_exception_in_a_half_reaches_the_vcpus_side() -> None:
    vm = Standalone(2, strategy=Broken())
    with pytest.raises(LookupError, match="on_load is broken"):
        vm.vm.vcpu_load(0)
    with pytest.raises(LookupError, match="enter_barrier is broken"):
        vm.enter(0)


def test_an_exception_in_the_machine_passes_through_a_python_strategy() -> None:
    vm = Standalone(2, strategy=Upstream())
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.recorder.hooks["call_many"] = lambda mask: 1 // 0
    with pytest.raises(ZeroDivisionError):
        vm.dispatch(0)


def test_a_view_has_expired_after_an_exception_too() -> None:
    class Keeps(Broken):
        def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
            self.vm = vm
            return super().dispatch(vm, request, targets)

    strategy = Keeps()
    with pytest.raises(LookupError):
        Standalone(2, strategy=strategy).dispatch(0)
    with pytest.raises(RuntimeError, match="expired"):
        strategy.vm.this_cpu  # noqa: B018


@pytest.mark.parametrize("answer", [None, "yes", 0.5])
def test_an_answer_that_is_no_bool_is_an_error(answer: Any) -> None:
    with pytest.raises(TypeError, match=r"Answering.dispatch\(\) returned .*: expected a bool"):
        Standalone(2, strategy=Answering(answer)).dispatch(0)


def test_targets_are_a_bitmap_over_the_table() -> None:
    strategy = Answering()
    Standalone(5, strategy=strategy).dispatch(0, [1, 4])
    assert strategy.targets == [Bitmap(5, [1, 4])]


@pytest.mark.parametrize(("targets", "given"), [(None, [0, 1, 3]), ([1, 2, 3], [1, 3])], ids=["all", "mask"])
def test_a_strategy_gets_no_hole_among_its_targets(targets: list[int] | None, given: list[int]) -> None:
    strategy = Answering()
    Standalone(4, strategy=strategy, holes=[2]).dispatch(0, targets)
    assert [list(mask) for mask in strategy.targets] == [given]


@pytest.mark.parametrize("strategy", [Upstream, Composed])
def test_a_python_strategys_targets_are_counted_once_as_visited(strategy: type[Upstream]) -> None:
    vm = Standalone(5, strategy=strategy(), holes=[2])
    vm.dispatch(0, [1, 2, 4])
    assert vm.visited == 2


def test_a_strategy_cannot_change_its_callers_targets() -> None:
    strategy = Answering()
    targets = Bitmap(5, [1, 4])
    Standalone(5, strategy=strategy).dispatch(0, targets)
    strategy.targets[0].zero()
    assert list(targets) == [1, 4]


@pytest.mark.parametrize("adapter", [python_strategy, python_loop, python_injector, python_backend, python_engine])
def test_an_object_without_the_method_is_no_plugin(adapter: Any) -> None:
    with pytest.raises(TypeError, match=r"object: expected a method \w+\(\)$"):
        adapter(object())


def test_a_method_that_cannot_be_called_is_an_error() -> None:
    class Odd(Answering):
        on_load = 3

    with pytest.raises(TypeError, match=r"strategy Odd: expected a method on_load\(\), not 3"):
        python_strategy(Odd())


def test_a_capsule_keeps_its_plugin_and_lets_it_go() -> None:
    strategy = Answering()
    alive = weakref.ref(strategy)
    capsule = python_strategy(strategy)
    del strategy
    gc.collect()
    kept = alive() is not None
    del capsule
    gc.collect()
    assert (kept, alive()) == (True, None)


def test_one_capsule_may_serve_vm_after_vm() -> None:
    capsule = python_strategy(Upstream())
    sent = []
    for size in (2, 3, 2, 4):
        vm = Standalone(size, strategy=capsule)
        vm.set_vcpu(size - 1, mode=Mode.IN_GUEST_MODE, cpu=size - 1)
        vm.dispatch(0)
        sent += [list(ipi.mask) for ipi in vm.ipis]
        del vm
    assert sent == [[1], [2], [1], [3]]


def test_a_capsules_views_never_outlive_their_vm_though_the_next_may_stand_at_the_same_address() -> None:
    class Naming:
        def dispatch(self, vm: CurrentVM, request: int, targets: Bitmap) -> bool:
            named.append([vcpu.id for vcpu in vm.vcpus])
            return False

    named: list[list[int]] = []
    capsule = python_strategy(Naming())
    ids = [[100 * n + place for place in range(2 + n % 3)] for n in range(200)]
    for each in ids:
        Standalone(len(each), strategy=capsule, ids=each).dispatch(0)
    assert named == ids


# ---- run loops ----


class MyLoop:
    """The x86 loop by its single steps."""

    def enter(self, vm: CurrentVM, vcpu: VCpu) -> bool:
        vm.handle_requests(vcpu)
        vm.get_cpu()
        vm.irq_disable()
        vm.set_mode(vcpu, Mode.IN_GUEST_MODE, "release")
        vm.enter_barrier(vcpu)
        aborts, _ = vm.last_check(vcpu)
        if not aborts:
            vm.enter_guest(vcpu)
        vm.set_mode(vcpu, Mode.OUTSIDE_GUEST_MODE)
        vm.smp_wmb()
        vm.irq_enable()
        vm.put_cpu()
        return not aborts


@pytest.mark.parametrize("requests", [0, 1 << 17, 1 << 22], ids=["nothing", "NMI", "gate"])
def test_a_python_loop_does_the_same_operations_as_the_native_one(requests: int) -> None:
    done = []
    for loop in ("x86", MyLoop()):
        vm = Standalone(1, loop=loop, vcpu=0, world=True)
        vm.set_vcpu(0, requests=requests)
        entered = vm.enter(0)
        done.append((entered, [(op.op, op.order, op.value) for op in vm.ops]))
    assert done[1] == done[0]


def test_an_exception_in_a_loop_reaches_the_caller() -> None:
    class Raises:
        def enter(self, vm: CurrentVM, vcpu: VCpu) -> bool:
            raise LookupError(vcpu.idx)

    with pytest.raises(LookupError, match="1"):
        Standalone(2, loop=Raises()).enter(1)


@pytest.mark.parametrize(("arch", "cpu"), [("x86", 0), ("arm64", -1)])
def test_the_architecture_of_a_loop_decides_what_put_leaves(arch: str, cpu: int) -> None:
    loop = MyLoop()
    loop.arch = arch  # type: ignore[attr-defined]
    vm = Standalone(1, loop=loop)
    vm.vm.vcpu_load(0)
    vm.vm.vcpu_put(0)
    assert vm.state(0)[1] == cpu


def test_an_unknown_architecture_is_an_error() -> None:
    loop = MyLoop()
    loop.arch = "riscv"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"arch 'riscv': expected one of .*x86, arm64"):
        python_loop(loop)
