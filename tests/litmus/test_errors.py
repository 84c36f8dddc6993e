"""Whatever is wrong with a file is one line with its place, and says what was expected."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikvm.litmus import LitmusError, decide, load
from tests.examples import examples

GOOD = """C good
{ int x = 1; }
P0(int *x) { int r0; r0 = READ_ONCE(*x); }
exists (0:r0=1)
"""


def body(code, parameters="int *x, int *y"):
    return f"C t\n{{ }}\nP0({parameters}) {{\n{code}\n}}\nexists (true)\n"


@pytest.mark.parametrize(("text", "said"), [
    ("", "test.litmus: an empty file, expected a litmus test, which begins with C and its name"),
    ("X86 SB\n{ }\n", "test.litmus:1:1: 'X86', expected C and the test's name: only tests in C are understood"),
    ("C\n{ }\n", "test.litmus:1:1: no name, expected C and the test's name"),
    ("C t\nP0() { }\n", "test.litmus:2:1: 'P0', expected the initial state, { ... }"),
    ("C t\n{ }\nexists (true)\n", "test.litmus:3:1: 'exists', expected the first thread, P0(...) { ... }"),
    ("C t\n{ }\nP1() { }\nexists (true)\n", "test.litmus:3:1: P1, expected P0: threads are numbered in order"),
    ("C t\n{ }\nP0() { \n", "test.litmus:3:6: a { without an end, expected }"),
    ("C t\n{ }\nP0() { ) }\n", "test.litmus:3:8: a ) that closes nothing, expected the end of { first"),
    ("C t\n(* no end\n{ }\n", "test.litmus:2:1: a comment without an end, expected *)"),
    ("C t\n{ x = ; }\nP0() { }\nexists (true)\n", "test.litmus:2:7: ';', expected a number, or a variable's name for its address"),
    ("C t\n{ x=1; x=2; }\nP0() { }\nexists (true)\n", "test.litmus:2:8: x for the second time, expected each variable once"),
    ("C t\n{ x=99999999999999999999; }\nP0() { }\nexists (true)\n",
     "test.litmus:2:5: '99999999999999999999', expected a number of 64 bits"),
    ("C t\n{ int x[99]; }\nP0() { }\nexists (true)\n", "test.litmus:2:9: '99', expected 1 to 64 cells"),
    ("C t\n{ struct foo x; }\nP0() { }\nexists (true)\n",
     "test.litmus:2:3: 'struct', expected int, long, a pointer, atomic_t, atomic_long_t or spinlock_t"),
    (GOOD.replace("0:r0=1", "0:r9=1"), "test.litmus:4:9: 0:r9, to which P0 assigns nothing, expected one of r0"),
    (GOOD.replace("0:r0=1", "3:r0=1"), "test.litmus:4:9: 3:r0, expected a register of the threads 0 to 0"),
    (GOOD.replace("0:r0=1", "z=1"), "test.litmus:4:9: z, which is no shared variable, expected one of x"),
    (GOOD.replace("exists (0:r0=1)", "exist (0:r0=1)"),
     "test.litmus:4:1: 'exist', expected exists, ~exists, forall, filter or locations"),
    (GOOD.replace("exists (0:r0=1)", ""), "test.litmus:3:43: the end, expected exists, ~exists, forall, filter or locations"),
    (GOOD.replace("0:r0=1)", "0:r0=1"), "test.litmus:4:8: a ( without an end, expected )"),
    (GOOD + "x", "test.litmus:5:1: 'x', expected the end of the file"),
])  # fmt: skip
def test_a_mistake_outside_the_code_is_shown_with_its_place(text, said, complaint):
    assert complaint(text) == said


@pytest.mark.parametrize(("code", "said"), [
    ("synchronize_rcu();", "4:1: synchronize_rcu: RCU grace periods are not supported, expected a test without"),
    ("int r = srcu_read_lock(x);", "4:9: srcu_read_lock: SRCU is not supported, expected a test without"),
    ("int r = READ_ONEC(*x);", "4:9: the function READ_ONEC, expected READ_ONCE"),
    ("printk(x);", "4:1: the function printk, expected one of linux-kernel.def"),
    ("WRITE_ONCE(*x);", "4:1: 1 argument for WRITE_ONCE(), expected 2"),
    ("WRITE_ONCE(x, 1);", "4:12: x, which is no shared variable, expected *x"),
    ("WRITE_ONCE(*1, 1);", "4:1: the number 1, expected a pointer to a shared variable"),
    ("int r = smp_mb();", "4:9: smp_mb(), which gives nothing, as a value, expected a function with a value"),
    ("while (1) { }", "4:1: a while loop, expected assignments, calls and if: nothing else is understood"),
    ("return;", "4:1: return, expected assignments, calls and if: nothing else is understood"),
    ("int r = 1 / 2;", "4:9: the operator /, expected one of + - * & | ^ << >> == != < <= > >= && ||"),
    ("int r = READ_ONCE(*x) && READ_ONCE(*y);", "4:26: an access to memory at the right of &&, expected an if around it, or a variable"),
    ("int r = q;", "4:9: q, which P0 does not know, expected a parameter or a local variable"),
    ("x = 1;", "4:1: an assignment to the parameter x, expected a local variable, or *x"),
    ("int x;", "4:5: a variable x beside the parameter of that name, expected another name"),
    ("int r = x->next;", "4:9: a member of a struct, expected a number, a variable, a call or an operator"),
    ("int r = x[0];", "4:9: x with an index, expected an array: a parameter, and in the initial state as int x[2]"),
    ("int r = 1.5;", "4:9: 1.5, expected an integer of 64 bits"),
    ("#define r 1", "4:1: '#', expected C as in linux-kernel.def"),
    ("atomic_store_explicit(x, 1, memory_order_acquire);",
     "4:29: memory_order_acquire, expected one of memory_order_relaxed, memory_order_release, memory_order_seq_cst"),
    ("int r = READ_ONCE(*x); int s = READ_ONCE(*r);",
     "4:32: NULL is dereferenced in some execution, expected a pointer to a shared variable"),
    ("spin_lock(x); WRITE_ONCE(*x, 1);",
     "4:15: an access to x, which is a spinlock, expected spin_lock(), spin_unlock(), spin_trylock(), spin_is_locked(): nothing else"),
])  # fmt: skip
def test_a_mistake_in_the_code_is_shown_with_its_place(code, said, complaint):
    assert complaint(body(code)) == f"test.litmus:{said}"


@pytest.mark.parametrize("code", ["int r = ;", "WRITE_ONCE(*x, );", "if r WRITE_ONCE(*x, 1);", "int r == 1;", "smp_mb("])
def test_c_that_cannot_be_parsed_is_shown_with_its_line(code, complaint):
    """The column is the parser's, whose versions differ."""
    assert complaint(body(code).replace("smp_mb(\n", "smp_mb(;)\n")).startswith("test.litmus:4:")


def test_a_variable_that_is_shared_but_no_parameter_is_told(complaint):
    text = "C t\n{ }\nP0(int *x) { int r = y; }\nP1(int *y) { }\nexists (true)\n"
    assert complaint(text) == "test.litmus:3:22: y, which P0 does not know, expected int *y among the parameters"


@pytest.mark.parametrize("code", ["(" * 5000 + "1" + ")" * 5000 + ";", "{" * 5000 + "}" * 5000, "int r = " + "!" * 5000 + "1;",
                                  "int r = " + "1+" * 5000 + "1;", "if (1) " * 5000 + ";"])
def test_deep_nesting_is_an_error_and_no_traceback(code, complaint):
    assert "expected" in complaint(body(code))


def test_too_many_variables_are_an_error(complaint):
    assert "at most 64" in complaint(body("".join(f"int r{i} = READ_ONCE(*x);" for i in range(64)) + "int s = 1;"))


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"\x7fELF\x02\x01\x01\x00", b"C t\n\x00", bytes(range(256)),
                                  b"C t\n" + b"x" * (1 << 18)])
def test_a_file_that_is_no_text_is_an_error(data, tmp_path):
    path = tmp_path / "some.litmus"
    path.write_bytes(data)
    with pytest.raises(LitmusError, match="expected"):
        decide(load(str(path)))


def verdict_or_place(text):
    try:
        decide(load("any.litmus", text), executions=1000)
    except LitmusError as error:
        assert error.what and error.expected
        assert str(error).startswith("any.litmus:") and "\n" not in str(error)


@settings(max_examples=examples(300), deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_a_verdict_or_an_error(text):
    verdict_or_place(text)


@settings(max_examples=examples(300), deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 30), st.text(alphabet="(){}[];:=&*~/\\\"'<>|!x0r1 \nint#@%P", max_size=12))
def test_a_good_text_with_a_piece_replaced_is_a_verdict_or_an_error(at, length, piece):
    verdict_or_place(GOOD[:at] + piece + GOOD[at + length:])


WORDS = ["int", "r0", "r1", "x", "y", "*", "=", ";", "(", ")", "{", "}", "if", "else", "READ_ONCE", "WRITE_ONCE", "1", ",", "+", "&",
         "spin_lock", "cmpxchg", "atomic_t", "->", "[", "]", "smp_mb", "()", "!", "? 1 : 2"]


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=25))
def test_any_words_of_c_are_a_verdict_or_an_error(words):
    verdict_or_place(body(" ".join(words)))
