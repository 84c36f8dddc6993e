"""Load buffering is not explored: of which tests is that said, and of which is it known that they have none?"""

import pytest

LOAD_STORE = "int r = READ_ONCE(*x); {} WRITE_ONCE(*y, {});"
OTHER = "int r = READ_ONCE(*y); WRITE_ONCE(*x, 1);"
ORDERED = "int r = READ_ONCE(*y); smp_mb(); WRITE_ONCE(*x, 1);"


@pytest.mark.parametrize("between", ["", "smp_rmb();", "smp_wmb();", "if (r) { smp_mb(); }", "if (r) { }", "int s = cmpxchg(x, 5, 6);"])
def test_a_load_and_a_later_store_may_buffer(between, program):
    assert program(LOAD_STORE.format(between, 1), ORDERED).buffering.possible


@pytest.mark.parametrize("code", [
    LOAD_STORE.format("smp_mb();", 1),
    LOAD_STORE.format("", "r"),
    LOAD_STORE.format("", "(r ^ r) + 1"),
    "int r = READ_ONCE(*x); if (r) WRITE_ONCE(*y, 1); else WRITE_ONCE(*y, 2);",
    "int r = smp_load_acquire(x); WRITE_ONCE(*y, 1);",
    "int r = READ_ONCE(*x); smp_store_release(y, 1);",
    "int r = READ_ONCE(*x); int s = xchg(x, 3); WRITE_ONCE(*y, 1);",
    "int r = READ_ONCE(*x); WRITE_ONCE(*x, 1);",
    "WRITE_ONCE(*y, 1); int r = READ_ONCE(*x);",
    "int r = READ_ONCE(*x); int s = READ_ONCE(*y); smp_rmb(); int t = smp_load_acquire(x);",
])  # fmt: skip
def test_what_orders_each_load_before_each_later_store_makes_it_impossible(code, program):
    assert not program(code, ORDERED).buffering.possible


def test_one_side_that_orders_is_not_enough(program):
    assert program(LOAD_STORE.format("smp_mb();", 1), OTHER).buffering.possible


def test_without_a_cycle_of_reads_and_writes_there_is_none(program):
    assert not program(LOAD_STORE.format("", 1), "int r = READ_ONCE(*y);").buffering.possible


def test_different_arms_of_one_if_are_never_together(program):
    code = "int q = READ_ONCE(*y); if (q) {{ int r = READ_ONCE(*x); }} else {{ smp_mb(); WRITE_ONCE(*y, 1); }}"
    assert not program(code.replace("{{", "{").replace("}}", "}"), ORDERED).buffering.possible


def test_a_pointer_may_point_to_anything(program):
    code = "int *p = READ_ONCE(*x); int r = READ_ONCE(*p); WRITE_ONCE(*y, 1);"
    found = program(code, "int r = READ_ONCE(*y); WRITE_ONCE(*z, 1);", parameters="int **x, int *y, int *z", init="x = z;")
    assert found.buffering.possible


def test_an_rmw_hands_no_order_on(program):
    code = "int r = READ_ONCE(*x); int s = xchg_relaxed(y, r); WRITE_ONCE(*z, s);"
    other = "int r = READ_ONCE(*z); smp_mb(); WRITE_ONCE(*x, 1);"
    assert program(code, other, parameters="int *x, int *y, int *z").buffering.possible


def test_within_one_variable_coherence_forbids_it(program):
    code = "int r = *x; *x = r + 1;"
    assert not program(code, code).buffering.possible


def test_a_plain_read_and_write_of_one_variable_order_nothing_else(program):
    plain, other = "int r = *x; *x = 2;", "int r = smp_load_acquire(x); WRITE_ONCE(*y, 1);"
    assert program(plain, other, "int r = READ_ONCE(*y); smp_mb(); WRITE_ONCE(*x, 1);").buffering.possible
