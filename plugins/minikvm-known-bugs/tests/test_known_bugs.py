"""Each strategy differs from the merged form, and each loop from x86's, in the one step that it breaks."""

from pathlib import Path

import pytest

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode
from minikvm.plugins import Manager

SMALL = Path(__file__).parent / "small.yaml"
TLB_FLUSH, EVENT, VM_DEAD, OWN, NO_WAKEUP, WAIT = 0, 14, 1, 47, 1 << 8, 1 << 9
MADE = ["fence wmb", "or relaxed vcpu.requests"]
WAKE = ["fence mb", "load relaxed vcpu.wait"]
MODE = ["fence before_atomic", "cmpxchg full vcpu.mode"]
CPU = ["load relaxed vcpu.cpu"]
SEND = ["call wait call_many", "call  call_wait"]
MERGED = [*MADE, *WAKE, *MODE, *CPU, *SEND]
MASK = "plain cpu_kick_mask"
STRATEGIES = {
    "m01": ["or full vcpu.requests", *WAKE, *MODE, *CPU, *SEND],
    "m02": MERGED,
    "m03": [*MERGED[:-2], "call nowait call_many"],
    "m04": MERGED[1:],
    "m05": [*MADE, *WAKE, MODE[1], *CPU, *SEND],
    "m06": MERGED,
    "m09": [*WAKE, *MODE, *CPU, "call  reschedule"],
    "m10": [*MADE, *WAKE, "load relaxed vcpu.mode", *CPU, *SEND],
    "m12": [*MADE, *CPU, *WAKE, *MODE, *CPU, *SEND],
    "m13": [*MADE, WAKE[1], *MODE, *CPU, *SEND],
    "m27": [f"store {MASK}", *MADE, *WAKE, *MODE, *CPU, f"load {MASK}", f"store {MASK}", f"load {MASK}", *SEND],
    "m29": MERGED,
    "m47": [*WAKE, *MODE, *CPU, "call  reschedule", *MADE],
    "m50": [*MADE, "store relaxed exit_request", "fence mb", *WAKE, *CPU, "call  reschedule"],
    "control-a": [*MADE, "fence mb", "load plain vcpu.cpu", *WAKE, *MODE, *SEND],
    "control-b": MERGED,
}
LOOPS = ["m04", "m07", "m14", "m18", "m21", "m30", "m50"]


@pytest.fixture(scope="module")
def manager():
    return Manager(["minikvm_known_bugs"], no_plugins=True)


@pytest.fixture
def asked(manager):
    """A VM whose vCPU 1 was asked by a strategy, in a mode, on pCPU 1; its trace."""

    def ask(name, mode=Mode.IN_GUEST_MODE, req=EVENT | WAIT):
        vm = Standalone(2, strategy=manager.create("strategy", name), world=True)
        vm.set_vcpu(1, mode=mode, cpu=1)
        vm.dispatch(req, [1])
        return vm

    return ask


@pytest.fixture
def entered(manager):
    """A VM whose vCPU 0 went through one pass of a loop, with requests pending."""

    def enter(name, requests=0):
        vm = Standalone(1, 2, loop=manager.create("loop", name), vcpu=0, world=True)
        vm.set_vcpu(0, cpu=0, requests=requests)
        vm.enter(0)
        return vm

    return enter


@pytest.fixture
def steps():
    """What a VM did, without the points: "operation order name"."""

    def steps(vm):
        trace = [op for op in vm.trace if op.op not in ("point", "event")]
        return [f"fence {op.order}" if op.op == "fence" else f"{op.op} {op.order} {op.name}" for op in trace]

    return steps


@pytest.mark.parametrize(("kind", "name"), [*(("strategy", n) for n in STRATEGIES), *(("loop", n) for n in LOOPS)])
def test_it_is_registered_with_a_summary(manager, kind, name):
    assert manager.get(kind, name).summary.startswith(("Known bug: ", "Control: "))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_differs_from_the_merged_form_in_its_own_step(asked, steps, name):
    assert steps(asked(name)) == STRATEGIES[name]


def test_m01_sends_nothing_for_a_bit_that_is_set(manager):
    vm = Standalone(2, strategy=manager.create("strategy", "m01"), world=True)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1, requests=1 << EVENT)
    assert not vm.dispatch(EVENT | WAIT, [1])


@pytest.mark.parametrize(
    ("name", "mode", "sends"),
    [("m02", Mode.EXITING_GUEST_MODE, False), ("m02", Mode.IN_GUEST_MODE, True), ("m29", Mode.EXITING_GUEST_MODE, True),
     ("m29", Mode.READING_SHADOW_PAGE_TABLES, False), ("control-b", Mode.READING_SHADOW_PAGE_TABLES, True)],
)
def test_the_truth_table_with_wait(asked, name, mode, sends):
    assert bool(asked(name, mode, TLB_FLUSH | WAIT | NO_WAKEUP).ipis) == sends


def test_m06_has_no_barrier_before_the_last_check(manager, steps):
    vm = Standalone(1, 2, strategy=manager.create("strategy", "m06"), vcpu=0, world=True)
    vm.enter(0)
    done = steps(vm)
    assert done[done.index("store release vcpu.mode") + 1] == "fence barrier"


def test_m12_does_nothing_for_a_vcpu_on_the_callers_pcpu(manager, steps):
    vm = Standalone(2, strategy=manager.create("strategy", "m12"), world=True)
    vm.set_vcpu(1, wait=1, cpu=0)
    vm.dispatch(EVENT, [1])
    assert vm.woken == []


def test_control_b_is_done_with_a_sleeper_although_it_waits(manager):
    vm = Standalone(2, strategy=manager.create("strategy", "control-b"), world=True)
    vm.set_vcpu(1, wait=1, cpu=1)
    assert (vm.dispatch(EVENT | WAIT, [1]), vm.woken, vm.ipis) == (False, [1], [])


def test_m04_reads_the_payload_without_a_barrier_after_the_clear(entered, steps):
    done = steps(entered("m04", 1 << EVENT))
    assert done[:3] == ["load relaxed vcpu.requests", "and relaxed vcpu.requests", "call  handle"]


def test_m07_does_not_look_at_the_requests_again(entered, steps):
    assert steps(entered("m07")).count("load relaxed vcpu.requests") == 1


def test_m18_leaves_what_it_has_no_code_for(entered):
    vm = entered("m18", 1 << OWN | 1 << EVENT)
    assert vm.table[0].requests == 1 << OWN


def test_m21_clears_a_sticky_request_and_enters(entered, steps):
    vm = entered("m21", 1 << VM_DEAD)
    assert (vm.table[0].requests, "call  enter_guest" in steps(vm)) == (0, True)


@pytest.fixture
def report(manager):
    from minikvm import VM, load

    with VM(load(SMALL, registry=manager), manager=manager) as vm:
        return vm.run()


def test_a_vm_that_uses_control_b_keeps_every_property(report):
    assert report.exit_code == 0, report.as_dict()["violations"]
