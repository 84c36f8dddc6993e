"""A vCPU that calls may be descheduled amid its call: what its put and load do is not the call's."""

from __future__ import annotations

import pytest

from minikvm.check.cells import Checker
from minikvm.config import loads
from minikvm.plugins import Manager

HOUSEKEEPER = '''
from minikvm.kinds import REQUEST_WAIT, Strategy


class Housekeeper(Strategy):
    """As upstream; and a vCPU that is put or loaded asks itself for a flush, as record_steal_time() may."""

    name = "housekeeper"

    def dispatch(self, vm, request, targets):
        with vm.preempt_disabled() as me:
            mask = vm.kick_mask()
            for idx in targets:
                vm.make_vcpu_request(idx, request, mask, me)
            return vm.kick_many(mask, bool(request & REQUEST_WAIT))

    def on_load(self, vm, vcpu):
        vm.make_request(0, vcpu)  # TLB_FLUSH

    def on_put(self, vm, vcpu):
        vm.make_request(0, vcpu)
'''
SCENE = """\
vm: {{name: amid, vcpus: 2}}
guest: {{enter_us: 1}}
injectors: [preempt]
workload:
  - {{request: TLB_FLUSH, targets: [{target}], from: {{vcpu: 0}}, count: 1}}
check: {{vcpus: 2, pcpus: 2, entries: 1, calls: 1, faults: 1, models: [sc]}}
"""


@pytest.fixture
def violated(tmp_path):
    """The properties that a call of vCPU 0 to itself or to vCPU 1 violates."""
    (tmp_path / "housekeeper.py").write_text(HOUSEKEEPER)
    manager = Manager([str(tmp_path / "housekeeper.py")])

    def violated(target):
        text = SCENE.format(target=target)
        (cell,) = Checker(loads(text, registry=manager), manager, "amid.yaml", text, strategies=["housekeeper"]).run()
        assert cell.exhausted
        return sorted(cell.violations)

    return violated


@pytest.mark.parametrize("target", [0, 1])
def test_a_request_that_its_load_makes_is_none_of_the_call(violated, target):
    assert violated(target) == []
