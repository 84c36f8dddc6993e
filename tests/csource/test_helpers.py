"""A helper that a file defines itself: the header's is left out, and what the header builds on it calls the file's."""

from __future__ import annotations

import pytest

from minikvm.csource.forms import HELPERS, functions_of, read_source
from minikvm.pluginload import BadSource
from tests.csource.conftest import needs_cc

pytestmark = needs_cc

ASK_ONE = "kvm_make_vcpu_request(kvm_get_vcpu(kvm, 1), req, mask, 0)"
CALLERS = {
    "void __kvm_make_request(int req, struct kvm_vcpu *vcpu)": ("kvm_make_request(3, kvm_get_vcpu(kvm, 1))", ASK_ONE),
    "void kvm_make_request(int req, struct kvm_vcpu *vcpu)": ("kvm_make_request_and_kick(3, kvm_get_vcpu(kvm, 1))",),
    "bool kvm_request_pending(struct kvm_vcpu *vcpu)": ("kvm_vcpu_exit_request(kvm_get_vcpu(kvm, 1))",),
    "bool kvm_test_request(int req, struct kvm_vcpu *vcpu)": ("kvm_check_request(3, kvm_get_vcpu(kvm, 1))",),
    "bool kvm_vcpu_wake_up(struct kvm_vcpu *vcpu)": (ASK_ONE, "kvm_vcpu_kick(kvm_get_vcpu(kvm, 1))"),
    "int kvm_vcpu_exiting_guest_mode(struct kvm_vcpu *vcpu)": (
        "kvm_request_needs_ipi(kvm_get_vcpu(kvm, 1), req)",
        "kvm_arch_vcpu_should_kick(kvm_get_vcpu(kvm, 1))",
        ASK_ONE,
    ),
    "bool kvm_request_needs_ipi(struct kvm_vcpu *vcpu, unsigned int req)": (ASK_ONE,),
    "int kvm_arch_vcpu_should_kick(struct kvm_vcpu *vcpu)": ("kvm_vcpu_kick(kvm_get_vcpu(kvm, 1))",),
    "void __kvm_vcpu_kick(struct kvm_vcpu *vcpu, bool wait)": (
        "kvm_vcpu_kick(kvm_get_vcpu(kvm, 1))",
        "kvm_make_request_and_kick(3, kvm_get_vcpu(kvm, 1))",
    ),
    "void kvm_vcpu_kick(struct kvm_vcpu *vcpu)": ("kvm_make_request_and_kick(3, kvm_get_vcpu(kvm, 1))",),
}
FILE = """\
static int calls;
{helper}
bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req)
{{
	struct cpumask cpus, *mask = &cpus;
	cpumask_clear(mask);
	(void){call};
	return calls == 1;
}}
"""


@pytest.fixture
def calls_the_helper(write, standalone):
    """Does C code call this helper of the file's, once: in bare and in watched code?"""

    def calls(helper: str, call: str) -> tuple[bool, bool]:
        path = write(text=FILE.format(helper=f"{helper} {{ calls++; {'' if 'void ' in helper[:12] else 'return 0;'} }}", call=f"({call})"))
        return standalone(path).dispatch(0), standalone(path, record=True).dispatch(0)

    return calls


@pytest.mark.parametrize(("helper", "call"), [(helper, call) for helper, calls in CALLERS.items() for call in calls])
def test_the_headers_helpers_call_the_files(calls_the_helper, helper, call):
    assert calls_the_helper(f"static {helper}", call) == (True, True)


@pytest.mark.parametrize("storage", ["static inline ", "static __always_inline ", ""], ids=["inline", "always", "global"])
def test_a_helpers_storage_class_is_the_files_affair(calls_the_helper, storage):
    assert calls_the_helper(f"{storage}bool kvm_request_needs_ipi(struct kvm_vcpu *vcpu, unsigned int req)", ASK_ONE) == (True, True)


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_may_be_the_files_own_in_the_kernels_form(write, standalone, name):
    result, kinds = HELPERS[name].rstrip(")").split(" (")
    types = {"vcpu": "struct kvm_vcpu *", "kvm": "struct kvm *", "cpumask": "struct cpumask *", "pointer": "void *"}
    parameters = ", ".join(f"{types.get(kind, kind + ' ')}p{i}" for i, kind in enumerate(kinds.split(", ")))
    body = {"void": "", "struct rcuwait *": "return NULL;"}.get(result, "return 1;")
    helper = f"static {result} {name}({parameters}) {{ {body} }}\n"
    text = helper if name == "kvm_make_all_cpus_request" else helper + ALL
    assert f"MK_C_OWN_{name}=1" in read_source(text, "my.c", "strategy").defines
    assert standalone(write(text=text)).dispatch(0) is True


ALL = "bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req) { return true; }\n"
OTHER = {
    "kvm_vcpu_wake_up": "static void kvm_vcpu_wake_up(struct kvm_vcpu *vcpu) { rcuwait_wake_up(&vcpu->wait); }",  # before 4.12
    "kvm_make_vcpu_request": "static void kvm_make_vcpu_request(struct kvm *kvm, struct kvm_vcpu *vcpu, unsigned int req) { }",
    "kvm_request_needs_ipi": "static bool kvm_request_needs_ipi(struct kvm_vcpu *vcpu, unsigned int req, int cpu) { return true; }",
    "kvm_vcpu_exiting_guest_mode": "static inline bool kvm_vcpu_exiting_guest_mode(struct kvm_vcpu *vcpu) { return true; }",
    "__kvm_make_request": "static void __kvm_make_request(struct kvm_vcpu *vcpu, int req) { }",
}
MASK = "bool kvm_make_vcpus_request_mask(struct kvm *kvm, unsigned int req, unsigned long *vcpu_bitmap) {{ {body} return true; }}\n"


@pytest.mark.parametrize("name", OTHER)
def test_a_helper_of_another_form_is_the_files_own_affair(write, standalone, name):
    text = f"{OTHER[name]}\n{MASK.format(body='')}"
    assert f"MK_C_OWN_{name}=2" in read_source(text, "my.c", "strategy").defines
    assert standalone(write(text=text)).dispatch(0) is True


@pytest.mark.parametrize("name", [name for name in OTHER if name != "kvm_make_vcpu_request"])
def test_what_would_call_a_helper_of_another_form_is_no_name_of_the_headers(write, standalone, name):
    text = f"{OTHER[name]}\n{MASK.format(body='kvm_make_vcpu_request(kvm_get_vcpu(kvm, 0), req, NULL, 0);')}"
    with pytest.raises(BadSource, match=r"mine.c:2:.*implicit declaration of function 'kvm_make_vcpu_request'"):
        standalone(write(text=text))


@pytest.mark.parametrize("name", OTHER)
def test_the_headers_mask_function_needs_helpers_of_the_kernels_form(write, standalone, name):
    with pytest.raises(BadSource, match=r"kvm_make_vcpus_request_mask\(\) is not defined, and kernel.h's cannot call a helper"):
        standalone(write(text=f"{OTHER[name]}\n{ALL}"))


def test_the_name_before_3_10_is_taken_for_requests_to_all(write, standalone):
    text = "static bool make_all_cpus_request(struct kvm *kvm, unsigned int req)\n{\n\treturn req == 5;\n}\n"
    vm = standalone(write(text=text))
    assert (vm.dispatch(5), vm.dispatch(6)) == (True, False)


def test_the_running_vcpu_is_that_of_the_current_cpu(write, check):
    inside = "BUG_ON(__this_cpu_read(kvm_running_vcpu) != kvm_get_running_vcpu());"
    assert check(write(inside=inside)).exhausted


def test_a_result_is_read_without_its_storage():
    (function,) = functions_of("static __always_inline struct rcuwait\n*f(struct kvm_vcpu *vcpu)\n{\n}\n").values()
    assert (function.result, function.parameters) == ("struct rcuwait *", "struct kvm_vcpu *vcpu")
