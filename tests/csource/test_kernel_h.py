"""kernel.h: its table of requests is the core's, and its operations do what the kernel's do."""

from __future__ import annotations

import pytest

from minikvm import get_include
from minikvm.core.requests import RequestRegistry
from tests.csource.conftest import needs_cc

pytestmark = needs_cc


@pytest.fixture
def holds(write, standalone):
    """Does a C condition hold, in bare and in watched code?"""

    def holds(condition: str, before: str = "", setting: str = "") -> tuple[bool, bool]:
        path = write(
            text=f"""
{before}
bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
{{
	{setting}
	return {condition};
}}
"""
        )
        return standalone(path).dispatch(0), standalone(path, record=True).dispatch(0)

    return holds


def test_the_requests_are_the_cores(holds):
    names = [f"KVM_REQ_{request.name} == {request.value}u" for request in RequestRegistry()]
    assert holds(" && ".join(names)) == (True, True)


OPERATIONS = {
    "xchg": ("int x = 3;", "xchg(&x, 5) == 3 && x == 5"),
    "cmpxchg": ("int x = 3;", "cmpxchg(&x, 4, 9) == 3 && x == 3 && cmpxchg(&x, 3, 9) == 3 && x == 9"),
    "try_cmpxchg": ("int x = 3, old = 4;", "!try_cmpxchg(&x, &old, 9) && old == 3 && try_cmpxchg(&x, &old, 9) && x == 9"),
    "cmpxchg of a pointer": ("int y; int *p = NULL;", "cmpxchg(&p, NULL, &y) == NULL && p == &y"),
    "atomics": (
        "atomic_t a = ATOMIC_INIT(5);",
        "atomic_add_return(2, &a) == 7 && atomic_fetch_sub(3, &a) == 7 && atomic_read(&a) == 4 "
        "&& !atomic_dec_and_test(&a) && atomic_xchg(&a, -1) == 3 "
        "&& atomic_inc_return(&a) == 0 && !atomic_add_unless(&a, 1, 0) && atomic_fetch_or(6, &a) == 0 && atomic_fetch_andnot(2, &a) == 6 "
        "&& atomic_fetch_xor(5, &a) == 4 && atomic_read(&a) == 1",
    ),
    "64-bit atomics": (
        "atomic64_t a = ATOMIC64_INIT(1ll << 40);",
        "atomic64_add_return(1, &a) == (1ll << 40) + 1 && atomic64_dec_return(&a) == 1ll << 40",
    ),
    "bytes": (
        "u8 b = 250; s16 h = -3;",
        "READ_ONCE(b) == 250 && READ_ONCE(h) == -3 && xchg(&b, 7) == 250 && cmpxchg(&h, -3, -4) == -3 && h == -4",
    ),
    "bits": (
        "DECLARE_BITMAP(m, 130); bitmap_zero(m, 130); set_bit(129, m); __set_bit(3, m);",
        "test_bit(129, m) && !test_bit(128, m) && find_first_bit(m, 130) == 3 && find_next_bit(m, 130, 4) == 129 "
        "&& find_next_bit(m, 129, 4) == 129 "
        "&& test_and_clear_bit(129, m) && !test_and_set_bit(64, m) && bitmap_weight(m, 130) == 2 && !bitmap_empty(m, 130) "
        "&& find_first_zero_bit(m, 130) == 0",
    ),
    "cpumasks": (
        "struct cpumask a, b; cpumask_clear(&a); cpumask_clear(&b); cpumask_set_cpu(1, &a); __cpumask_set_cpu(3, &a); "
        "cpumask_set_cpu(3, &b);",
        "cpumask_weight(&a) == 2 && cpumask_first(&a) == 1 && cpumask_next(1, &a) == 3 "
        "&& cpumask_next(3, &a) >= nr_cpu_ids && cpumask_subset(&b, &a) "
        "&& cpumask_and(&b, &a, &b) && cpumask_test_cpu(3, &b) && !cpumask_empty(&b) && cpumask_any_but(&a, 1) == 3 "
        "&& cpumask_weight(cpu_online_mask) == 4 "
        "&& cpumask_test_and_clear_cpu(3, &b) && cpumask_empty(&b)",
    ),
    "allocated masks": (
        "cpumask_var_t a, b; bool both = zalloc_cpumask_var(&a, GFP_ATOMIC) && zalloc_cpumask_var(&b, GFP_ATOMIC); "
        "cpumask_set_cpu(1, a);",
        "both && cpumask_available(a) && a != b && cpumask_empty(b) && !cpumask_empty(a) "
        "&& (free_cpumask_var(b), free_cpumask_var(a), true)",
    ),
    "eight masks": (
        "cpumask_var_t m[8]; int n, good = 1; "
        "for (n = 0; n < 8; n++) { good &= zalloc_cpumask_var(&m[n], GFP_ATOMIC); cpumask_set_cpu(1, m[n]); } "
        "cpumask_clear(m[3]); free_cpumask_var(m[5]); good &= zalloc_cpumask_var(&m[5], GFP_ATOMIC) && cpumask_empty(m[5]);",
        "good && cpumask_empty(m[3]) && !cpumask_empty(m[0]) && !cpumask_empty(m[4]) && !cpumask_empty(m[7]) "
        "&& ({ for (n = 0; n < 8; n++) free_cpumask_var(m[n]); true; })",
    ),
    "locks": (
        "static DEFINE_SPINLOCK(l); bool was = spin_trylock(&l); bool held = spin_is_locked(&l); spin_unlock(&l);",
        "was && held && !spin_is_locked(&l) && preempt_count() == 0",
    ),
    "preemption": (
        "int cpu = get_cpu(); int off = preempt_count(); put_cpu();",
        "cpu == smp_processor_id() && off == 1 && preempt_count() == 0",
    ),
    "the vCPUs": (
        "struct kvm_vcpu *v; unsigned long i; int n = 0; kvm_for_each_vcpu(i, v, kvm) n += v->vcpu_idx;",
        "n == 6 && kvm_get_vcpu(kvm, 2)->vcpu_id == 2 && kvm_get_vcpu(kvm, 4) == NULL && kvm_get_vcpu_by_id(kvm, 3)->vcpu_idx == 3",
    ),
    "awaits": ("int x = 4;", "smp_cond_load_acquire(&x, VAL == 4) == 4"),
    "data_race": ("int x = 4;", "data_race(x) == 4"),
}


@pytest.mark.parametrize("what", OPERATIONS)
def test_an_operation_does_what_the_kernels_does_bare_and_watched(what, holds):
    setting, condition = OPERATIONS[what]
    assert holds(condition, setting=setting) == (True, True)


def test_a_per_cpu_variable_is_each_cpus_own(holds):
    before = "static DEFINE_PER_CPU(int, count); static DEFINE_PER_CPU(cpumask_var_t, mask);"
    setting = "this_cpu_inc(count); per_cpu(count, 1) += 5;"
    assert holds(
        "this_cpu_read(count) == 1 && *per_cpu_ptr(&count, 1) == 5 && this_cpu_cpumask_var_ptr(mask) != per_cpu(mask, 1)", before, setting
    ) == (True, True)


def test_no_header_reserves_a_users_name():
    """What is no name of the kernel's begins with mk_, MK_ or MINIKVM_."""
    import re
    from pathlib import Path

    ours = set()
    for header in sorted((Path(get_include()) / "minikvm" / "kernel").glob("*.h")):
        ours |= {name for name in re.findall(r"^#define\s+(\w+)", header.read_text(), re.MULTILINE) if "minikvm" in name.lower()}
    assert all(name.startswith("MINIKVM_") for name in ours), ours
