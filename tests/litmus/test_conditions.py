"""What a condition may ask: the same three executions of store buffering with an xchg, asked in other ways."""

import pytest

from minikvm.litmus import LitmusError, decide, load

HEAD = """C t
{ int *p = &a; int *q = &a; }
P0(int *x, int *y) { int r0; r0 = xchg(x, 1); WRITE_ONCE(*y, r0 + 1); }
P1(int *x, int *y) { int r0; r0 = xchg(x, 2); WRITE_ONCE(*y, r0 + 1); }
"""


def answer(condition):
    decided = decide(load("test.litmus", HEAD + condition + "\n"))
    return decided.positive, decided.negative


@pytest.mark.parametrize(
    ("condition", "same_as"),
    [
        ("exists (0:r0=1:r0)", "exists (0:r0=0 /\\ 1:r0=0 \\/ 0:r0=1 /\\ 1:r0=1 \\/ 0:r0=2 /\\ 1:r0=2)"),
        ("exists (0:r0=[x])", "exists (0:r0=1 /\\ x=1 \\/ 0:r0=2 /\\ x=2)"),
        ("exists (x=*y)", "exists (x=1 /\\ y=1 \\/ x=2 /\\ y=2)"),
        ("exists ([x]!=[y])", "exists (~(x=1 /\\ y=1 \\/ x=2 /\\ y=2))"),
        ("exists (p=[q] /\\ x=1)", "exists (x=1)"),
        ("filter (0:r0=[x]) exists (y=1)", "filter (0:r0=2 /\\ x=2 \\/ 0:r0=1 /\\ x=1) exists (y=1)"),
    ],
)
def test_two_final_values_are_compared(condition, same_as):
    assert answer(condition) == answer(same_as)


def test_registers_that_are_never_equal_are_never_found_equal():
    assert answer("exists (0:r0=1:r0)")[0] == 0


def test_locations_that_may_be_equal_are_found_equal():
    assert answer("exists ([x]=[y])")[0] > 0


def test_a_comparison_of_two_registers_is_printed_as_it_was_asked():
    assert str(load("test.litmus", HEAD + "exists (0:r0!=1:r0 \\/ x=[y])\n").condition.prop) == "not (0:r0=1:r0) \\/ [x]=[y]"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("exists (0:r0=1:r7)", "test.litmus:5:14: 1:r7, to which P1 assigns nothing, expected one of r0"),
        ("exists (0:r0=2:r0)", "test.litmus:5:14: 2:r0, expected a register of the threads 0 to 1"),
        ("exists (0:r0=[z])", "test.litmus:5:15: z, which is no shared variable, expected one of p, q, x, y"),
        ("exists (0:r0=;)", "test.litmus:5:14: ';', expected a number, a variable's name for its address, a register (0:r1) or [x]"),
    ],
)
def test_what_cannot_be_compared_is_told_with_its_place(condition, message):
    with pytest.raises(LitmusError) as caught:
        load("test.litmus", HEAD + condition + "\n")
    assert str(caught.value) == message
