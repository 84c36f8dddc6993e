/*
 * One pass of a vCPU, as arm64's kvm_arch_vcpu_ioctl_run() has it: requests, IRQs off, mode with a full barrier behind it, the last check, the
 * guest, mode again. From arch/arm64/kvm/arm.c, Linux 6.18, rendered from its meaning; what does not concern requests is left out.
 */
int vcpu_enter_guest(struct kvm_vcpu *vcpu)
{
	if (kvm_request_pending(vcpu))
		kvm_handle_requests(vcpu);

	preempt_disable();
	local_irq_disable();

	/*
	 * Nothing orders this store behind that of vcpu->cpu, when the vCPU was loaded. Who sees IN_GUEST_MODE may still find the -1 of the last
	 * put, and send no IPI. x86 has smp_store_release() and a full barrier here.
	 */
	smp_store_mb(vcpu->mode, IN_GUEST_MODE);

	if (!kvm_request_pending(vcpu) && !xfer_to_guest_mode_work_pending())
		kvm_arm_vcpu_enter_exit(vcpu);

	WRITE_ONCE(vcpu->mode, OUTSIDE_GUEST_MODE);
	smp_wmb();
	local_irq_enable(); /* what came meanwhile is taken, and acknowledged, here */
	preempt_enable();

	return 1;
}
