"""The two races of docs/arm64.md, with what repairs them and what does not."""

from __future__ import annotations

import pytest
from c_forms import FORMS, ROOT

from minikvm.check.cells import Checker
from minikvm.config import load, loads
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


SHIPPED = ROOT / "configs/c/arm64-loop.yaml"
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


@pytest.fixture
def two_kicks(manager):
    """The cell of the shipped scene, with another strategy or another loop."""

    def two_kicks(model, loop=None, strategy="upstream"):
        text = SHIPPED.read_text()
        if loop is not None:
            text = text.replace("{c: arm64-loop.c, arch: arm64}", f"{{c: {loop}, arch: arm64}}" if str(loop).endswith(".c") else str(loop))
        config = load(SHIPPED, registry=manager) if loop is None else loads(text, str(SHIPPED), registry=manager, allow_c=True)
        (cell,) = Checker(config, manager, str(SHIPPED), text, strategies=[str(strategy)], models=(model,)).run()
        return cell

    return two_kicks


@pytest.mark.parametrize(("model", "properties"), [("sc", []), ("tso", []), ("rc11", ["P1"]), ("lkmm", ["P1"])])
def test_two_kicks_of_a_vcpu_that_is_loaded_lose_the_second_on_weak_memory(two_kicks, model, properties):
    assert sorted(two_kicks(model).violations) == properties


@pytest.mark.parametrize("loop", ["arm64", "x86"])
def test_the_compiled_loop_of_x86_does_not_lose_it(two_kicks, loop):
    assert sorted(two_kicks("rc11", loop=loop).violations) == (["P1"] if loop == "arm64" else [])


STORE = "smp_store_mb(vcpu->mode, IN_GUEST_MODE);"
RELEASE = "smp_store_release(&vcpu->mode, IN_GUEST_MODE); smp_mb();"


@pytest.mark.parametrize("store", [RELEASE, f"smp_wmb(); {STORE}"], ids=["release", "wmb"])
@pytest.mark.parametrize("model", ["rc11", "lkmm"])
def test_an_ordered_store_of_the_mode_repairs_it(two_kicks, write, store, model):
    text = SHIPPED.with_suffix(".c").read_text()
    assert STORE in text
    cell = two_kicks(model, loop=write(text=text.replace(STORE, store)))
    assert (sorted(cell.violations), cell.executions + cell.blocked) == ([], 86_612)


@pytest.mark.parametrize("model", ["rc11", "lkmm"])
def test_an_acquire_of_the_cpu_does_not(two_kicks, form, model):
    assert sorted(two_kicks(model, strategy=form(*ORDERED["acquire"])).violations) == ["P1"]
