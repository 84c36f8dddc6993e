/*
 * The first version of the patch: only the vCPUs whose bits are set are visited, by a helper for one vCPU. From the mail "KVM: Optimize
 * kvm_make_vcpus_request_mask() a bit" (August 2021), rendered from its meaning.
 *
 * Two things were asked about in review. The helper looks the current CPU up by itself for each vCPU, though its caller has done so; and vcpu->cpu is
 * read, plainly, before the request is made. The second one loses kicks: a vCPU that moves in between is sent its IPI to the CPU that it left, and
 * enters the guest without having seen the request.
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

static void kvm_make_vcpu_request(struct kvm *kvm, struct kvm_vcpu *vcpu, unsigned int req, cpumask_var_t tmp)
{
	int me, cpu = vcpu->cpu;

	if (!(req & KVM_REQUEST_NO_ACTION))
		kvm_make_request(req, vcpu);

	if (!(req & KVM_REQUEST_NO_WAKEUP) && kvm_vcpu_wake_up(vcpu))
		return;

	if (!tmp)
		return;

	me = get_cpu();
	if (cpu != -1 && cpu != me && kvm_request_needs_ipi(vcpu, req))
		__cpumask_set_cpu(cpu, tmp);
	put_cpu();
}

bool kvm_make_vcpus_request_mask(struct kvm *kvm, unsigned int req, struct kvm_vcpu *except, unsigned long *vcpu_bitmap, cpumask_var_t tmp)
{
	struct kvm_vcpu *vcpu;
	int i;
	bool called;

	preempt_disable();

	if (vcpu_bitmap) {
		for_each_set_bit(i, vcpu_bitmap, KVM_MAX_VCPUS) {
			vcpu = kvm_get_vcpu(kvm, i);
			if (!vcpu || vcpu == except)
				continue;
			kvm_make_vcpu_request(kvm, vcpu, req, tmp);
		}
	} else {
		kvm_for_each_vcpu(i, vcpu, kvm) {
			if (vcpu == except)
				continue;
			kvm_make_vcpu_request(kvm, vcpu, req, tmp);
		}
	}

	called = kvm_kick_many_cpus(tmp, !!(req & KVM_REQUEST_WAIT));
	preempt_enable();

	return called;
}
