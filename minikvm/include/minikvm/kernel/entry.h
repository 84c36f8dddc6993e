/*
 * kernel/entry.h: included behind the user's file: from minikvm's tables to the kernel's function of whatever form it is. build.py has read
 * the form from the file's declarations (MK_C_FORM_...); the compiler verifies it.
 */
#ifndef MINIKVM_KERNEL_ENTRY_H
#define MINIKVM_KERNEL_ENTRY_H
#include "../kernel.h"

#define MK_C_IS(function, ...) \
	_Static_assert(__builtin_types_compatible_p(__typeof__(&function), bool (*)(__VA_ARGS__)), \
		       #function "() is not what minikvm has read from its declaration: expected bool " #function "(" #__VA_ARGS__ ")")

#ifdef MK_C_STRATEGY
#ifndef MK_C_OWN_kvm_make_all_cpus_request
static bool kvm_make_all_cpus_request(struct kvm *kvm, unsigned int req);
#endif
#ifdef MK_C_OWN_kvm_make_all_cpus_request
MK_C_IS(kvm_make_all_cpus_request, struct kvm *, unsigned int);
#endif

/* The old forms' caller, as it was: a mask, or NULL when there is no memory for one. */
#define MK_C_WITH_MASK(call) ({ \
	cpumask_var_t cpus; \
	bool mk_called; \
	zalloc_cpumask_var(&cpus, GFP_ATOMIC); \
	mk_called = call; \
	free_cpumask_var(cpus); \
	mk_called; \
})
#if defined(MK_C_FORM_EXCEPT_MASK)
MK_C_IS(kvm_make_vcpus_request_mask, struct kvm *, unsigned int, struct kvm_vcpu *, unsigned long *, cpumask_var_t);
#define MK_C_CALL(kvm, req, map) MK_C_WITH_MASK(kvm_make_vcpus_request_mask(kvm, req, NULL, map, cpus))
#elif defined(MK_C_FORM_MASK)
MK_C_IS(kvm_make_vcpus_request_mask, struct kvm *, unsigned int, unsigned long *, cpumask_var_t);
#define MK_C_CALL(kvm, req, map) MK_C_WITH_MASK(kvm_make_vcpus_request_mask(kvm, req, map, cpus))
#elif defined(MK_C_FORM_EXCEPT)
MK_C_IS(kvm_make_vcpus_request_mask, struct kvm *, unsigned int, struct kvm_vcpu *, unsigned long *);
#define MK_C_CALL(kvm, req, map) kvm_make_vcpus_request_mask(kvm, req, NULL, map)
#elif defined(MK_C_FORM_NOW)
MK_C_IS(kvm_make_vcpus_request_mask, struct kvm *, unsigned int, unsigned long *);
#define MK_C_CALL(kvm, req, map) kvm_make_vcpus_request_mask(kvm, req, map)
#else
/* Only kvm_make_all_cpus_request() is the file's own. */
#if MK_C_OWN_kvm_make_vcpu_request == 2 || MK_C_OWN_kvm_kick_many_cpus == 2
#error "kvm_make_vcpus_request_mask() is not defined, and kernel.h's cannot call a helper that has a form of its own: define it, too"
#endif
static DEFINE_PER_CPU(cpumask_var_t, mk_c_kick_mask);
static bool kvm_make_vcpus_request_mask(struct kvm *kvm, unsigned int req, unsigned long *vcpu_bitmap)
{
	int me = get_cpu(), i;
	struct cpumask *cpus = this_cpu_cpumask_var_ptr(mk_c_kick_mask);
	bool called;
	cpumask_clear(cpus);
	for_each_set_bit(i, vcpu_bitmap, KVM_MAX_VCPUS) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);
		if (vcpu)
			kvm_make_vcpu_request(vcpu, req, cpus, me);
	}
	called = kvm_kick_many_cpus(cpus, !!(req & KVM_REQUEST_WAIT));
	put_cpu();
	return called;
}
#define MK_C_CALL(kvm, req, map) kvm_make_vcpus_request_mask(kvm, req, map)
#endif

/*
 * The kernel's callers give a bitmap of KVM_MAX_VCPUS bits, minikvm's one of as many as the VM has places. A walk ends at the last place
 * (bitops.h); a file that uses KVM_MAX_VCPUS otherwise gets a copy of the full length, in memory of the thread's own.
 */
MK_C_HIDDEN unsigned long *mk_c_targets(mk_ctx *c, const uint64_t *targets);
#ifdef MK_C_LONG_TARGETS
#define MK_C_TARGETS(c, targets) mk_c_targets(c, targets)
#else
#define MK_C_TARGETS(c, targets) ((targets) != NULL ? (unsigned long *)(targets) : mk_c_targets(c, NULL)) /* NULL: all of them */
#endif

static __always_inline int mk_c_kernel_call(mk_ctx *c, uint32_t req, const uint64_t *targets)
{
	struct kvm *kvm = (struct kvm *)c->vm;
	if (targets == NULL) {
#if defined(MK_C_OWN_kvm_make_all_cpus_request)
		return kvm_make_all_cpus_request(kvm, req);
#elif defined(MK_C_FORM_EXCEPT_MASK) || defined(MK_C_FORM_MASK) || defined(MK_C_FORM_EXCEPT)
		return MK_C_CALL(kvm, req, NULL);
#endif
	}
	return MK_C_CALL(kvm, req, MK_C_TARGETS(c, targets));
}
#if MK_C_WATCHED
MK_C_HIDDEN int mk_c_watched_dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets) { return mk_c_kernel_call(c, req, targets); }
#else
/* mk_strategy.dispatch itself: a call between the table and the user's function would cost a tenth of a call with one target. */
MK_C_HIDDEN int mk_c_call_watched(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets);
/* Flat: the whole call in one function. */
MK_C_HIDDEN __attribute__((flatten)) int mk_c_bare_dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	int called;
	if (mk_unlikely(!mk_is_bare(c)))
		return mk_c_call_watched(c, s, req, targets);
	mk_c_current = c;
	called = mk_c_kernel_call(c, req, targets);
	if (mk_unlikely(mk_c_failed)) {
		mk_c_failed = 0;
		return -1;
	}
	return called;
}
#endif
#endif

#ifdef MK_C_LOOP
_Static_assert(__builtin_types_compatible_p(__typeof__(&vcpu_enter_guest), int (*)(struct kvm_vcpu *)),
	       "vcpu_enter_guest() has another form: expected int vcpu_enter_guest(struct kvm_vcpu *vcpu)");
MK_C_HIDDEN int mk_c_watched_enter(mk_vcpu *v) { return vcpu_enter_guest((struct kvm_vcpu *)v); }
#endif
#endif
