"""C strategies compiled by clang: what the tests beside this one say of the system's compiler, asked again where compilers differ."""

from __future__ import annotations

import random
import re
import shutil

import pytest
from c_forms import FORMS, GOOD, ROOT, TWINS
from seed_table import MODELS, expected, properties_of

from minikvm.check.cells import Checker
from minikvm.config import load
from minikvm.pluginload import PluginError
from tests.csource.conftest import INSIDE
from tests.csource.test_stacks import HAND_OVER, meet
from tests.csource.test_twins import KINDS, outcomes, pair  # noqa: F401  (fixtures)
from tests.csource.test_what_goes_wrong import FAULTS

pytestmark = pytest.mark.skipif(shutil.which("clang") is None, reason="clang is not installed")
CONFIG = "seed-wait-1vcpu-2entries"
CHECK = ("check", CONFIG, "--model", "sc", "--strategy")


@pytest.fixture(scope="module", autouse=True)
def clang():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", "clang")
        yield


@pytest.fixture(scope="module")
def cells(clang, manager):
    """{(strategy, model): cell} of the seed question, each C form and each twin."""
    file = ROOT / f"configs/{CONFIG}.yaml"
    strategies = [*(str(FORMS / f"{form}.c") for form in TWINS), *sorted(set(TWINS.values()))]
    checker = Checker(load(file, registry=manager), manager, str(file), file.read_text(), strategies=strategies, models=MODELS)
    return {(cell.strategy.rpartition("/")[2], cell.model): cell for cell in checker.run()}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", TWINS)
def test_a_c_form_gets_the_answer_of_the_table(cells, form, model):
    cell = cells[f"{form}.c", model]
    verdicts = {property: cell.verdict_of(property)["verdict"] for property in properties_of(CONFIG)}
    assert (cell.exhausted, verdicts) == (True, dict.fromkeys(verdicts, expected(TWINS[form], model)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", TWINS)
def test_a_c_form_has_as_many_executions_as_its_twin(cells, form, model):
    ours, twin = cells[f"{form}.c", model], cells[TWINS[form], model]
    assert (ours.executions, ours.blocked) == (twin.executions, twin.blocked)


@pytest.mark.parametrize("form", ["linear", "v1-bitmap", "current-cpu"])
def test_the_plain_read_of_the_cpu_is_a_race_on_its_line(cells, form):
    line = 1 + next(i for i, text in enumerate((FORMS / f"{form}.c").read_text().splitlines()) if "cpu = vcpu->cpu;" in text)
    (race,) = cells[f"{form}.c", "lkmm"].races
    assert re.search(rf"^plain read of vcpu->cpu at \S*{form}\.c:{line}$", race[0]), race


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", TWINS)
def test_a_c_form_does_what_its_twin_does(pair, outcomes, form, kind):  # noqa: F811
    rng, vms = random.Random(f"{form} {kind}"), pair(form, **KINDS[kind])
    for _ in range(200):
        in_c, twin = outcomes(rng, vms)
        assert in_c == twin


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_told_with_its_line(case, write, standalone):
    inside, said = FAULTS[case]
    path = write(inside)
    with pytest.raises(PluginError) as caught:
        standalone(path, record=True).dispatch(0x300)
    assert str(caught.value) == f"{path}:{INSIDE}: {said}"


def test_a_loop_that_never_ends_is_stopped_with_its_line(write, check):
    path = write("while (kvm_get_vcpu(kvm, 0)->mode != 77) cpu_relax();")
    with pytest.raises(PluginError) as caught:
        check(path)
    assert str(caught.value).startswith(f"{path}:{INSIDE}: a loop that does not end: after 20,001 operations in one call")


def test_a_variable_on_a_stack_is_read_by_its_own_thread_by_way_of_a_member(write, check):
    """clang's instrumentation takes such a variable for private."""
    late = meet(write="smp_store_release(&other->done, 1)", end="WRITE_ONCE(other->data, 7)", read="mine.data")
    with pytest.raises(PluginError, match="BUG_ON"):
        check(write(late, HAND_OVER), initiators=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("return 0 0;", r"^my\.c:3:\d+: error: "),
        ("smp_mb__after_atmic(); return false;", r"smp_mb__after_atmic is not in .*; near names there: smp_mb__after_atomic"),
        ("return KVM_REQ_TLB_FLSH;", r"KVM_REQ_TLB_FLSH is not in minikvm/kernel\.h; near names there: KVM_REQ_TLB_FLUSH"),
        ("cpumask_vart m; return false;", r"cpumask_vart is not in minikvm/kernel\.h; near names there: cpumask_var_t"),
        ("struct kvm_vcpu *v = 3; return v;", r"^my\.c:3:\d+: error: incompatible integer to pointer conversion"),
    ],
    ids=["syntax", "function", "constant", "type", "warning"],
)
def test_what_does_not_compile_is_told_with_near_names(text, said, refused, tmp_path):
    (tmp_path / "my.c").write_text(GOOD.replace("return false;", text))
    err = refused(*CHECK, "my.c")
    assert err.startswith("minikvm: error: my.c does not compile:\n")
    assert re.search(said, err, re.MULTILINE), err
    assert "generated." not in err
