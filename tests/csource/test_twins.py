"""Each C form and its Cython twin give the same answers, IPIs, wake-ups and vCPUs on ten thousand random live dispatches."""

from __future__ import annotations

import random

import pytest
from c_forms import FORMS, TWINS

from minikvm.core.standalone import Standalone

KINDS = {"bare": {}, "watched": {"record": True}, "traced": {"world": True}}
"""How the dispatches run: the C11 atomics inline; told to an observer; each operation a call of the world's."""
VCPUS, PCPUS, HOLES = 70, 9, (3, 64)
PLACES = [idx for idx in range(VCPUS) if idx not in HOLES]
DISPATCHES = {"bare": 6_000, "watched": 2_000, "traced": 2_000}
NO_WAKEUP, WAIT, NO_ACTION = 1 << 8, 1 << 9, 1 << 10


@pytest.fixture
def pair(manager):
    """Two VMs that are alike but for the strategy: the C form, and its twin."""

    def pair(form, **options):
        names = str(FORMS / f"{form}.c"), TWINS[form]
        return [Standalone(VCPUS, PCPUS, holes=HOLES, strategy=manager.create("strategy", name), **options) for name in names]

    return pair


@pytest.fixture
def outcomes():
    """The same random vCPUs, request and targets for each of two VMs: what each made of it."""

    def outcomes(rng, pair):
        states = [
            {"mode": rng.choice((0, 1, 1, 2, 3)), "cpu": rng.randrange(-1, PCPUS), "wait": rng.random() < 0.2,
             "requests": rng.choice((0, 1, 1 << 9))}
            for _ in PLACES
        ]  # fmt: skip
        req = rng.choice((0, 1, 9, 14, 47)) | rng.choice((0, NO_WAKEUP)) | rng.choice((0, WAIT)) | rng.choice((0, 0, NO_ACTION))
        share = rng.choice((0.02, 0.3, 1.0))
        targets = None if rng.random() < 0.2 else [idx for idx in range(VCPUS) if rng.random() < share]
        found = []
        for vm in pair:
            for idx, state in zip(PLACES, states, strict=True):
                vm.set_vcpu(idx, **state)
            answer = vm.dispatch(req, targets)
            found.append({"request": hex(req), "targets": targets, "answer": answer, "IPIs": vm.ipis, "woken": vm.woken,
                          "vCPUs": [vm.state(idx) for idx in PLACES], "counts": (vm.preempt_count, vm.irqs_off)})  # fmt: skip
            vm.clear()
        return found

    return outcomes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", TWINS)
def test_a_c_form_does_what_its_twin_does(pair, outcomes, form, kind):
    rng, vms = random.Random(f"{form} {kind}"), pair(form, **KINDS[kind])
    for _ in range(DISPATCHES[kind]):
        in_c, twin = outcomes(rng, vms)
        assert in_c == twin


@pytest.mark.parametrize("kind", ["watched", "traced"])
@pytest.mark.parametrize("form", TWINS)
def test_a_c_form_visits_as_many_vcpus_as_its_twin(pair, outcomes, form, kind):
    rng, vms = random.Random(form), pair(form, **KINDS[kind])
    for _ in range(50):
        outcomes(rng, vms)
    assert vms[0].visited == vms[1].visited > 0


@pytest.mark.parametrize("form", ["linear", "v1-bitmap", "current-cpu"])
def test_without_memory_for_a_mask_a_c_form_sends_an_ipi_to_every_cpu(pair, form):
    vm, _ = pair(form, world=True)
    vm.recorder.verdicts["kick.alloc_mask"] = "fail"
    vm.set_vcpu(5, mode=1, cpu=2)
    vm.dispatch(WAIT, [5])
    assert [(list(ipi.mask), ipi.wait) for ipi in vm.ipis] == [(list(range(PCPUS)), True)]


def test_many_c_files_are_loaded_at_once_and_stay_apart(manager):
    vms = {form: [Standalone(VCPUS, PCPUS, strategy=manager.create("strategy", str(FORMS / f"{form}.c")), record=True) for _ in range(25)]
           for form in TWINS}  # fmt: skip
    for some in vms.values():
        for vm in some:
            vm.dispatch(0, [1])
    assert {form: {vm.visited for vm in some} for form, some in vms.items()} == {
        form: {VCPUS if form == "linear" else 1} for form in TWINS}


def test_a_file_that_only_takes_a_bitmap_gets_a_full_one_for_all_vcpus(manager, tmp_path):
    text = (FORMS / "upstream.c").read_text()
    (tmp_path / "my.c").write_text(text[: text.index("bool kvm_make_all_cpus_request")])
    vm = Standalone(VCPUS, PCPUS, strategy=manager.create("strategy", str(tmp_path / "my.c")), record=True, holes=HOLES)
    vm.dispatch(0, None)
    assert [vm.state(idx)[3] for idx in PLACES] == [1] * len(PLACES)
