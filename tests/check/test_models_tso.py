"""What is particular to sc and tso: which operations drain a store buffer, and what a failing RMW does."""

import pytest

from minikvm.check.program import Program, explore

SB = "W x 1; {0}; R y a || W y 1; {0}; R x b"


def allowed(text, model="tso", **values):
    """Is there an execution with these values?"""
    return explore(Program.parse(text).observe(*values), model).allows(**values)


@pytest.mark.parametrize("between", ["F mb", "F sc", "F before_atomic", "F after_atomic", "XCHG z _ 1", "OR z _ 1", "CAS z r 5 6",
                                     "CAS z r 5 6 full"])
def test_a_barrier_and_any_locked_instruction_drain_the_store_buffer(between):
    text = SB.format(between).replace("z", "z0", 1).replace(" r ", " r0 ", 1)  # of each thread its own
    assert not allowed(text, a=0, b=0)


@pytest.mark.parametrize("between", ["F wmb", "F rmb", "F acquire", "F release", "F acq_rel", "F barrier", "W z 1", "R z r"])
def test_nothing_else_does(between):
    text = SB.format(between).replace(" r ||", " r0 ||").replace("R z r;", "R z r0;", 1)
    assert allowed(text, a=0, b=0)


@pytest.mark.parametrize("order", ["acquire", "release"])
def test_acquire_and_release_are_plain_moves(order):
    load, store = ("acquire", "relaxed") if order == "acquire" else ("relaxed", "release")
    assert allowed(f"W x 1 {store}; R y a {load} || W y 1 {store}; R x b {load}", a=0, b=0)


def test_a_seq_cst_store_is_an_xchg():
    assert not allowed("W x 1 sc; R y a || W y 1 sc; R x b", a=0, b=0)


def test_a_locked_instruction_may_stand_at_either_end():
    assert not allowed("W x 1; ADD y a 0 || W y 1; ADD x b 0", a=0, b=0)
    assert not allowed("XCHG x _ 1; R y a || XCHG y _ 1; R x b", a=0, b=0)


def test_a_failing_cmpxchg_is_a_locked_read():
    assert not allowed("W x 1; CAS y a 7 8 || W y 1; CAS x b 7 8", a=0, b=0)


def test_a_store_is_forwarded_to_its_own_thread_before_others_see_it():
    assert allowed("W x 1; R x a; R y b || W y 1; R y c; R x d", a=1, b=0, c=1, d=0)


def test_stores_leave_the_buffer_in_order_and_reach_all_at_once():
    assert not allowed("W x 1; W y 1 || R y a; R x b", a=1, b=0)
    assert not allowed("W x 1 || W y 1 || R x a; R y b || R y c; R x d", a=1, b=0, c=1, d=0)


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
@pytest.mark.parametrize("text, values", [
    ("W x 1 || R x a; R x b", {"a": 1, "b": 0}),
    ("W x 1; R x a || W x 2; R x b", {"a": 2, "b": 1}),
    ("R x a; W x 1 || W x 2; R x b", {"a": 2, "b": 0}),
    ("ADD x a 1 || ADD x b 1", {"a": 0, "b": 0}),
    ("W x 1 || W x 2 || R x a; R x b || R x c; R x d", {"a": 1, "b": 2, "c": 2, "d": 1}),
])
def test_every_model_is_coherent_and_its_rmws_are_atomic(model, text, values):
    assert not allowed(text, model, **values)


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_starting_and_joining_a_thread_order(model):
    assert not allowed("W x 1; SPAWN 1; W x 2 || R x a", model, a=0)
    assert not allowed("SPAWN 1; JOIN 1; R x a || W x 1", model, a=0)
    assert not allowed("W x 1; SPAWN 1; R y a || SPAWN 2 || W y 1; R x b", model, a=0, b=0)
    assert not allowed("W x 1; SPAWN 1; R y a || W y 1; R x b", model, a=1, b=0)


@pytest.mark.parametrize("model", ["sc", "tso", "rc11", "lkmm"])
def test_starting_a_thread_orders_nothing_of_other_threads(model):
    assert allowed("W x 1 || SPAWN 2; R x a || R y b", model, a=0)


@pytest.mark.parametrize("model, per_pair", [("sc", 3), ("tso", 4), ("rc11", 4), ("lkmm", 4)])
def test_graphs_may_have_many_threads_and_locations(model, per_pair):
    # 26 threads and 52 locations: more than the frontiers have room for on the stack
    pairs = 2
    threads = [f"W x{i} 1; R y{i} a; W u{i} 1; W v{i} 1 || W y{i} 1; R x{i} a" for i in range(pairs)]
    threads += [f"W p{i} 1; W q{i} 1" for i in range(26 - 2 * pairs)]
    assert explore(Program.parse(" || ".join(threads)), model, outcomes=False).executions == per_pair**pairs


@pytest.mark.parametrize("model, executions", [("sc", 3), ("tso", 4), ("rc11", 4), ("lkmm", 4)])
def test_graphs_may_have_hundreds_of_events(model, executions):
    busy = "; ".join(f"W p{i % 7} {i}; OR r{i % 5} _ 1; R p{i % 7} b" for i in range(70))
    text = f"{busy}; W x 1; R y a || W y 1; R x b"
    assert explore(Program.parse(text), model, outcomes=False).executions == executions
