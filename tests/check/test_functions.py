"""Threads that are Python functions have the executions of the same threads as rows: random programs, both ways."""

import pytest
from oracle import TooBig, candidates, load
from oracle.compare import canonical, difference
from oracle.generator import random_program

from minikvm.check.graph import EndlessError
from minikvm.check.program import Program, explore

SEEDS = range(120)
LIMIT = 200
SIGNS = ("==", "!=", "&", "!&")


def as_function(root):
    """The thread whose first state is an oracle's Node, as a function. Dependencies are left out: functions state none."""

    def thread(w):
        node = root
        while node.event is not None:
            s, args = node.event.statement, [node.val(a) for a in node.event.statement.args if isinstance(a, int) or a not in SIGNS]
            if s.op == "R":
                result = w.load(s.loc, s.order)
            elif s.op == "W":
                result = w.store(s.loc, args[0], s.order)
            elif s.op == "F":
                result = w.fence(s.order)
            elif s.op == "AWAIT":
                result = w.await_(s.loc, *node.waits_for, s.order)
            elif s.op == "LOCK":
                result = w.lock(s.loc) or 0
            elif s.op == "UNLOCK":
                result = w.unlock(s.loc)
            elif s.op == "CHOOSE":
                result = w.choose(args[0])
            elif s.op == "CAS":
                result = w.rmw("cas", s.loc, args[1], args[0], order=s.order)
            else:
                result = w.rmw(s.op.lower(), s.loc, args[0], order=s.order)
            node = node.after(result)

    return thread


def found(program, model):
    graphs = []
    explore(program, model, on_execution=lambda g: graphs.append(canonical(g)))
    return graphs


@pytest.mark.parametrize("model", ["sc", "tso"])
def test_functions_and_rows_have_the_same_executions(model):
    compared = 0
    for seed in SEEDS:
        source = random_program(seed)
        if "SPAWN" in source.text:
            continue  # functions start no threads
        try:
            oracle = load(source.text, source.init)
            candidates(oracle, LIMIT)
        except TooBig:
            continue
        rows = Program.parse(source.text, init=source.init)
        functions = Program(init=dict.fromkeys(rows.locations(), 0) | source.init)
        for root in oracle.roots:
            functions.thread(as_function(root))
        ours, theirs = found(rows, model), found(functions, model)
        assert set(ours) == set(theirs) and len(theirs) == len(set(theirs)), difference(source, model, set(ours), set(theirs))
        compared += 1
    assert compared > len(SEEDS) / 2


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_a_thread_that_never_ends_is_an_error_and_no_wrong_clock(model):
    program = Program(init={"x": 0})

    def endless(w):
        while True:
            w.store("x", 1)

    program.thread(endless)
    with pytest.raises(EndlessError, match=r"^thread 0 goes on after 65,535 operations of one execution; expected a thread"):
        explore(program, model)
