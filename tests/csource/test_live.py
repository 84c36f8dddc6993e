"""C strategies on real threads: race injectors strike behind their plain reads too, and the report counts what they do."""

from __future__ import annotations

import pytest

from minikvm import VM
from minikvm.config import loads
from minikvm.plugins import Manager
from tests.csource.conftest import needs_cc

pytestmark = needs_cc

EARLY = """\
bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
{{
	struct kvm_vcpu *vcpu;
	cpumask_var_t cpus;
	unsigned long i;
	bool called;
	int me = get_cpu(), cpu;
	zalloc_cpumask_var(&cpus, GFP_ATOMIC);
	kvm_for_each_vcpu(i, vcpu, kvm) {{
		{early};
		__kvm_make_request(req, vcpu);
		{late};
		if (!(req & KVM_REQUEST_NO_WAKEUP) && kvm_vcpu_wake_up(vcpu))
			continue;
		if (kvm_request_needs_ipi(vcpu, req) && cpu != -1 && cpu != me)
			__cpumask_set_cpu(cpu, cpus);
	}}
	called = kvm_kick_many_cpus(cpus, !!(req & KVM_REQUEST_WAIT));
	free_cpumask_var(cpus);
	put_cpu();
	return called;
}}
"""
MOVING = """\
vm: {name: moving, vcpus: 4}
host: {sockets: 1, cores: 6, threads: 1}
guest: {enter_us: 2000}
placement: {migrate: 0}
injectors: [{name: stale-cpu, probability: 0.5}]
workload:
  - {request: TLB_FLUSH, wait: true, targets: all, from: {pcpu: 5}, count: 150}
duration: 10s
"""


@pytest.fixture
def run(write):
    """Run a VM with a C strategy, and return its report."""

    def run(early: str, late: str) -> dict:
        path = write(text=EARLY.format(early=early, late=late))
        manager = Manager(no_plugins=True)
        config = loads(f"{MOVING}strategy: {path}\n", str(path.parent / "vm.yaml"), registry=manager)
        with VM(config, manager=manager) as vm:
            return vm.run().as_dict()

    return run


def test_a_cpu_that_is_read_before_the_request_is_made_loses_kicks(run):
    report = run(early="cpu = vcpu->cpu", late="")
    assert {violation["property"] for violation in report["violations"]} & {"P1", "P2"}, report["injected"]


def test_one_that_is_read_after_it_does_not(run):
    report = run(early="", late="cpu = vcpu->cpu")
    assert (report["violations"], report["injected"]["stale-cpu"] > 0, report["totals"]["stale_ipis"] > 0) == ([], True, True)
