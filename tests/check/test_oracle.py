"""The explorer against the oracle: for each model the same set of graphs, each once, complete and blocked; and the same outcomes.

MINIKVM_ORACLE_SEEDS=first,last has the nightly test look at other programs.
"""

import os

import pytest
from oracle import MODELS, TooBig, candidates, load
from oracle.compare import canonical, difference, expected
from oracle.cycles import random_cycle
from oracle.generator import RandomProgram, random_program

from minikvm.check.program import Program, explore

CHUNK = 25
LIMIT = 400
"""Candidates that the oracle looks at; programs with more are left out. Others take it some 20 ms."""
NIGHTLY = range(*map(int, os.environ.get("MINIKVM_ORACLE_SEEDS", "1000,4000").split(",")))


def disagreement(source, model, found=None):
    """None, or what to print."""
    program = Program.parse(source.text, init=source.init)
    names = [f"{t}:{name}" for t, name in program.registers()] + program.locations()
    program.observe(*names)
    complete, blocked = [], []
    result = explore(program, model, on_execution=lambda g: (blocked if g.blocked else complete).append(canonical(g)))
    ours = expected(source, model, names, found)
    if ours.complete != set(complete) or ours.blocked != set(blocked):
        return difference(source, model, ours.complete | ours.blocked, {*complete, *blocked})
    if len(complete) != len(ours.complete) or len(blocked) != len(ours.blocked):
        return f"{model}: {source}: a graph was found twice"
    if not result.exhausted or (result.executions, result.blocked) != (len(complete), len(blocked)):
        return f"{model}: {source}: {result}, but {len(complete)} complete and {len(blocked)} blocked graphs"
    if result.outcomes != ours.outcomes:
        return f"{model}: {source}: outcomes {result.outcomes}, expected {ours.outcomes}"
    return None


def compare(model, seeds):
    """Number of programs that were small enough."""
    compared = 0
    for seed in seeds:
        generate = random_cycle if seed % 3 == 2 else random_program
        source = generate(seed, kernel=model == "lkmm" or seed % 2 == 1)
        try:
            found = candidates(load(source.text, source.init), LIMIT)
        except TooBig:
            continue
        message = disagreement(source, model, found)
        assert message is None, message
        compared += 1
    return compared


@pytest.mark.parametrize("first", range(0, 300, CHUNK))
@pytest.mark.parametrize("model", MODELS)
def test_the_explorer_finds_the_graphs_that_the_axioms_allow(model, first):
    assert compare(model, range(first, first + CHUNK)) > CHUNK / 2


@pytest.mark.nightly
@pytest.mark.parametrize("first", NIGHTLY[::250])
@pytest.mark.parametrize("model", MODELS)
def test_thousands_of_random_programs(model, first):
    assert compare(model, range(first, min(first + 250, NIGHTLY.stop))) > 125


# Found by random programs, made small by hand. Each was a bug.
REDUCED = {
    "the write of a revisited RMW revisits another RMW": "W x 3; ADD x _ 1 || ADD x _ 1 || W x 1",
    "the write of a revisited RMW, and an await": "W x 2; AWAIT x a & 1 || XCHG x b 1 || W x 1",
    "the write of a revisited RMW, and a cmpxchg": "W y 1; CAS y b 2 2 || AND y _ 1 || W y 2",
    "an acquire that fails": "W x 1; W y 1 release || CAS y a 0 2 acquire; R x b",
    "the start of a thread": "W x 1; SPAWN 1; R y a || R x b; W y 1",
    "a thread that is joined": "SPAWN 1; W x 1; JOIN 1; R y a || R x b; W y 1",
    "a thread that is not started": "W x 1; R y a; IF a == 0 GOTO end; SPAWN 1; end: || R x b || W y 1",
    "a join of a thread that is not started": "R y a; IF a == 0 GOTO end; SPAWN 1; end:; JOIN 1 || W x 1 || W y 1",
    "a join of a thread that waits": "SPAWN 1; JOIN 1; W x 1 || AWAIT x _ == 1",
}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", REDUCED.values(), ids=REDUCED)
def test_what_once_went_wrong(model, text):
    message = disagreement(RandomProgram(text, {}, 0), model)
    assert message is None, message


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", [
    "LOCK l; ADD x _ 1; UNLOCK l || LOCK l; W x 5; UNLOCK l",
    "LOCK l; W x 1; UNLOCK l; R y a || W y 1; LOCK l; R x b; UNLOCK l",
    "LOCK l; W x 1 || LOCK l; W x 2 || R x a",
    "LOCK l; W x 1; UNLOCK l; LOCK m; W y 1; UNLOCK m || R y a; F rmb; R x b",
    "LOCK l; W x 1; UNLOCK l || LOCK l; R x b; W y 1; UNLOCK l || R y a; F rmb; R x c",
])
def test_locks(model, text):
    message = disagreement(RandomProgram(text, {}, 0), model)
    assert message is None, message
