"""The strategy near-first: it is registered, its options are checked, and a VM that uses it keeps every property."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from minikvm.plugins import Manager

SMALL = Path(__file__).parent / "small.yaml"


@pytest.fixture
def manager():
    return Manager(["minikvm_near_first"], no_plugins=True)


def test_it_is_registered_with_a_summary(manager):
    assert manager.get("strategy", "near-first").summary


def test_an_unknown_option_is_refused(manager):
    with pytest.raises(ValidationError, match="no_such_option"):
        manager.create("strategy", "near-first", {"no_such_option": 1})


@pytest.fixture
def report(manager):
    from minikvm import VM, load

    with VM(load(SMALL, registry=manager), manager=manager) as vm:
        return vm.run()


def test_a_vm_that_uses_it_keeps_every_property(report):
    assert report.exit_code == 0, report.as_dict()["violations"]
