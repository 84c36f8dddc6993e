"""The documentation's list of the kernel's names and forms is the one that the headers and the messages have."""

from __future__ import annotations

import re

import pytest
from c_forms import ROOT

from minikvm.csource import names
from minikvm.csource.forms import ACCEPTED

PAGE = (ROOT / "docs/c-strategies.md").read_text()
ISSUE = """
READ_ONCE WRITE_ONCE data_race smp_mb smp_wmb smp_rmb smp_mb__before_atomic smp_mb__after_atomic smp_store_release
smp_load_acquire smp_store_mb smp_cond_load_acquire set_bit clear_bit test_bit test_and_set_bit __set_bit for_each_set_bit
find_next_bit DECLARE_BITMAP BITS_PER_LONG xchg cmpxchg cmpxchg_relaxed cmpxchg_acquire cmpxchg_release likely unlikely
BUILD_BUG_ON WARN_ON WARN_ON_ONCE get_cpu put_cpu preempt_disable preempt_enable smp_processor_id raw_smp_processor_id spin_lock
spin_unlock spinlock_t cpumask_var_t cpumask cpumask_set_cpu __cpumask_set_cpu cpumask_clear cpumask_empty cpumask_available
zalloc_cpumask_var free_cpumask_var for_each_cpu cpu_online_mask DEFINE_PER_CPU this_cpu_ptr this_cpu_cpumask_var_ptr
smp_call_function_many smp_call_function_single smp_send_reschedule kvm_for_each_vcpu kvm_get_vcpu KVM_MAX_VCPUS kvm_make_request
__kvm_make_request kvm_check_request kvm_test_request kvm_vcpu_wake_up kvm_vcpu_exiting_guest_mode kvm_request_needs_ipi
kvm_kick_many_cpus kvm_vcpu_kick KVM_REQ_TLB_FLUSH KVM_REQUEST_WAIT EXPORT_SYMBOL_GPL kvm_vcpu kvm rcuwait OUTSIDE_GUEST_MODE
IN_GUEST_MODE u8 u16 u32 u64 atomic_t atomic64_t
""".split()  # noqa: SIM905 (a table to be read)
"""Names that a patch of the kick path is sure to use."""


def test_the_page_has_the_names_of_the_headers():
    assert names.replaced(PAGE) == PAGE, "python -m minikvm.csource.names docs/c-strategies.md writes them again"


def test_every_name_that_such_code_uses_is_found():
    assert sorted(set(ISSUE) - set(names.known_names())) == []


def test_no_name_of_ours_is_listed():
    assert [name for name in names.known_names() if re.match(r"_*mk_", name, re.IGNORECASE) or name in ("void", "name")] == []


def test_every_header_is_listed():
    there = {path.stem for path in (names.INCLUDE / "kernel").glob("*.h")}
    assert there - set(names.HEADERS) == {"bare", "watch", "entry"}, "a header without names for users is named here"


@pytest.mark.parametrize("form", ACCEPTED.splitlines())
def test_the_page_has_every_accepted_form(form):
    assert form in PAGE.splitlines()
