"""The strategy one-at-a-time: it is registered, its options are checked, and a VM that uses it keeps every property."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from minikvm.plugins import Manager

SMALL = Path(__file__).parent / "small.yaml"


@pytest.fixture
def manager():
    return Manager(["minikvm_one_at_a_time"], no_plugins=True)


def test_it_is_registered_with_a_summary(manager):
    assert manager.get("strategy", "one-at-a-time").summary


def test_an_unknown_option_is_refused(manager):
    with pytest.raises(ValidationError, match="no_such_option"):
        manager.create("strategy", "one-at-a-time", {"no_such_option": 1})


@pytest.fixture
def report(manager):
    from minikvm import VM, load

    with VM(load(SMALL, registry=manager), manager=manager) as vm:
        return vm.run()


def test_a_vm_that_uses_it_keeps_every_property(report):
    assert report.exit_code == 0, report.as_dict()["violations"]


def test_no_send_reaches_more_than_one_pcpu(report):
    totals = report.as_dict()["totals"]
    assert totals["sends"] == totals["ipis"] > 0


def test_targets_share_a_send_when_they_are_told_to(manager):
    from minikvm import VM
    from minikvm.config import loads

    text = SMALL.read_text().replace("strategy: one-at-a-time", "strategy: {name: one-at-a-time, together: 4096}")
    with VM(loads(text, "together.yaml", registry=manager), manager=manager) as vm:
        totals = vm.run().as_dict()["totals"]
    assert totals["sends"] < totals["ipis"]
