"""Scenes that once gave a false alarm: what the checked machine must keep of a real one."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli

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


FAST = ("--set", "guest.enter_us=5", "--set", "check.vcpus=1", "--set", "guest.halt_ratio=0", "--model", "sc", "--strategy", "upstream")


@pytest.fixture
def executions(check):
    """Of the quickstart with a guest that leaves by itself, after fast-path exits or not."""

    def executions(ratio, entries):
        settings = ("--set", f"guest.fastpath_ratio={ratio}", "--set", f"check.entries={entries}", "--budget-seconds", "20")
        (cell,) = check(CONFIGS / "quickstart.yaml", *FAST, *settings)["cells"]
        assert cell["exhausted"]
        return cell["executions"]

    return executions


def test_a_guest_has_as_many_fast_path_exits_as_entries_so_that_an_exploration_ends(executions):
    assert executions(0, 1) < executions(0.5, 1) < executions(0.5, 2)


@pytest.fixture
def checked(tmp_path):
    """`minikvm check` of the quickstart with a strategy of this name and body."""

    def checked(name, body):
        path = tmp_path / "plugin.py"
        path.write_text(PLUGIN.replace("NAME", name).replace("BODY", textwrap.indent(body, " " * 8)))
        line = ["check", str(CONFIGS / "quickstart.yaml"), "-p", str(path), "--strategy", name, "--model", "sc"]
        return CliRunner().invoke(cli, line, prog_name="minikvm")

    return checked


def test_a_strategy_that_never_ends_is_exit_code_3(checked):
    done = checked("endless", NEVER_ENDS)
    assert (done.exit_code, "goes on after 65,535 operations of one execution" in done.stderr) == (3, True), done.output


def test_a_strategy_that_does_something_else_each_time_is_exit_code_3_and_one_sentence(checked):
    done = checked("fickle", FICKLE)
    assert (done.exit_code, "Traceback" in done.stderr, done.stderr.count("strategy fickle, loop x86: ")) == (3, False, 1), done.output


PLUGIN = """\
from minikvm.hookspecs import hookimpl
from minikvm.kinds import Strategy


class Mine(Strategy):
    \"\"\"No good one.\"\"\"

    name = "NAME"

    def dispatch(self, vm, request, targets):
BODY

@hookimpl
def minikvm_strategies():
    return [Mine]
"""
NEVER_ENDS = """\
while True:
    vm.read_cpu(0)
"""
FICKLE = """\
self.calls = getattr(self, "calls", 0) + 1
with vm.preempt_disabled() as me:
    mask = vm.kick_mask()
    for idx in targets:
        for _ in range(self.calls % 2):
            vm.read_cpu(idx)
        vm.make_vcpu_request(idx, request, mask, me)
    return vm.kick_many(mask, True)
"""
OVERCOMMIT = """\
vm: {name: overcommit, vcpus: 2}
guest: {enter_us: forever}
workload:
  - {request: TLB_FLUSH, wait: true, targets: all, from: {pcpu: 3}, count: 1}
check: {vcpus: 2, pcpus: 1, entries: 1, calls: 1, faults: 0, models: [sc]}
"""


@pytest.fixture
def overcommitted(check, tmp_path_factory):
    """The properties that two vCPUs on one pCPU and a flush violate."""
    path = tmp_path_factory.getbasetemp() / "overcommit.yaml"
    path.write_text(OVERCOMMIT)

    def overcommitted(*options):
        (cell,) = check(path, *options)["cells"]
        assert cell["exhausted"]
        return {p for p, said in cell["properties"].items() if said["verdict"] == "violated"}

    return overcommitted


@pytest.mark.parametrize("options", [(), ("--set", "check.tasks=shared", "--set", "check.faults=1")])
def test_a_guest_that_rests_on_a_pcpu_that_another_vcpu_waits_for_is_no_deadlock(overcommitted, options):
    assert overcommitted(*options) == set()


def test_an_acknowledgement_that_never_comes_is_a_deadlock_on_a_shared_pcpu_too(overcommitted):
    assert "P7" in overcommitted("--set", "injectors=[lost-ipi]", "--set", "check.faults=1")


@pytest.mark.parametrize(("options", "lost"), [(("--strategy", "v1-bitmap"), {"P1", "P2"}), (("--loop", "m07"), {"P1"})])
def test_a_kick_that_is_lost_is_found_on_a_shared_pcpu_too(overcommitted, options, lost):
    assert overcommitted(*options) == lost


def test_a_vcpu_that_waits_at_a_gate_lets_the_task_that_will_open_it_run_on_its_pcpu(overcommitted):
    gate = "[{request: MCLOCK_INPROGRESS, targets: [0], from: {pcpu: 0}, count: 1}]"
    assert overcommitted("--set", f"workload={gate}", "--set", "check.tasks=shared", "--set", "check.faults=1") == set()
