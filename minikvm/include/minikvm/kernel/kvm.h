/*
 * kernel/kvm.h: vCPUs, requests and the kick path's helpers, by their names in include/linux/kvm_host.h and virt/kvm/kvm_main.c, Linux
 * 6.18. A helper that the user's file defines itself is left out here: MK_C_OWN_name is 1 for it, and the helpers that follow call it; or 2
 * if it has another form than theirs, and those that would call it are left out, too (csource/forms.py).
 */
#ifndef MINIKVM_KERNEL_KVM_H
#define MINIKVM_KERNEL_KVM_H
#include "lock.h"

struct kvm { struct mk_vm mk; };
struct rcuwait { u32 task; /* 1 while somebody sleeps */ };

/* One cache line: minikvm's vCPU (types.h) under the kernel's names. */
struct kvm_vcpu {
	u64 requests;
	int mode;
	int cpu;
	struct rcuwait wait;
	int vcpu_id;
	int vcpu_idx;
	u32 mk_reserved;
	u64 mk_strategy;
	struct kvm *kvm;
	void *mk_priv;
} __attribute__((aligned(MK_CACHELINE)));
#define MK_K_SAME(field, other) \
	_Static_assert(offsetof(struct kvm_vcpu, field) == offsetof(struct mk_vcpu, other), "struct kvm_vcpu and struct mk_vcpu differ: " #field)
MK_K_SAME(requests, requests);
MK_K_SAME(mode, mode);
MK_K_SAME(cpu, cpu);
MK_K_SAME(wait, wait);
MK_K_SAME(vcpu_id, id);
MK_K_SAME(vcpu_idx, idx);
MK_K_SAME(mk_strategy, strategy);
MK_K_SAME(kvm, vm);
_Static_assert(sizeof(struct kvm_vcpu) == sizeof(struct mk_vcpu), "struct kvm_vcpu and struct mk_vcpu differ in size");

enum { OUTSIDE_GUEST_MODE, IN_GUEST_MODE, EXITING_GUEST_MODE, READING_SHADOW_PAGE_TABLES };

#define KVM_MAX_VCPUS MK_MAX_VCPUS
#define KVM_MAX_VCPU_IDS MK_MAX_VCPUS
#define KVM_REQUEST_MASK GENMASK(7, 0)
#define KVM_REQUEST_NO_WAKEUP BIT(8)
#define KVM_REQUEST_WAIT BIT(9)
#define KVM_REQUEST_NO_ACTION BIT(10)
_Static_assert(KVM_REQUEST_NO_WAKEUP == MK_REQ_NO_WAKEUP && KVM_REQUEST_WAIT == MK_REQ_WAIT && KVM_REQUEST_NO_ACTION == MK_REQ_NO_ACTION,
	       "the flags of requests differ from types.h's");
#define KVM_REQUEST_ARCH_BASE 8
#define KVM_ARCH_REQ_FLAGS(nr, flags) ((unsigned)((nr) + KVM_REQUEST_ARCH_BASE) | (flags))
#define KVM_ARCH_REQ(nr) KVM_ARCH_REQ_FLAGS(nr, 0)
#include "requests.h"

#define kvm_get_vcpu(kvm, i) mk_k_get_vcpu(kvm, (unsigned)(i))
static __always_inline struct kvm_vcpu *mk_k_get_vcpu(struct kvm *kvm, unsigned i)
{
	mk_vm *vm = &kvm->mk;
	if (MK_C_WATCHED)
		mk_c_current->visited++;
	if (mk_unlikely(i >= mk_k_nr_vcpus(vm)) || mk_unlikely(mk_k_vcpus(vm)[i].id == MK_NO_VCPU))
		return NULL;
	return (struct kvm_vcpu *)&mk_k_vcpus(vm)[i];
}
static inline struct kvm_vcpu *kvm_get_vcpu_by_id(struct kvm *kvm, int id)
{
	for (unsigned i = 0; i < kvm->mk.nr_vcpus; i++)
		if (kvm->mk.vcpus[i].id == (uint32_t)id)
			return (struct kvm_vcpu *)&kvm->mk.vcpus[i];
	return NULL;
}
static __always_inline bool mk_k_is_hole(const struct kvm_vcpu *vcpu)
{
	if (MK_C_WATCHED)
		mk_c_current->visited++;
	return mk_unlikely(((const mk_vcpu *)vcpu)->id == MK_NO_VCPU);
}
/* With a place of its own: a step that read it from the vCPU would wait for that load. NULL at the end. */
#define kvm_for_each_vcpu(i, vcpu, kvm) \
	for (struct { mk_vcpu *v, *end; unsigned long at; } mk_place = { mk_k_vcpus(&(kvm)->mk), mk_k_vcpus(&(kvm)->mk) + mk_k_nr_vcpus(&(kvm)->mk), 0 }; \
	     mk_likely(mk_place.v < mk_place.end) \
		     ? ((i) = (__typeof__(i))mk_place.at, (vcpu) = (struct kvm_vcpu *)mk_place.v, 1) : ((vcpu) = NULL, 0); \
	     mk_place.v++, mk_place.at++) \
		if (mk_k_is_hole(vcpu)) { } else
#define kvm_get_running_vcpu() ((struct kvm_vcpu *)mk_c_current->vcpu)
/* A per-CPU variable of which only the current CPU's is there: __this_cpu_read(kvm_running_vcpu). */
#define kvm_running_vcpu ((struct kvm_vcpu **)((uintptr_t)&(struct kvm_vcpu *){ kvm_get_running_vcpu() } - (uintptr_t)MK_K_CPU() * sizeof(void *)))

/* ---- requests ---- */

#if !MK_C_OWN___kvm_make_request
static __always_inline void __kvm_make_request(int req, struct kvm_vcpu *vcpu)
{
	/* Pairs with the barrier after the clear in kvm_check_request(): who sees the bit sees what was written before it (R9). */
	smp_wmb();
	set_bit((unsigned)req & KVM_REQUEST_MASK, &vcpu->requests);
}
#elif MK_C_OWN___kvm_make_request == 1
static void __kvm_make_request(int req, struct kvm_vcpu *vcpu);
#endif
#if !MK_C_OWN_kvm_make_request && MK_C_OWN___kvm_make_request != 2
static __always_inline void kvm_make_request(int req, struct kvm_vcpu *vcpu)
{
	/* An action is logged for a request; a NO_ACTION request is only an IPI. */
	BUG_ON((unsigned)req & KVM_REQUEST_NO_ACTION);
	__kvm_make_request(req, vcpu);
}
#elif MK_C_OWN_kvm_make_request == 1
static void kvm_make_request(int req, struct kvm_vcpu *vcpu);
#endif
#if !MK_C_OWN_kvm_request_pending
static inline bool kvm_request_pending(struct kvm_vcpu *vcpu) { return READ_ONCE(vcpu->requests) != 0; }
#endif
#if !MK_C_OWN_kvm_test_request
static inline bool kvm_test_request(int req, struct kvm_vcpu *vcpu) { return test_bit((unsigned)req & KVM_REQUEST_MASK, &vcpu->requests); }
#endif
#if !MK_C_OWN_kvm_clear_request
static inline void kvm_clear_request(int req, struct kvm_vcpu *vcpu) { clear_bit((unsigned)req & KVM_REQUEST_MASK, &vcpu->requests); }
#endif

/* ---- one target ---- */

#define rcuwait_active(w) (READ_ONCE((w)->task) != 0)
/* Full barrier, then wake it if it sleeps. Pairs with the one in vcpu_block() between publishing the sleeper and testing its condition. */
#define rcuwait_wake_up(w) mk_k_wake((mk_vcpu *)container_of(w, struct kvm_vcpu, wait), "rcuwait_wake_up")
#if !MK_C_OWN_kvm_arch_vcpu_get_wait
static inline struct rcuwait *kvm_arch_vcpu_get_wait(struct kvm_vcpu *vcpu) { return &vcpu->wait; }
#endif
#if !MK_C_OWN_kvm_vcpu_wake_up
static __always_inline bool kvm_vcpu_wake_up(struct kvm_vcpu *vcpu) { return rcuwait_wake_up(&vcpu->wait); }
#elif MK_C_OWN_kvm_vcpu_wake_up == 1
static bool kvm_vcpu_wake_up(struct kvm_vcpu *vcpu);
#endif
#if !MK_C_OWN_kvm_vcpu_exiting_guest_mode
static __always_inline int kvm_vcpu_exiting_guest_mode(struct kvm_vcpu *vcpu)
{
	/* The requester's half of the Dekker pair (R10). Pairs with the barrier in vcpu_enter_guest() between mode and requests. */
	smp_mb__before_atomic();
	return cmpxchg(&vcpu->mode, IN_GUEST_MODE, EXITING_GUEST_MODE);
}
#elif MK_C_OWN_kvm_vcpu_exiting_guest_mode == 1
static int kvm_vcpu_exiting_guest_mode(struct kvm_vcpu *vcpu);
#endif
#if !MK_C_OWN_kvm_request_needs_ipi && MK_C_OWN_kvm_vcpu_exiting_guest_mode != 2
static __always_inline bool kvm_request_needs_ipi(struct kvm_vcpu *vcpu, unsigned req)
{
	int mode = kvm_vcpu_exiting_guest_mode(vcpu);
	if (req & KVM_REQUEST_WAIT)
		return mode != OUTSIDE_GUEST_MODE; /* also those that are leaving, or read page tables (R15) */
	return mode == IN_GUEST_MODE;
}
#elif MK_C_OWN_kvm_request_needs_ipi == 1
static bool kvm_request_needs_ipi(struct kvm_vcpu *vcpu, unsigned req);
#else
#undef MK_C_OWN_kvm_request_needs_ipi
#define MK_C_OWN_kvm_request_needs_ipi 2
#endif
#if !MK_C_OWN_kvm_arch_vcpu_should_kick
#define kvm_arch_vcpu_should_kick(vcpu) (kvm_vcpu_exiting_guest_mode(vcpu) == IN_GUEST_MODE)
#elif MK_C_OWN_kvm_arch_vcpu_should_kick == 1
static int kvm_arch_vcpu_should_kick(struct kvm_vcpu *vcpu);
#endif
#if !MK_C_OWN_ack_kick
static __always_inline void ack_kick(void *completed) { (void)completed; }
#else
static void ack_kick(void *completed); /* of another form, it is no IPI's function, and the compiler says so */
#endif
#if !MK_C_OWN_ack_flush
static __always_inline void ack_flush(void *completed) { (void)completed; }
#endif
#if !MK_C_OWN_kvm_kick_many_cpus
static __always_inline bool kvm_kick_many_cpus(const struct cpumask *cpus, bool wait)
{
	if (unlikely(cpus == NULL)) /* no memory for a mask: before 5.16 */
		cpus = cpu_online_mask;
	if (cpumask_empty(cpus))
		return false;
	smp_call_function_many(cpus, ack_kick, NULL, wait);
	return true;
}
#endif
#if !MK_C_OWN_kvm_make_vcpu_request && MK_C_OWN___kvm_make_request != 2 && MK_C_OWN_kvm_vcpu_wake_up != 2 && \
	MK_C_OWN_kvm_request_needs_ipi != 2
static __always_inline void kvm_make_vcpu_request(struct kvm_vcpu *vcpu, unsigned int req, struct cpumask *tmp, int current_cpu)
{
	int cpu;
	if (likely(!(req & KVM_REQUEST_NO_ACTION)))
		__kvm_make_request((int)req, vcpu);
	if (!(req & KVM_REQUEST_NO_WAKEUP) && kvm_vcpu_wake_up(vcpu))
		return;
	/* Only now vcpu->cpu: a vCPU that moves from here on sees the request before it enters the guest. */
	if (kvm_request_needs_ipi(vcpu, req)) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != -1 && cpu != current_cpu)
			__cpumask_set_cpu((unsigned)cpu, tmp);
	}
}
#elif MK_C_OWN_kvm_make_vcpu_request != 1
#undef MK_C_OWN_kvm_make_vcpu_request
#define MK_C_OWN_kvm_make_vcpu_request 2
#endif
#if !MK_C_OWN___kvm_vcpu_kick && MK_C_OWN_kvm_vcpu_wake_up != 2 && MK_C_OWN_kvm_arch_vcpu_should_kick != 2 && \
	(MK_C_OWN_kvm_arch_vcpu_should_kick || MK_C_OWN_kvm_vcpu_exiting_guest_mode != 2)
static inline void __kvm_vcpu_kick(struct kvm_vcpu *vcpu, bool wait)
{
	int me, cpu;
	if (kvm_vcpu_wake_up(vcpu))
		return;
	me = get_cpu();
	if (kvm_arch_vcpu_should_kick(vcpu)) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && cpu >= 0 && (unsigned)cpu < nr_cpu_ids) {
			if (wait)
				smp_call_function_single(cpu, ack_kick, NULL, wait);
			else
				smp_send_reschedule(cpu);
		}
	}
	put_cpu();
}
#elif MK_C_OWN___kvm_vcpu_kick == 1
static void __kvm_vcpu_kick(struct kvm_vcpu *vcpu, bool wait);
#else
#undef MK_C_OWN___kvm_vcpu_kick
#define MK_C_OWN___kvm_vcpu_kick 2
#endif
#if !MK_C_OWN_kvm_vcpu_kick && MK_C_OWN___kvm_vcpu_kick != 2
static inline void kvm_vcpu_kick(struct kvm_vcpu *vcpu) { __kvm_vcpu_kick(vcpu, false); }
#elif MK_C_OWN_kvm_vcpu_kick == 1
static void kvm_vcpu_kick(struct kvm_vcpu *vcpu);
#else
#undef MK_C_OWN_kvm_vcpu_kick
#define MK_C_OWN_kvm_vcpu_kick 2
#endif
#if !MK_C_OWN_kvm_make_request_and_kick && MK_C_OWN_kvm_make_request != 2 && MK_C_OWN___kvm_make_request != 2 && MK_C_OWN_kvm_vcpu_kick != 2
static inline void kvm_make_request_and_kick(int req, struct kvm_vcpu *vcpu)
{
	kvm_make_request(req, vcpu);
	kvm_vcpu_kick(vcpu);
}
#endif
#endif
