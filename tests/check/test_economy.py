"""P9 in a check: IPIs beyond the truth table are counted, shown with the worst execution, and are no error."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STANDARD = ROOT / "configs/standard.yaml"
TWICE = '''
from minikvm.kinds import REQUEST_WAIT, Strategy


class Twice(Strategy):
    """Kicks the same targets again, though nobody asked."""

    name = "twice"

    def dispatch(self, vm, request, targets):
        with vm.preempt_disabled() as me:
            mask = vm.kick_mask()
            for idx in targets:
                vcpu = vm.vcpu(idx)
                vm.make_request(request, vcpu)
                if vm.needs_ipi(vcpu, request):
                    vm.mask_cpu(vcpu, vm.read_cpu(vcpu), me, mask)
            sent = vm.kick_many(mask, bool(request & REQUEST_WAIT))
            return vm.kick_many(mask, bool(request & REQUEST_WAIT)) or sent
'''


@pytest.fixture
def economy(check, tmp_path):
    """What a check of the standard scene says of P9 under sc."""

    def economy(strategy, *options):
        (cell,) = check(STANDARD, "--strategy", strategy, "--model", "sc", "--out", str(tmp_path), *options)["cells"]
        return cell["properties"]["P9"]

    return economy


def test_broadcast_interrupts_those_whom_the_table_would_leave_alone(economy):
    said = economy("broadcast")
    assert (said["verdict"], said["needless"]) == ("exceeded", 2)


def test_the_merged_form_sends_no_ipi_that_no_target_asked_for(economy):
    assert economy("upstream")["verdict"] == "holds"


def test_an_ipi_is_asked_for_once(economy, tmp_path):
    (tmp_path / "twice.py").write_text(TWICE)
    said = economy("twice", "-p", str(tmp_path / "twice.py"))
    assert (said["verdict"], said["needless"]) == ("exceeded", 2)


def test_two_processes_find_the_same_worst_execution(economy):
    assert economy("broadcast", "--jobs", "2")["needless"] == 2


def test_the_worst_execution_is_in_a_file_that_can_be_replayed_and_is_no_error(minikvm, tmp_path):
    done = minikvm("check", STANDARD, "--strategy", "broadcast", "--model", "sc", "--out", str(tmp_path))
    assert (done.returncode, "up to 2 IPIs more than the truth" in done.stdout) == (0, True)
    again = minikvm("check", str(tmp_path / "worst-broadcast-sc-P9.json"), "--replay", str(tmp_path / "worst-broadcast-sc-P9.json"))
    assert again.returncode == 0, again.stderr
    assert "2 IPIs in this execution are more than the truth table allows" in again.stdout
