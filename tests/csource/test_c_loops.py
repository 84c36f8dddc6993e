"""Run loops in C, live and checked."""

from __future__ import annotations

import pytest
from c_forms import ROOT

from minikvm import VM
from minikvm.check.cells import Checker
from minikvm.config import load, loads
from minikvm.plugins import Manager
from tests.csource.conftest import needs_cc

pytestmark = needs_cc

SHIPPED = ROOT / "configs/c/x86-loop.yaml"
COUNTS = {"sc": 19321, "tso": 19321, "rc11": 32388, "lkmm": 32388}
LOOP = """\
{before}
int vcpu_enter_guest(struct kvm_vcpu *vcpu)
{{
	if (kvm_request_pending(vcpu))
		{handle};
	preempt_disable();
	local_irq_disable();
	{mode};
	{barrier};
	if (!kvm_vcpu_exit_request(vcpu)) {{
		while (kvm_run_guest(vcpu) && !kvm_vcpu_exit_request(vcpu))
			;
	}}
	{outside};
	smp_wmb();
	local_irq_enable();
	preempt_enable();
	return 1;
}}
"""
PLAIN, MARKED = "vcpu->mode = OUTSIDE_GUEST_MODE", "WRITE_ONCE(vcpu->mode, OUTSIDE_GUEST_MODE)"
VM_TEXT = """\
vm: {name: loops, vcpus: 6}
host: {sockets: 1, cores: 3, threads: 1}
guest: {enter_us: 40, fastpath_ratio: 0.4, halt_ratio: 0.2, walk_ratio: 0.1}
placement: {overcommit: 2, migrate: 0.1}
workload:
  - {request: TLB_FLUSH, wait: true, targets: all, from: {pcpu: 2}, count: 300}
  - {request: CLOCK_UPDATE, targets: {random: 3}, from: {vcpu: 1}, count: 300}
duration: 5s
"""


SPLIT = """\
static inline bool kvm_check_request(int req, struct kvm_vcpu *vcpu)
{
	if (!kvm_test_request(req, vcpu))
		return false;
	kvm_clear_request(req, vcpu);
	smp_mb__after_atomic();
	return true;
}
"""
AT_ONCE = """\
static inline bool kvm_check_request(int req, struct kvm_vcpu *vcpu)
{
	return test_and_clear_bit(req & KVM_REQUEST_MASK, &vcpu->requests);
}
"""
CONSUMING = {"split": {"before": SPLIT}, "at once": {"before": AT_ONCE}, "all": {"handle": "xchg(&vcpu->requests, 0)"}}


def text(**changed):
    """The loop, with some of its steps as *changed*."""
    steps = {
        "before": "",
        "handle": "kvm_handle_requests(vcpu)",
        "mode": "smp_store_release(&vcpu->mode, IN_GUEST_MODE)",
        "barrier": "smp_mb()",
        "outside": MARKED,
    }
    return LOOP.format(**steps | changed)


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_the_x86_loop_in_c_has_the_executions_of_its_twin(model, write, check):
    ours, twin = check(loop=write(text=text()), models=(model,)), check(models=(model,))
    assert (ours.executions, ours.blocked, ours.violations) == (twin.executions, twin.blocked, {})


def test_the_shipped_loop_holds_with_the_executions_of_the_compiled_one(manager):
    found = {}
    for loop in (None, "x86"):
        checker = Checker(load(SHIPPED, registry=manager), manager, str(SHIPPED), SHIPPED.read_text(), loop=loop)
        found[loop] = [(cell.model, cell.executions, cell.blocked, sorted(cell.violations), cell.races) for cell in checker.run()]
    assert found[None] == found["x86"]
    assert {model: executions + blocked for model, executions, blocked, *_ in found[None]} == COUNTS
    assert all(rest == [[], []] for _, _, _, *rest in found[None])


def test_the_shipped_loop_runs_live_without_a_violation(manager):
    with VM(load(SHIPPED, registry=manager), manager=manager) as vm:
        assert (vm.run().exit_code, vm.report.as_dict()["violations"]) == (0, [])


def test_without_the_barrier_a_store_buffer_loses_the_kick(write, check):
    path = write(text=text(mode="WRITE_ONCE(vcpu->mode, IN_GUEST_MODE)", barrier="barrier()"))
    assert (set(check(loop=path).violations), set(check(loop=path, models=("tso",)).violations)) == (set(), {"P1", "P2"})


def test_a_plain_store_of_the_mode_races_as_in_the_kernel(write, check):
    assert any("vcpu->mode" in a + b for a, b in check(loop=write(text=text(outside=PLAIN))).races)


@pytest.mark.parametrize("way", CONSUMING)
def test_a_request_that_the_file_consumes_itself_is_handled_there(way, write, check):
    ours, twin = check(loop=write(text=text(**CONSUMING[way])), models=("rc11",)), check(models=("rc11",))
    assert (ours.executions, ours.blocked, ours.violations) == (twin.executions, twin.blocked, {})


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_without_the_barrier_behind_the_clear_an_old_payload_is_read(model, write, check):
    path = write(text=text(before=SPLIT.replace("smp_mb__after_atomic();", "")))
    assert set(check(loop=path, models=(model,)).violations) == ({"P6"} if model in ("rc11", "lkmm") else set())


@pytest.mark.parametrize(
    "changed",
    [{"outside": PLAIN}, {"outside": MARKED}, *({**way, "outside": MARKED} for way in CONSUMING.values())],
    ids=["plain", "marked", *CONSUMING],
)
def test_a_loop_in_c_runs_a_vm_without_a_violation(changed, write):
    path = write(text=text(**changed))
    manager = Manager(no_plugins=True)
    with VM(loads(VM_TEXT + f"loop: {path}\n", str(path.parent / "vm.yaml"), registry=manager), manager=manager) as vm:
        report = vm.run()
    assert (report.exit_code, report.as_dict()["violations"]) == (0, [])
    assert sum(row["handled"] for row in report.as_dict()["requests"]) > 0
