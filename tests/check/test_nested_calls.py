"""An interrupt's call may come amid another call of the thread that it interrupts: each has targets and steps of its own."""

import pytest

SCENE = """\
vm: {{vcpus: 2}}
strategy: upstream
guest: {{enter_us: 50}}
workload:
  - {{request: CLOCK_UPDATE, targets: {inner}, count: 1, from: {{irq: 1}}, wait: false}}
  - {{request: TLB_FLUSH, targets: {outer}, count: 1, from: {{vcpu: 1}}, wait: false}}
check: {{vcpus: 2, pcpus: 2, entries: 1, calls: 1, faults: 0, models: [sc]}}
"""


@pytest.mark.parametrize(("inner", "outer"), [("all", "{random: 1}"), ("[0]", "[1]"), ("[1]", "[0]")])
def test_a_call_amid_another_one_leaves_it_alone(check, tmp_path, inner, outer):
    file = tmp_path / "nested.yaml"
    file.write_text(SCENE.format(inner=inner, outer=outer))
    (cell,) = check(file)["cells"]
    assert [name for name, row in cell["properties"].items() if row["verdict"] == "violated"] == []
