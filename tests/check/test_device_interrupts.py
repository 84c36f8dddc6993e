"""What comes from nobody's kick path: devices' interrupts on a vCPU's own pCPU, and kicks that are handled before the entry."""

from __future__ import annotations

import pytest

from minikvm.check.cells import Checker
from minikvm.check.counterexample import CALL, COMMIT, ENTRY_END
from minikvm.config import loads
from minikvm.plugins import Manager

SCENE = """\
vm: {{name: device, vcpus: 1}}
guest: {{enter_us: forever}}
injectors: [{injectors}]
workload:
  - {{request: EVENT, no_action: {no_action}, targets: [0], from: {{{source}}}, count: 1}}
check: {{vcpus: 1, pcpus: 1, entries: 1, calls: 1, faults: 1, models: [sc]}}
"""
DEVICE = '''
from minikvm.kinds import Injector


class Device(Injector):
    """A device raises an interrupt on the vCPU's own pCPU, right before the guest is entered."""

    name = "device"
    points = ("entry.enter",)

    def at(self, vm, point, vcpu):
        vm.spurious_ipi(vcpu.cpu)
'''


@pytest.fixture
def scene(tmp_path):
    """(cell, graphs) of one vCPU and one call, under sc."""
    (tmp_path / "device.py").write_text(DEVICE)
    manager = Manager([str(tmp_path / "device.py")])

    def scene(strategy="upstream", **filled):
        text = SCENE.format(**{"injectors": "", "no_action": "false", "source": "pcpu: 1", **filled})
        checker = Checker(loads(text, registry=manager), manager, "device.yaml", text, strategies=[strategy])
        (cell,) = checker.run()
        graphs = []
        watched = checker.scene(checker.strategies[0], "sc", None)
        watched.watch(graphs.append)
        while watched.explore(1000):
            pass
        watched.close()
        return cell, graphs

    return scene


def after_the_guest(graph):
    """What the vCPU's notes say once it has left the guest."""
    kinds = [note.kind for note in graph.notes[0]]
    inside = kinds[kinds.index(COMMIT) :] if COMMIT in kinds else []
    return inside[inside.index(ENTRY_END) :] if ENTRY_END in inside else []


def test_a_spurious_ipi_on_the_vcpus_own_pcpu_brings_the_guest_out(scene):
    """Without it only the call's kick does."""

    def left_unasked(graphs):
        return [g for g in graphs if after_the_guest(g) and not any(e.name == "send IPI" and e.rval for e in g.threads[1])]

    assert (len(left_unasked(scene()[1])), len(left_unasked(scene(injectors="device")[1])) > 0) == (0, True)


def test_an_interrupt_strikes_a_guest_that_rests_and_calls_after_its_exit(scene):
    _, graphs = scene(source="irq: 0")
    assert any(CALL in after_the_guest(g) for g in graphs)


def test_a_kick_without_a_request_that_is_handled_before_the_entry_is_lost(scene):
    """Even if the IPI goes to everybody, whatever the mode: the handler does nothing, and the guest that is entered later rests."""
    cell, _ = scene("broadcast", no_action="true")
    assert "P1" in cell.violations


def test_an_ipi_to_everybody_is_all_that_a_call_without_a_request_asks_of_its_targets(scene):
    assert "P8" not in scene("broadcast", no_action="true")[0].violations
