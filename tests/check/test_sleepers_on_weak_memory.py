"""What a halt orders: to publish the sleeper is a release (rcu_assign_pointer() in prepare_to_rcuwait()), to wake a full barrier."""

import pytest

WALK_THEN_HALT = """\
vm: {vcpus: 2}
strategy: upstream
guest: {enter_us: 1, walk_ratio: 1, halt_ratio: 0.3, halt_us: 50}
workload:
  - {request: CLOCK_UPDATE, targets: all, count: 1, from: {vcpu: 1}, wait: true}
check: {vcpus: 2, pcpus: 2, entries: 1, calls: 1, faults: 0, models: [MODEL]}
"""
WOKEN_BY_ITS_TIMER = """\
vm: {vcpus: 1}
strategy: locked
loop: arm64
guest: {enter_us: forever, halt_ratio: 0.3, halt_us: 50}
workload:
  - {request: PMU, targets: [0], count: 1, from: {pcpu: 0}}
check: {vcpus: 1, pcpus: 1, entries: 1, calls: 1, faults: 0, models: [MODEL]}
"""


@pytest.fixture
def verdicts(check, tmp_path):
    def verdicts(scene, model):
        file = tmp_path / "scene.yaml"
        file.write_text(scene.replace("MODEL", model))
        (cell,) = check(file)["cells"]
        return {name: row["verdict"] for name, row in cell["properties"].items()}

    return verdicts


@pytest.mark.parametrize("model", ["rc11", "lkmm"])
def test_a_waiting_call_that_wakes_a_vcpu_knows_its_walk_to_be_over(verdicts, model):
    assert verdicts(WALK_THEN_HALT, model)["P4"] == "holds"


@pytest.mark.parametrize("model", ["rc11", "lkmm"])
def test_a_vcpu_that_its_timer_woke_after_somebody_else_had_sees_the_request(verdicts, model):
    assert verdicts(WOKEN_BY_ITS_TIMER, model)["P1"] == "holds"
