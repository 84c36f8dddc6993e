/*
 * kernel/loop.h: the vCPU's side, for run loops in C: int vcpu_enter_guest(struct kvm_vcpu *vcpu), one pass. (arch/x86/kvm/x86.c, Linux
 * 6.18.)
 *
 * What the observer has to know is taken from the accesses: the store of IN_GUEST_MODE begins an entry, kvm_run_guest() is its commit, the
 * store of OUTSIDE_GUEST_MODE its end. A bit that the vCPU clears in its own requests, by whatever atomic operation, is a request consumed:
 * it is handled (what was written before the request is read) as soon as the barriers that follow are over.
 */
#ifndef MINIKVM_KERNEL_LOOP_H
#define MINIKVM_KERNEL_LOOP_H
#include "kvm.h"

/* Test, clear, full barrier. True when the request was made; its work is done here, before the return. */
#if !MK_C_OWN_kvm_check_request
#define kvm_check_request(req, vcpu) ({ \
	unsigned mk_req = (unsigned)(req) & KVM_REQUEST_MASK; \
	struct kvm_vcpu *mk_of = (vcpu); \
	bool mk_made = kvm_test_request((int)mk_req, mk_of); \
	if (mk_made) { \
		kvm_clear_request((int)mk_req, mk_of); \
		/* Pairs with the write barrier in kvm_make_request(): what was written before the request is seen by its handler. */ \
		smp_mb__after_atomic(); \
		mk_c_handle(); \
	} \
	mk_made; \
})
#endif
/* Every request but gates, which their requester clears (R23), and sticky ones: what the long list of kvm_check_request()s does. */
#define kvm_handle_requests(vcpu) ({ \
	struct kvm_vcpu *mk_handled = (vcpu); \
	u64 mk_bits = READ_ONCE(mk_handled->requests) & ~(mk_c_current->vm->gate_mask | mk_c_current->vm->sticky_mask); \
	int mk_done = 0; \
	for (; mk_bits; mk_bits &= mk_bits - 1) \
		mk_done += kvm_check_request(__ffs(mk_bits), mk_handled); \
	mk_done; \
})
/* Work beside requests: a deschedule, a signal, an IPI that is pending. */
#define xfer_to_guest_mode_work_pending() mk_c_work_pending(MK_C_HERE("work pending"))
#define kvm_vcpu_work_pending(vcpu) ((void)(vcpu), xfer_to_guest_mode_work_pending() != 0)
#if !MK_C_OWN_kvm_vcpu_exit_request
#define kvm_vcpu_exit_request(vcpu) ({ \
	struct kvm_vcpu *mk_v = (vcpu); \
	bool mk_exiting = READ_ONCE(mk_v->mode) == EXITING_GUEST_MODE, mk_pending = kvm_request_pending(mk_v); \
	bool mk_work = xfer_to_guest_mode_work_pending() != 0; \
	mk_exiting || mk_pending || mk_work; \
})
#endif
#define srcu_read_lock(srcu) ((void)(srcu), 0)
#define srcu_read_unlock(srcu, index) ((void)(srcu), (void)(index))
#define smp_mb__after_srcu_read_unlock() smp_mb() /* together with the unlock, which does nothing here */
#define kvm_vcpu_srcu_read_lock(vcpu) ((void)(vcpu))
#define kvm_vcpu_srcu_read_unlock(vcpu) ((void)(vcpu))
#define guest_timing_enter_irqoff() ((void)0)
#define guest_timing_exit_irqoff() ((void)0)
#define guest_enter_irqoff() ((void)0)
#define guest_exit_irqoff() ((void)0)
#define guest_state_enter_irqoff() ((void)0)
#define guest_state_exit_irqoff() ((void)0)

/*
 * Unmask IRQs and run the guest, atomically, until it exits. True: a fast-path exit, after which the last check is repeated and the guest
 * may be entered again. kvm_x86_vcpu_run and the arm64 name are the same.
 */
#define kvm_run_guest(vcpu) (mk_c_run_guest((mk_vcpu *)(vcpu), MK_C_HERE("guest")) != 0)
#define EXIT_FASTPATH_NONE 0
#define EXIT_FASTPATH_REENTER_GUEST 1
typedef int fastpath_t;
#define kvm_x86_vcpu_run(vcpu, ...) ((fastpath_t)kvm_run_guest(vcpu))
#define kvm_arm_vcpu_enter_exit(vcpu) kvm_run_guest(vcpu)
#endif
