"""lkmm with the kernel's own rules for plain accesses: LKMM(plain=True), which litmus tests are decided under."""

import pytest
from oracle import TooBig, candidates, load
from oracle.compare import canonical, difference
from oracle.generator import random_program
from oracle.races import lkmm_with_plain

from minikvm.check.models.lkmm import LKMM
from minikvm.check.program import Program, explore


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_plain_accesses_by_the_kernels_own_rules_are_as_its_axioms_say(first):
    for seed in range(first, first + 25):
        source = random_program(seed, kernel=True)
        if "plain" not in source.text or "SPAWN" in source.text:
            continue  # the axioms take a thread's life for a part of its parent's program order, and so of coherence
        try:
            found = candidates(load(source.text, source.init), 400)
        except TooBig:
            continue
        got = set()
        explore(Program.parse(source.text, init=source.init), LKMM(plain=True), races=False,
                on_execution=lambda graph, got=got: got.add(canonical(graph)))
        allowed = {graph.canonical() for graph in found if lkmm_with_plain(graph)}
        assert got == allowed, difference(source, "lkmm with plain accesses", allowed, got)


@pytest.mark.parametrize(("text", "marked", "plain"), [
    ("W x 1; F wmb; W y 1 plain || R y a plain; F rmb; R x b", False, True),   # nothing is ordered through a plain flag
    ("W x 1 plain; F wmb; W y 1 || R y a; F rmb; R x b plain", False, False),  # plain-coherence
    ("W x 1 plain; W y 1 release || R y a acquire; R x b plain", False, False),
])  # fmt: skip
def test_a_plain_access_is_ordered_by_what_surrounds_it(text, marked, plain):
    program = Program.parse(text).observe("a", "b")
    assert explore(program, "lkmm").allows(a=1, b=0) == marked
    assert explore(program, LKMM(plain=True)).allows(a=1, b=0) == plain
