"""Scenes that once gave a false alarm: what the checked machine must keep of a real one."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[2] / "configs"
MERGED = ("--strategy", "upstream", "--model", "sc", "--model", "lkmm", "--set", "check.properties=[]")


@pytest.fixture
def violated(check):
    """The properties that a scene violates, under any of the models."""

    def violated(file, *options):
        cells = check(CONFIGS / file, *MERGED, *options)["cells"]
        assert all(cell["exhausted"] for cell in cells)
        return {p for cell in cells for p, said in cell["properties"].items() if said["verdict"] == "violated"}

    return violated


def test_no_vcpu_is_loaded_on_a_pcpu_while_an_interrupt_runs_there(violated):
    assert violated("bugs/m12.yaml", "--set", "check.entries=2", "--set", "check.calls=2") == set()


def test_a_vcpu_that_waits_at_a_gate_acknowledges_ipis(violated):
    assert violated("masterclock.yaml", "--set", "check.entries=1", "--set", "check.vcpus=1", "--set", "check.pcpus=1") == set()


def test_a_vcpu_that_a_sticky_request_keeps_out_stays_in_user_space(violated):
    assert violated("bugs/m21.yaml", "--loop", "x86") == set()


def test_two_callers_that_wait_for_one_vcpu_both_see_it_leave(violated):
    assert violated("bugs/m01.yaml") == set()
