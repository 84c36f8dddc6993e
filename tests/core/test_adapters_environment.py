"""Python race injectors and back ends behind native structs."""

from __future__ import annotations

from typing import Any

import pytest

from minikvm.core._testing_backend import be_guest, drive
from minikvm.core.adapters import python_engine, python_injector
from minikvm.core.backend_adapter import Doorbell, python_backend
from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode, VCpu
from minikvm.core.view import CurrentVM
from minikvm.core.vmview import Verdict

# ---- race injectors ----


class StaleCpu:
    """Moves the target away once its cpu has been read."""

    name = "stale-cpu"
    points = ("kick.cpu_read",)

    def __init__(self) -> None:
        self.seen: list[tuple[str, int | None, int]] = []

    def at(self, vm: CurrentVM, point: str, vcpu: VCpu | None) -> None:
        assert vcpu is not None
        self.seen.append((point, vcpu.idx, vcpu.cpu))
        vm.migrate(vcpu)


class Says:
    """An injector with a given verdict at the allocation of a mask."""

    points = ("kick.alloc_mask",)

    def __init__(self, verdict: Any) -> None:
        self.verdict = verdict

    def at(self, vm: CurrentVM, point: str, vcpu: VCpu | None) -> Any:
        return self.verdict


def test_an_injector_is_asked_only_at_its_points() -> None:
    injector = StaleCpu()
    vm = Standalone(2, injectors=[injector], world=True)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.dispatch(8)
    assert injector.seen == [("kick.cpu_read", 1, 1)]


@pytest.mark.parametrize(("answer", "asked", "cpu"), [(0, 0, 1), (1, 1, 0)])
def test_an_injector_is_called_only_where_the_world_says_that_it_fires(answer: int, asked: int, cpu: int) -> None:
    injector = StaleCpu()
    vm = Standalone(2, injectors=[injector], world=True)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.recorder.answers = [answer]
    vm.dispatch(8)
    assert (len(injector.seen), [list(ipi.mask) for ipi in vm.ipis], vm.state(1)[1]) == (asked, [[1]], cpu)


def test_the_world_is_asked_under_the_injectors_name() -> None:
    vm = Standalone(2, injectors=[StaleCpu()], world=True)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.dispatch(8)
    assert [op.name for op in vm.trace if op.op == "choose"] == ["stale-cpu"]


def test_a_vcpu_whose_cpu_an_injector_reads_passes_no_point() -> None:
    vm = Standalone(2, injectors=[StaleCpu()], world=True)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1)
    vm.dispatch(8)
    assert vm.points.count("kick.cpu_read") == 1


@pytest.mark.parametrize("verdict", [1, Verdict.FAIL, "fail"])
def test_a_verdict_may_be_a_number_a_member_or_a_name(verdict: Any) -> None:
    vm = Standalone(1, injectors=[Says(verdict)], world=True)
    assert vm.vm.zalloc_cpumask() is None


@pytest.mark.parametrize("verdict", [None, 0, Verdict.GO])
def test_an_injector_may_let_it_go_on(verdict: Any) -> None:
    vm = Standalone(1, injectors=[Says(verdict)], world=True)
    assert vm.vm.zalloc_cpumask() is not None


@pytest.mark.parametrize("verdict", [4, -1, True, "fial", 0.5])
def test_a_verdict_that_is_none_is_an_error(verdict: Any) -> None:
    vm = Standalone(1, injectors=[Says(verdict)], world=True)
    with pytest.raises((TypeError, ValueError), match=r"expected a Verdict|did you mean 'fail'"):
        vm.vm.zalloc_cpumask()


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"points": ()}, r"race injector Says: points is \(\): expected names of points"),
        ({"points": "kick.made"}, "race injector Says: points is 'kick.made': expected names of points"),
        ({"points": ["kick.mad"]}, "point 'kick.mad': did you mean 'kick.made'\\?"),
        ({"probability": 1.5}, "race injector Says: probability 1.5: expected a number from 0 to 1"),
        ({"probability": "1"}, "race injector Says: probability '1': expected a number from 0 to 1"),
    ],
)
def test_an_injector_that_cannot_be_says_why(attributes: dict[str, Any], message: str) -> None:
    injector = Says(None)
    for name, value in attributes.items():
        setattr(injector, name, value)
    with pytest.raises(ValueError, match=f"^{message}$"):
        python_injector(injector)


# ---- back ends ----


class Bell:
    """A back end with everything, which notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.door: Doorbell | None = None

    def open(self, doorbell: Doorbell) -> None:
        doorbell.fd = 77
        doorbell.state = "mine"
        self.door = doorbell
        self.asked.append(("open", doorbell.pcpu))

    def close(self, doorbell: Doorbell) -> None:
        self.asked.append(("close", doorbell.fd))

    def thread_start(self, vm: CurrentVM) -> None:
        self.asked.append(("thread_start", vm.this_cpu))

    def ring(self, vm: CurrentVM, doorbell: Doorbell) -> None:
        self.asked.append(("ring", doorbell.pending, doorbell.state, doorbell.strike(), doorbell.bell))

    def wait(self, vm: CurrentVM, doorbell: Doorbell, timeout_ns: int) -> None:
        doorbell.bell = 9
        self.asked.append(("wait", doorbell.rung, timeout_ns, doorbell.bell, doorbell.tid))


class Least:
    """The least that a back end can be: it wakes no kind of guest."""

    capabilities: frozenset[str] = frozenset()

    def ring(self, vm: CurrentVM, doorbell: Doorbell) -> None:
        pass

    def wait(self, vm: CurrentVM, doorbell: Doorbell, timeout_ns: int) -> None:
        pass


def test_a_back_end_is_asked_for_each_thing_with_its_doorbell() -> None:
    bell = Bell()
    drive(python_backend(bell), Standalone(1, 4, this_cpu=2), 3, 1000)
    assert bell.asked == [
        ("open", 3), ("thread_start", 2), ("ring", 1, "mine", 0, 1),
        ("wait", True, 1000, 9, 0), ("wait", True, 1000, 9, 0),  # a sleeping guest, a spinning one
        ("close", 77),
    ]  # fmt: skip


@pytest.mark.parametrize(("capability", "served"), [("interrupts-sleep", "sleep"), ("interrupts-spin", "spin")])
def test_a_back_end_serves_the_guests_that_it_says_it_can_interrupt(capability: str, served: str) -> None:
    bell = Least()
    bell.capabilities = frozenset([capability])
    assert drive(python_backend(bell), Standalone(1), 0, 0) == ["ring", served, "close"]


def test_a_method_that_a_back_end_lacks_is_not_called() -> None:
    assert drive(python_backend(Least()), Standalone(1), 0, 0) == ["ring", "close"]  # close: so that the Doorbell expires


def test_a_doorbell_that_is_kept_after_close_says_so() -> None:
    bell = Bell()
    drive(python_backend(bell), Standalone(1, 4), 3, 0)
    assert bell.door is not None
    with pytest.raises(RuntimeError, match="the doorbell of pCPU 3 is closed"):
        bell.door.pending  # noqa: B018


def test_an_exception_in_a_back_end_reaches_the_caller() -> None:
    class Raises(Least):
        def ring(self, vm: CurrentVM, doorbell: Doorbell) -> None:
            raise LookupError("no bell")

    with pytest.raises(LookupError, match="no bell"):
        drive(python_backend(Raises()), Standalone(1), 0, 0)


# ---- guest engines ----


class Guest:
    """An engine that notes whose guest it was."""

    def __init__(self) -> None:
        self.was: list[tuple[int, int]] = []

    def run(self, vm: CurrentVM, vcpu: VCpu, timeout_ns: int) -> None:
        self.was.append((vcpu.idx, timeout_ns))


def test_an_engine_is_the_guest_of_the_vcpu_for_the_given_time() -> None:
    guest = Guest()
    be_guest(python_engine(guest), Standalone(2), 1, 500)
    assert guest.was == [(1, 500)]


def test_an_exception_in_an_engine_reaches_the_caller() -> None:
    class Raises(Guest):
        def run(self, vm: CurrentVM, vcpu: VCpu, timeout_ns: int) -> None:
            raise LookupError("no guest")

    with pytest.raises(LookupError, match="no guest"):
        be_guest(python_engine(Raises()), Standalone(1), 0, 0)
