/*
 * One pass of a vCPU, as x86's vcpu_enter_guest() has it: requests, IRQs off, mode, full barrier, the last check, the guest, mode again.
 * From arch/x86/kvm/x86.c, Linux 6.18, rendered from its meaning; what does not concern requests is left out.
 */
int vcpu_enter_guest(struct kvm_vcpu *vcpu)
{
	if (kvm_request_pending(vcpu))
		kvm_handle_requests(vcpu);

	preempt_disable();

	/* An IPI that comes from here on is taken only after the guest's exit, and makes that exit come at once. */
	local_irq_disable();
	smp_store_release(&vcpu->mode, IN_GUEST_MODE);
	kvm_vcpu_srcu_read_unlock(vcpu);

	/*
	 * The mode before the last look at the requests. Pairs with the full barrier between the request and the look at the mode in
	 * kvm_vcpu_exiting_guest_mode(): either this vCPU sees the request, or the requester sees IN_GUEST_MODE and sends an IPI.
	 */
	smp_mb__after_srcu_read_unlock();

	if (!kvm_vcpu_exit_request(vcpu)) {
		guest_timing_enter_irqoff();
		while (kvm_x86_vcpu_run(vcpu) == EXIT_FASTPATH_REENTER_GUEST && !kvm_vcpu_exit_request(vcpu))
			;
		guest_timing_exit_irqoff();
	}

	WRITE_ONCE(vcpu->mode, OUTSIDE_GUEST_MODE);
	smp_wmb();
	local_irq_enable(); /* what came meanwhile is taken, and acknowledged, here */
	preempt_enable();
	kvm_vcpu_srcu_read_lock(vcpu);

	return 1;
}
