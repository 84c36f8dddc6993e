"""The C strategies: they are registered, they keep every property in a VM, and a check says of each form what its docstring says."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from minikvm.plugins import Manager

SMALL = Path(__file__).parent / "small.yaml"
NAMES = ["c-linear", "c-v1-bitmap", "c-current-cpu", "c-upstream"]
WEAK, ALL = ["rc11", "lkmm"], ["sc", "tso", "rc11", "lkmm"]
LOSES_KICKS = {"c-linear": WEAK, "c-v1-bitmap": ALL, "c-current-cpu": [], "c-upstream": []}
RACES = {"c-linear": ALL, "c-v1-bitmap": ALL, "c-current-cpu": ALL, "c-upstream": []}


@pytest.fixture(scope="module")
def manager():
    return Manager(["minikvm_c_strategies"], no_plugins=True)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_registered_with_a_summary(manager, name):
    assert manager.get("strategy", name).summary


def test_an_unknown_option_is_refused(manager):
    with pytest.raises(ValidationError, match="no_such_option"):
        manager.create("strategy", "c-upstream", {"no_such_option": 1})


@pytest.fixture
def report(manager):
    """The report of a VM with the named strategy."""
    from minikvm import VM
    from minikvm.config import loads

    def report(name):
        text = SMALL.read_text().replace("strategy: c-upstream", f"strategy: {name}")
        with VM(loads(text, f"{name}.yaml", registry=manager), manager=manager) as vm:
            return vm.run()

    return report


@pytest.mark.parametrize("name", ["c-current-cpu", "c-upstream"])
def test_a_vm_that_uses_it_keeps_every_property(report, name):
    done = report(name)
    assert done.exit_code == 0, done.as_dict()["violations"]
    assert done.as_dict()["totals"]["ipis"] > 0, "no IPI was sent: nothing was checked"


@pytest.fixture(scope="module")
def cells(manager):
    """(strategy, model) -> what a check found: one vCPU that enters twice and may move in between, one TLB flush that waits."""
    from minikvm import load
    from minikvm.check.cells import Checker

    checker = Checker(load("seed-wait-1vcpu-2entries", registry=manager), manager, "seed", "", strategies=NAMES, models=ALL)
    return {(cell.strategy, cell.model): cell for cell in checker.run()}


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("name", NAMES)
def test_it_loses_kicks_only_under_the_models_of_its_docstring(cells, name, model):
    cell = cells[name, model]
    assert (cell.exhausted, "P1" in cell.violations) == (True, model in LOSES_KICKS[name])


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("name", NAMES)
def test_only_a_plain_read_of_the_cpu_is_a_race(cells, name, model):
    sides = {side.partition(" at ")[0] for race in cells[name, model].races for side in race}
    assert sides == ({"plain read of vcpu->cpu", "write of vcpu->cpu"} if model in RACES[name] else set())
