"""Random litmus tests in C against the oracle of tests/check, which reads the same programs in another form, and tries everything.

MINIKVM_ORACLE_SEEDS=first,last has the nightly test look at other programs.
"""

import os
from collections import Counter

import pytest
from oracle import TooBig, candidates, load
from oracle.axioms import MODELS
from oracle.graphs import outcome
from oracle.races import RACES, lkmm_with_plain
from random_c import random_c

from minikvm.litmus import decide
from minikvm.litmus import load as load_litmus

CHUNK = 20
LIMIT = 300
"""Candidates that the oracle looks at; tests with more are left out."""
ALLOWED = {**MODELS, "lkmm": lkmm_with_plain}
NIGHTLY = range(*map(int, os.environ.get("MINIKVM_ORACLE_SEEDS", "1000,3000").split(",")))


def expected(source, model, found, program):
    """Final states of complete executions, and whether one has a data race."""
    names = [*source.registers, "x", "y", "p"]
    graphs = [graph for graph in found if not graph.blocked and ALLOWED[model](graph)]
    return Counter(outcome(program, graph, names) for graph in graphs), any(RACES[model](graph) for graph in graphs)


def compare(model, seeds):
    """Number of tests that were small enough."""
    compared = 0
    for seed in seeds:
        source = random_c(seed)
        program = load(source.rows, source.init)
        try:
            found = candidates(program, LIMIT)
        except TooBig:
            continue
        states, races = expected(source, model, found, program)
        decided = decide(load_litmus("random", source.text), model)
        order = [str(item) for item in decided.test.shown]
        places = [order.index(name) for name in [*source.registers, "[x]", "[y]", "[p]"]]
        got = Counter({tuple(state.values[i] for i in places): state.executions for state in decided.states})
        assert got == states, f"{model}, seed {seed}\n{source.text}\n{source.rows}\nonly here: {got - states}\nmissing: {states - got}"
        assert bool(decided.races) == races, f"{model}, seed {seed}\n{source.text}\nraces: {decided.races}"
        compared += 1
    return compared


@pytest.mark.parametrize("first", range(0, 200, CHUNK))
@pytest.mark.parametrize("model", ALLOWED)
def test_a_random_test_has_the_states_that_the_axioms_allow(model, first):
    assert compare(model, range(first, first + CHUNK)) > CHUNK / 3


@pytest.mark.nightly
@pytest.mark.parametrize("first", NIGHTLY[::100])
@pytest.mark.parametrize("model", ALLOWED)
def test_thousands_of_random_tests(model, first):
    assert compare(model, range(first, min(first + 100, NIGHTLY.stop))) > 30
