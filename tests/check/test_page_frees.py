"""P4: what a flush frees is a page of the vCPUs that it asked, and the others' walks are no business of its."""

import pytest

SCENE = """\
vm: {{name: drawn, vcpus: 2}}
guest: {{enter_us: forever, walk_ratio: 1}}
strategy: {strategy}
workload:
  - {{request: TLB_FLUSH, wait: true, targets: {{random: 1}}, from: {{pcpu: 2}}, count: 1}}
check: {{vcpus: 2, pcpus: 2, entries: 1, calls: 1, faults: 0, models: [{model}]}}
"""


@pytest.fixture
def verdict_of_p4(check, tmp_path):
    def verdict(strategy, model):
        file = tmp_path / "drawn.yaml"
        file.write_text(SCENE.format(strategy=strategy, model=model))
        (cell,) = check(file)["cells"]
        return cell["properties"]["P4"]["verdict"]

    return verdict


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_the_walk_of_a_vcpu_that_was_not_drawn_is_no_violation(verdict_of_p4, model):
    assert verdict_of_p4("upstream", model) == "holds"


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_the_walk_of_a_vcpu_that_was_drawn_is_judged(verdict_of_p4, model):
    assert verdict_of_p4("m29", model) == "violated"


@pytest.mark.parametrize("call", ["{request: TLB_FLUSH, no_action: true,", "{request: MCLOCK_INPROGRESS,"], ids=["no bit", "a gate"])
def test_a_call_whose_bit_tells_a_walk_nothing_frees_no_page(check, tmp_path, call):
    file = tmp_path / "bare.yaml"
    file.write_text(SCENE.format(strategy="upstream", model="sc").replace("{request: TLB_FLUSH,", call))
    (cell,) = check(file)["cells"]
    assert cell["properties"]["P4"]["verdict"] == "not judged"
