"""What the user's C code may do wrong ends in a sentence with its line, and in neither a dead nor a hanging process."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import pytest

from minikvm.pluginload import PluginError
from tests.csource.conftest import INSIDE, needs_cc

pytestmark = needs_cc

X86 = platform.machine() == "x86_64"
ILLEGAL = '__asm__ volatile("ud2");' if X86 else '__asm__ volatile(".inst 0");'
TRAP = '__asm__ volatile("int3");' if X86 else '__asm__ volatile("brk #1");'
TRAPPED = f"{'an illegal instruction (SIGILL)' if X86 else 'a trap, such as __builtin_trap() (SIGTRAP)'} in the C code"
FAULTS = {
    "a wild pointer": ("*(volatile int *)(unsigned long)(req & 0x10) = 1;", "a wild pointer (SIGSEGV, address 0x0) in the C code"),
    "a division by zero": (
        "{ volatile int zero = 0; me = me / zero; }",
        "an arithmetic fault, such as a division by zero (SIGFPE) in the C code",
    ),
    "an illegal instruction": (ILLEGAL, "an illegal instruction (SIGILL) in the C code"),
    "a trap": (TRAP, "a trap, such as __builtin_trap() (SIGTRAP) in the C code"),
    "abort": ("__builtin_trap();", TRAPPED),
    "BUG_ON": ("BUG_ON(me >= -1);", "BUG_ON(me >= -1)"),
    "masks that are not freed": (
        "{ cpumask_var_t m; int n; for (n = 0; n < 9; n++) zalloc_cpumask_var(&m, GFP_ATOMIC); }",
        "zalloc_cpumask_var(): more than 8 cpumasks at the same time; is one not freed?",
    ),
}
if not X86:
    del FAULTS["a division by zero"]  # is no fault on aarch64: it gives 0
CASES = pytest.mark.parametrize("case", FAULTS)


@CASES
def test_a_fault_in_a_watched_call_is_told_with_its_line(case, write, standalone):
    inside, said = FAULTS[case]
    path = write(inside)
    with pytest.raises(PluginError) as caught:
        standalone(path, record=True).dispatch(0x300)
    assert str(caught.value) == f"{path}:{INSIDE}: {said}"


@CASES
def test_a_fault_in_a_check_is_told_with_its_line(case, write, check):
    inside, said = FAULTS[case]
    path = write(inside)
    with pytest.raises(PluginError) as caught:
        check(path)
    assert str(caught.value) == f"{path}:{INSIDE}: {said}"


def test_a_recursion_without_an_end_is_told_as_one(write, check):
    path = write(
        "{ volatile int x = me; me = deep(&x); }",
        "static int deep(volatile int *p) { volatile int a[99]; a[0] = *p; return deep(a) + a[1]; }",
    )
    with pytest.raises(PluginError, match=r"mine\.c:2: the stack overflows: a recursion without an end"):
        check(path)


def test_after_a_fault_other_calls_go_on(write, standalone):
    bad, good = standalone(write(FAULTS["a wild pointer"][0], name="bad.c"), record=True), standalone(write(name="good.c"), record=True)
    for _ in range(3):
        with pytest.raises(PluginError):
            bad.dispatch(0x300)
        good.dispatch(0x300)
    assert len([op for op in good.trace if op.name == "made"]) == 12


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("for (;;) ;", "a loop that does not end: two seconds in one call, and nothing was done"),
        ("while (kvm_get_vcpu(kvm, 0)->mode != 77) cpu_relax();", "a loop that does not end: after 20,001 operations in one call"),
        ("for (volatile unsigned long x = 0; x < ~0ul; x++) ;", "a loop that does not end: after 20,000,001 basic blocks in one call"),
    ],
    ids=["empty", "spinning", "counting"],
)
def test_a_loop_that_never_ends_is_stopped_in_a_check(inside, said, write, check):
    with pytest.raises(PluginError) as caught:
        check(write(inside))
    assert said in str(caught.value)


def test_a_warning_is_said_once_with_its_line(write, standalone, capfd):
    path = write("WARN_ON(me >= -1);")
    vm = standalone(path, record=True)
    for _ in range(3):
        vm.dispatch(0x300)
    assert capfd.readouterr().err == f"minikvm: {path}:{INSIDE}: WARN_ON(me >= -1)\n"


def test_a_fault_outside_of_c_code_is_still_a_fault(write):
    """The handler is not to swallow what is not the user's."""
    script = (
        "import ctypes, sys\n"
        "from minikvm.core.standalone import Standalone\n"
        "from minikvm.csource.plugin import class_for\n"
        f"Standalone(4, strategy=class_for('strategy', {str(write())!r})(), record=True).dispatch(0x300)\n"
        "print('dispatched', flush=True)\n"
        "ctypes.string_at(0)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=120, check=False, env=os.environ)
    assert (done.returncode, done.stdout) == (-signal.SIGSEGV, "dispatched\n")
