/*
 * The second version of the patch: the caller looks the current CPU up once and passes it in. vcpu->cpu is still read plainly, but only after the request
 * and the look at the mode, so that a vCPU which moves before the IPI has to see the request when it enters the guest again.
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

static void kvm_make_vcpu_request(struct kvm *kvm, struct kvm_vcpu *vcpu, unsigned int req, cpumask_var_t tmp, int current_cpu)
{
	int cpu;

	if (!(req & KVM_REQUEST_NO_ACTION))
		kvm_make_request(req, vcpu);

	if (!(req & KVM_REQUEST_NO_WAKEUP) && kvm_vcpu_wake_up(vcpu))
		return;

	if (tmp && kvm_request_needs_ipi(vcpu, req)) {
		cpu = vcpu->cpu;
		if (cpu != -1 && cpu != current_cpu)
			__cpumask_set_cpu(cpu, tmp);
	}
}

bool kvm_make_vcpus_request_mask(struct kvm *kvm, unsigned int req, struct kvm_vcpu *except, unsigned long *vcpu_bitmap, cpumask_var_t tmp)
{
	struct kvm_vcpu *vcpu;
	int i, me;
	bool called;

	me = get_cpu();

	if (vcpu_bitmap) {
		for_each_set_bit(i, vcpu_bitmap, KVM_MAX_VCPUS) {
			vcpu = kvm_get_vcpu(kvm, i);
			if (!vcpu || vcpu == except)
				continue;
			kvm_make_vcpu_request(kvm, vcpu, req, tmp, me);
		}
	} else {
		kvm_for_each_vcpu(i, vcpu, kvm) {
			if (vcpu == except)
				continue;
			kvm_make_vcpu_request(kvm, vcpu, req, tmp, me);
		}
	}

	called = kvm_kick_many_cpus(tmp, !!(req & KVM_REQUEST_WAIT));
	put_cpu();

	return called;
}
