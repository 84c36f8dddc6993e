"""The oracle against itself, and against what other checkers are known to say: axioms and machines must tell of the same graphs."""

import pytest
from oracle import MODELS, RACES, TooBig, candidates, graphs, load, outcome, sc_machine, tso_machine
from oracle.generator import random_program

SEEDS = range(150)
LIMIT = 300
MACHINES = {"sc": sc_machine, "tso": tso_machine}


def canonical(found):
    """As a set; a machine or an enumeration that says the same graph twice is another matter."""
    return {g.canonical() for g in found}


@pytest.mark.parametrize("model", MACHINES)
def test_a_machine_and_the_axioms_have_the_same_graphs(model):
    compared = total = 0
    for seed in SEEDS:
        source = random_program(seed, kernel=seed % 2 == 1)
        program = load(source.text, source.init)
        try:
            by_axioms = canonical(g for g in candidates(program, LIMIT) if MODELS[model](g))
        except TooBig:
            continue
        assert canonical(MACHINES[model](program)) == by_axioms, source
        compared += 1
        total += len(by_axioms)
    assert compared > len(SEEDS) // 2 and total > 5 * compared


def test_stronger_models_have_fewer_graphs():
    """SC within TSO within the others, for accesses without orders."""
    for seed in SEEDS:
        source = random_program(seed, kernel=True)
        try:
            found = candidates(load(source.text, source.init), LIMIT)
        except TooBig:
            continue
        sets = {model: canonical(g for g in found if allows(g)) for model, allows in MODELS.items()}
        assert sets["sc"] <= sets["tso"] and sets["sc"] <= sets["rc11"] and sets["sc"] <= sets["lkmm"], source


def test_the_quick_look_at_coherence_leaves_out_nothing_that_an_axiom_allows():
    for seed in SEEDS:
        source = random_program(seed)
        program = load(source.text, source.init)
        try:
            every = candidates(program, 200, keep=graphs.any_order)
        except TooBig:
            continue
        for model, allows in MODELS.items():
            assert canonical(filter(allows, every)) == canonical(filter(allows, candidates(program))), (source, model)


def test_an_enumeration_has_no_graph_twice():
    for seed in SEEDS:
        source = random_program(seed)
        try:
            found = candidates(load(source.text, source.init), LIMIT)
        except TooBig:
            continue
        assert len(canonical(found)) == len(found), source


def test_a_blocked_await_reads_the_last_value():
    program = load("AWAIT x a == 1 || W x 1; W x 2")
    found = candidates(program)
    blocked = [g for g in found if g.blocked]
    assert len(found) == 2 and [g.threads[0][0].rval for g in blocked] == [2]
    assert outcome(program, blocked[0], ("0:a", "x")) == (0, 2)


# Chosen by hand, each verdict by the rule named: what the litmus table does not reach.
@pytest.mark.parametrize(("model", "text", "weak", "allowed"), [
    # A failing cmpxchg orders nothing, but is an atomic for the barriers around atomics.
    ("lkmm", "W x 1; CAS z a 7 1 full; R y b || W y 1; F mb; R x c", {"0:b": 0, "1:c": 0}, True),
    ("lkmm", "W x 1; XCHG z a 1 full; R y b || W y 1; F mb; R x c", {"0:b": 0, "1:c": 0}, False),
    ("lkmm", "W x 1; F before_atomic; CAS y a 7 1 full || W y 1; F mb; R x c", {"0:a": 0, "1:c": 0}, False),
    ("lkmm", "W x 1; F after_atomic; R y a || W y 1; F mb; R x c", {"0:a": 0, "1:c": 0}, True),
    # An address dependency orders loads, a control dependency only what is stored (smp_wmb on the other side).
    ("lkmm", "W x 1; F wmb; W y 1 || R y a; R x b addr=a", {"1:a": 1, "1:b": 0}, False),
    ("lkmm", "W x 1; F wmb; W y 1 || R y a; R x b ctrl=a", {"1:a": 1, "1:b": 0}, True),
    ("lkmm", "W x 2; F wmb; W y 1 || R y a; W x 1 ctrl=a", {"1:a": 1, "x": 2}, False),
    # smp_rmb does not order an atomic operation that returns nothing.
    ("lkmm", "W x 1; F wmb; W y 1 || ADD y _ 0; F rmb; R x b || AWAIT y _ == 1", {"1:b": 0}, True),
    # Release and acquire: 2+2W stays allowed; smp_wmb forbids it only together with something stronger.
    ("lkmm", "W x 1; F wmb; W y 2 || W y 1; F wmb; W x 2", {"x": 1, "y": 1}, True),
    # C11: fences of both sides synchronise through relaxed accesses; an RMW carries a release sequence on.
    ("rc11", "W x 1; F release; W y 1 || R y a; F acquire; R x b", {"1:a": 1, "1:b": 0}, False),
    ("rc11", "W x 1; W y 1 release || ADD y _ 1 relaxed || R y a acquire; R x b", {"2:a": 2, "2:b": 0}, False),
    ("rc11", "W x 1; W y 1 release || CAS y _ 1 2 acq_rel || R y a acquire; R x b", {"2:a": 2, "2:b": 0}, False),
    ("rc11", "W x 1 sc; CAS z a 7 1 full; R y b || W y 1; F sc; R x c", {"0:b": 0, "1:c": 0}, True),
    # x86: a locked instruction drains the store buffer, also a cmpxchg that fails.
    ("tso", "W x 1; CAS z a 7 1; R y b || W y 1; F mb; R x c", {"0:b": 0, "1:c": 0}, False),
])
def test_what_is_known_of_single_rules(model, text, weak, allowed):
    program = load(text)
    outcomes = {outcome(program, g, weak) for g in candidates(program) if MODELS[model](g)}
    assert (tuple(weak.values()) in outcomes) is allowed


# Each by the rule named; the same verdict in all models unless said.
@pytest.mark.parametrize(("text", "racy"), [
    ("W x 1 plain || R x a", "sc tso rc11 lkmm"),
    ("W x 1 || R x a", ""),
    ("R x a plain || R x b plain", ""),
    ("W x 1 plain; W y 1 release || R y a acquire; IF a == 0 GOTO end; R x b plain; end:", ""),
    ("W x 1 plain; W y 1 || R y a; IF a == 0 GOTO end; R x b plain; end:", "sc tso rc11 lkmm"),
    ("W x 1 plain; F wmb; W y 1 || R y a; IF a == 0 GOTO end; F rmb; R x b plain; end:", ""),
    ("LOCK l; W x 1 plain; UNLOCK l || LOCK l; W x 2 plain; UNLOCK l", ""),
    # A full barrier between two accesses of one thread orders nothing for the other's.
    ("W x 1 plain; F mb; R y a || W y 1; F mb; R x b", "sc tso rc11 lkmm"),
    # An address dependency orders what C11 does not see: only there it is a race.
    ("W x 1 plain; F wmb; W y 1 || R y a; IF a == 0 GOTO end; R x b plain addr=a; end:", "sc tso rc11"),
    # An RMW hands a release on.
    ("W x 1 plain; W y 1 release || ADD y _ 1 || R y a acquire; IF a != 2 GOTO end; R x b plain; end:", ""),
])
def test_what_is_known_of_races(text, racy):
    program = load(text)
    found = candidates(program)
    assert [m for m, allows in MODELS.items() if any(RACES[m](g) for g in found if allows(g))] == racy.split()
