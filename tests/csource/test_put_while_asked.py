"""arm64: a vCPU that is put while a waiting call asks it has cpu -1. The call sends no IPI, and a READ_ONCE() of that orders nothing."""

from __future__ import annotations

import pytest
from c_forms import FORMS

from minikvm.check.cells import Checker
from minikvm.config import loads
from tests.csource.conftest import needs_cc

pytestmark = needs_cc

SCENE = """\
vm: {name: put, vcpus: 2}
guest: {enter_us: 1}
loop: arm64
workload:
  - {request: CLOCK_UPDATE, wait: true, no_wakeup: true, targets: [0], from: {pcpu: 1}, count: 1}
check: {vcpus: 2, pcpus: 1, entries: 1, calls: 1, models: [MODEL]}
"""


@pytest.fixture
def violated(manager):
    """The properties that a strategy violates when two vCPUs share a pCPU."""

    def violated(strategy, model):
        text = SCENE.replace("MODEL", model)
        (cell,) = Checker(loads(text, registry=manager), manager, "put.yaml", text, strategies=[str(strategy)]).run()
        return sorted(cell.violations)

    return violated


READ = "cpu = READ_ONCE(vcpu->cpu);"
ORDERED = {
    "acquire": (READ, "cpu = smp_load_acquire(&vcpu->cpu);"),
    "rmb": (READ, f"{READ} smp_rmb();"),
    "caller's barrier": ("put_cpu();", "put_cpu(); smp_mb();"),
}


@pytest.fixture
def form(write):
    """The final form with another step somewhere."""

    def form(old, new):
        text = (FORMS / "upstream.c").read_text()
        assert old in text
        return write(text=text.replace(old, new))

    return form


@pytest.mark.parametrize(("model", "properties"), [("sc", []), ("tso", []), ("rc11", ["P2"]), ("lkmm", ["P2"])])
@pytest.mark.parametrize("strategy", ["upstream", FORMS / "upstream.c"], ids=["cython", "c"])
def test_the_final_form_may_return_before_it_has_seen_the_vcpu_leave_on_weak_memory(violated, strategy, model, properties):
    assert violated(strategy, model) == properties


@pytest.mark.parametrize("way", ORDERED)
@pytest.mark.parametrize("model", ["rc11", "lkmm"])
def test_where_something_orders_the_read_it_has_seen_it(violated, form, way, model):
    assert violated(form(*ORDERED[way]), model) == []
