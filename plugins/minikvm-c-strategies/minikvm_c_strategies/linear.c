/*
 * Before the patch: the helper visits every vCPU and asks for each whether its bit is set. As it stood in Linux 5.14 (virt/kvm/kvm_main.c).
 *
 * vcpu->cpu is read plainly, after the request has been made and before the mode is looked at. Under x86's memory model that is enough, since set_bit()
 * is a locked instruction there. On weaker machines the read may come first.
 */
static inline bool kvm_kick_many_cpus(const struct cpumask *cpus, bool wait)
{
	if (unlikely(!cpus))
		cpus = cpu_online_mask;

	if (cpumask_empty(cpus))
		return false;

	smp_call_function_many(cpus, ack_flush, NULL, wait);
	return true;
}

bool kvm_make_vcpus_request_mask(struct kvm *kvm, unsigned int req, struct kvm_vcpu *except, unsigned long *vcpu_bitmap, cpumask_var_t tmp)
{
	int me, cpu;
	unsigned int i;
	struct kvm_vcpu *vcpu;
	bool called;

	me = get_cpu();

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if ((vcpu_bitmap && !test_bit(i, vcpu_bitmap)) || vcpu == except)
			continue;

		if (!(req & KVM_REQUEST_NO_ACTION))
			kvm_make_request(req, vcpu);
		cpu = vcpu->cpu;

		if (!(req & KVM_REQUEST_NO_WAKEUP) && kvm_vcpu_wake_up(vcpu))
			continue;

		if (tmp && cpu != -1 && cpu != me && kvm_request_needs_ipi(vcpu, req))
			__cpumask_set_cpu(cpu, tmp);
	}

	called = kvm_kick_many_cpus(tmp, !!(req & KVM_REQUEST_WAIT));
	put_cpu();

	return called;
}
