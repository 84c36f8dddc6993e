"""What a world relies on in every injector: it asks choose() once, acts only when told to, counts, and stays at its points."""

from __future__ import annotations

from typing import Any

import pytest

from minikvm.core.recorder import POINTS
from minikvm.core.standalone import Standalone
from minikvm.injectors._table import POINT_NAMES
from minikvm.testing._plugs import ask, injector_facts, injector_points

SEND_AND_ALLOC = {"late-ipi": 2, "lost-ipi": 3, "mask-alloc-failure": 1}
ACTS = {
    "delay": ("delay", "kick.made"), "preempt": ("preempt", "vcpu.check"), "spurious-ipi": ("spurious_ipi", "kick.begin"),
    "spurious-wakeup": ("spurious_wakeup", "kick.begin"), "stale-cpu": ("migrate", "kick.cpu_read"),
}


def test_it_does_nothing_when_the_choice_is_no(vm: Standalone, injector: Any, injector_name: str) -> None:
    plug = injector(injector_name)
    verdict = ask(vm, plug.native(), plug.points[0], 1)
    assert (verdict, [op.op for op in vm.trace]) == (0, ["choose"])


@pytest.mark.parametrize("name", sorted(ACTS))
def test_it_acts_through_the_machine_once_when_the_choice_is_yes(vm: Standalone, injector: Any, name: str) -> None:
    plug = injector(name)
    vm.recorder.answers = [1]
    verdict = ask(vm, plug.native(), ACTS[name][1], 1)
    assert (verdict, [op.name for op in vm.calls]) == (0, [ACTS[name][0]])


@pytest.mark.parametrize("name", sorted(SEND_AND_ALLOC))
def test_it_answers_with_a_verdict_when_the_choice_is_yes(vm: Standalone, injector: Any, name: str) -> None:
    plug = injector(name)
    vm.recorder.answers = [1]
    assert (ask(vm, plug.native(), plug.points[0], None), vm.calls) == (SEND_AND_ALLOC[name], [])


def test_it_counts_how_often_it_acted(vm: Standalone, injector: Any, injector_name: str) -> None:
    plug = injector(injector_name)
    capsule = plug.native()
    vm.recorder.answers = [1, 0, 1]
    for _ in range(3):
        ask(vm, capsule, plug.points[0], 1)
    assert injector_facts(capsule)[2] == 2


def test_its_struct_has_its_name_and_its_probability(injector: Any, injector_name: str) -> None:
    plug = injector(injector_name)
    plug.probability = 0.625
    capsule = plug.native()
    assert injector_facts(capsule)[:2] == (injector_name, 0.625)


def test_it_is_asked_at_the_points_that_its_class_declares(injector: Any, injector_name: str) -> None:
    plug = injector(injector_name)
    capsule = plug.native()
    wanted = getattr(plug.options, "points", plug.points)
    assert set(injector_points(capsule)) == set(wanted) <= set(plug.points)


def test_all_but_lost_ipi_are_benign(injector: Any, injector_name: str) -> None:
    assert injector(injector_name).benign == (injector_name != "lost-ipi")


def test_the_names_of_points_are_those_of_the_header() -> None:
    assert POINT_NAMES == POINTS
