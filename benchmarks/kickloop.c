/*
 * kickloop.c: the dispatch loops as one would write them by hand in C, over the same structs, and the harness that times both.
 *
 * This is the yardstick: the compiled strategies of minikvm may cost at most 1.10 times these loops. So they are written to be fast.
 * They include the layout (types.h) and none of minikvm's operations, helpers or worlds; there is no observer, no error path, no count
 * of visited vCPUs. They do what the protocol asks for and no less: the same accesses with the same orders in the same places
 * (docs/protocol.md), holes are skipped, the mask is cleared before and tested after, preemption is off in between.
 * On x86-64 a seq_cst compare-and-swap is already the full barrier on both its sides, so neither here nor in minikvm is there another.
 *
 * Both are called through the same function pointer, mk_strategy.dispatch, by the same loop, on the same VM.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <minikvm/types.h>
#include <minikvm/world.h> /* struct mk_machine; the operations in it are not used */

#if defined(__x86_64__)
#define full_barrier_beside_rmw() atomic_signal_fence(memory_order_seq_cst)
#else
#define full_barrier_beside_rmw() atomic_thread_fence(memory_order_seq_cst)
#endif

static inline uint64_t request_bit(uint32_t req)
{
	return req & MK_REQ_NO_ACTION ? 0 : UINT64_C(1) << (req & MK_REQ_MASK);
}

static inline void make_request(mk_vcpu *v, uint64_t bit)
{
	if (!bit)
		return;
	atomic_thread_fence(memory_order_release); /* the write barrier before the bit */
	atomic_fetch_or_explicit(&v->requests.v, bit, memory_order_relaxed);
}

static inline int wake_up(mk_ctx *c, mk_vcpu *v)
{
	uint32_t waiting = 1;
	atomic_thread_fence(memory_order_seq_cst); /* rcuwait_wake_up()'s */
	if (!atomic_load_explicit(&v->wait.v, memory_order_relaxed))
		return 0;
	if (!atomic_compare_exchange_strong_explicit(&v->wait.v, &waiting, 0, memory_order_seq_cst, memory_order_relaxed))
		return 0;
	full_barrier_beside_rmw();
	c->vm->machine->wake(c, v);
	return 1;
}

static inline int needs_ipi(mk_vcpu *v, uint32_t wait)
{
	uint32_t mode = MK_IN_GUEST_MODE;
	full_barrier_beside_rmw();
	atomic_compare_exchange_strong_explicit(&v->mode.v, &mode, MK_EXITING_GUEST_MODE, memory_order_seq_cst, memory_order_relaxed);
	full_barrier_beside_rmw();
	return wait ? mode != MK_OUTSIDE_GUEST_MODE : mode == MK_IN_GUEST_MODE;
}

static inline void mask_cpu(uint64_t *mask, int32_t cpu, int32_t me)
{
	if (cpu != -1 && cpu != me)
		mask[cpu >> 6] |= UINT64_C(1) << (cpu & 63);
}

static inline int32_t get_cpu(mk_ctx *c)
{
	c->preempt_count++;
	return c->pcpu;
}

static inline void put_cpu(mk_ctx *c)
{
	if (--c->preempt_count == 0 && c->need_resched && !c->irqs_off)
		c->vm->machine->schedule(c);
}

static inline int kick_many(mk_ctx *c, const uint64_t *mask, uint32_t wait)
{
	uint64_t any = 0;
	for (uint32_t i = 0, words = c->vm->mask_words; i < words; i++)
		any |= mask[i];
	if (!any)
		return 0;
	c->vm->machine->call_many(c, mask, wait);
	if (wait)
		c->vm->machine->call_wait(c);
	return 1;
}

static inline uint64_t *cleared(uint64_t *mask, const mk_vm *vm)
{
	return memset(mask, 0, vm->mask_words * sizeof *mask);
}

/* The linear walk to the next target, as kvm_for_each_vcpu() with test_bit() in it: is there a vCPU, and is its bit set? In a loop of its own. */
static inline uint32_t next_linear(const mk_vcpu *vcpus, const uint64_t *targets, uint32_t i, uint32_t n)
{
	while (i < n && (vcpus[i].id == MK_NO_VCPU || (targets && !(targets[i >> 6] >> (i & 63) & 1))))
		i++;
	return i;
}

/* The merged form's step for one target: request, wake-up, mode, and only then the cpu. */
static inline void upstream_one(mk_ctx *c, mk_vcpu *v, uint64_t bit, uint32_t req, uint64_t *mask, int32_t me)
{
	make_request(v, bit);
	if (!(req & MK_REQ_NO_WAKEUP) && wake_up(c, v))
		return;
	if (needs_ipi(v, req & MK_REQ_WAIT))
		mask_cpu(mask, (int32_t)atomic_load_explicit(&v->cpu.v, memory_order_relaxed), me);
}

static int upstream(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	mk_vm *vm = c->vm;
	mk_vcpu *vcpus = vm->vcpus;
	int32_t me = get_cpu(c);
	uint64_t *mask = cleared(vm->kick_masks + (size_t)vm->mask_stride * (size_t)me, vm);
	uint64_t bit = request_bit(req);
	int called;
	(void)s;
	if (!targets) {
		for (mk_vcpu *v = vcpus, *end = vcpus + vm->nr_vcpus; v < end; v++)
			if (v->id != MK_NO_VCPU)
				upstream_one(c, v, bit, req, mask, me);
	} else {
		for (uint32_t w = 0, words = vm->vcpu_words; w < words; w++)
			for (uint64_t word = targets[w]; word; word &= word - 1) {
				mk_vcpu *v = &vcpus[w * 64 + (uint32_t)__builtin_ctzll(word)];
				if (v->id != MK_NO_VCPU)
					upstream_one(c, v, bit, req, mask, me);
			}
	}
	called = kick_many(c, mask, req & MK_REQ_WAIT);
	put_cpu(c);
	return called;
}

static int upstream_linear(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	mk_vm *vm = c->vm;
	mk_vcpu *vcpus = vm->vcpus;
	int32_t me = get_cpu(c);
	uint64_t *mask = cleared(vm->kick_masks + (size_t)vm->mask_stride * (size_t)me, vm);
	uint64_t bit = request_bit(req);
	int called;
	(void)s;
	for (uint32_t n = vm->nr_vcpus, i = next_linear(vcpus, targets, 0, n); i < n; i = next_linear(vcpus, targets, i + 1, n))
		upstream_one(c, &vcpus[i], bit, req, mask, me);
	called = kick_many(c, mask, req & MK_REQ_WAIT);
	put_cpu(c);
	return called;
}

static int linear(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	mk_vm *vm = c->vm;
	mk_vcpu *vcpus = vm->vcpus;
	uint64_t *mask = cleared(c->scratch, vm); /* where the allocation would be */
	int32_t me = get_cpu(c);
	uint64_t bit = request_bit(req);
	int called;
	(void)s;
	for (uint32_t n = vm->nr_vcpus, i = next_linear(vcpus, targets, 0, n); i < n; i = next_linear(vcpus, targets, i + 1, n)) {
		mk_vcpu *v = &vcpus[i];
		int32_t cpu;
		make_request(v, bit);
		cpu = *(int32_t *)&v->cpu.v; /* plain, as it was */
		if (!(req & MK_REQ_NO_WAKEUP) && wake_up(c, v))
			continue;
		if (cpu != -1 && cpu != me && needs_ipi(v, req & MK_REQ_WAIT))
			mask_cpu(mask, cpu, me);
	}
	called = kick_many(c, mask, req & MK_REQ_WAIT);
	put_cpu(c);
	return called;
}

static inline void v1_one(mk_ctx *c, mk_vcpu *v, uint64_t bit, uint32_t req, uint64_t *mask)
{
	int32_t cpu = *(int32_t *)&v->cpu.v; /* early and plain: the bug of this form */
	int32_t me;
	make_request(v, bit);
	if (!(req & MK_REQ_NO_WAKEUP) && wake_up(c, v))
		return;
	me = get_cpu(c); /* for each target, as it was */
	if (cpu != -1 && cpu != me && needs_ipi(v, req & MK_REQ_WAIT))
		mask_cpu(mask, cpu, me);
	put_cpu(c);
}

static int v1_bitmap(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	mk_vm *vm = c->vm;
	mk_vcpu *vcpus = vm->vcpus;
	uint64_t *mask = cleared(c->scratch, vm);
	uint64_t bit = request_bit(req);
	int called;
	(void)s;
	get_cpu(c);
	if (!targets) {
		for (mk_vcpu *v = vcpus, *end = vcpus + vm->nr_vcpus; v < end; v++)
			if (v->id != MK_NO_VCPU)
				v1_one(c, v, bit, req, mask);
	} else {
		for (uint32_t w = 0, words = vm->vcpu_words; w < words; w++)
			for (uint64_t word = targets[w]; word; word &= word - 1) {
				mk_vcpu *v = &vcpus[w * 64 + (uint32_t)__builtin_ctzll(word)];
				if (v->id != MK_NO_VCPU)
					v1_one(c, v, bit, req, mask);
			}
	}
	called = kick_many(c, mask, req & MK_REQ_WAIT);
	put_cpu(c);
	return called;
}

#define BY_HAND(form) {.abi = MK_ABI, .size = sizeof(mk_strategy), .dispatch = form}
const mk_strategy by_hand_linear = BY_HAND(linear), by_hand_v1_bitmap = BY_HAND(v1_bitmap), by_hand_upstream = BY_HAND(upstream),
	by_hand_upstream_linear = BY_HAND(upstream_linear);

/* ---- the VM that both run on: a table, one context on pCPU 0, and a machine that does nothing ---- */

static int null_call_many(mk_ctx *c, const uint64_t *mask, int wait) { (void)c; (void)mask; (void)wait; return 0; }
static int null_ctx(mk_ctx *c) { (void)c; return 0; }
static int null_vcpu(mk_ctx *c, mk_vcpu *v) { (void)c; (void)v; return 0; }
static const mk_machine null_machine = {
	.abi = MK_ABI, .size = sizeof(mk_machine), .call_many = null_call_many, .call_wait = null_ctx, .schedule = null_ctx, .wake = null_vcpu,
};

typedef struct bench {
	mk_vm vm;
	mk_ctx ctx;
	uint32_t nr_in_guest, nr_asleep;
	mk_vcpu **in_guest; /* set back to IN_GUEST_MODE before each call */
	mk_vcpu **asleep;   /* and these to sleep */
	uint64_t *sent;     /* the last mask, for the comparison */
	uint64_t nr_sent, nr_woken;
} bench;

static void *zeroed(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (p)
		memset(p, 0, (size + 63) & ~(size_t)63);
	return p;
}

/* vCPU i is loaded on pCPU i, and there are as many pCPUs; the caller is on pCPU 0. NULL: no memory. */
bench *bench_new(uint32_t nr_vcpus)
{
	bench *b = zeroed(sizeof *b);
	uint32_t words = (nr_vcpus + 63) / 64;
	if (!b)
		return NULL;
	b->vm = (mk_vm){.abi = MK_ABI, .nr_vcpus = nr_vcpus, .nr_pcpus = nr_vcpus, .vcpu_words = words,
			.mask_words = words, .mask_stride = (words + 7) & ~7u};
	b->vm.vcpus = zeroed(nr_vcpus * sizeof(mk_vcpu));
	b->vm.kick_masks = zeroed((size_t)b->vm.mask_stride * nr_vcpus * 8);
	b->vm.online = zeroed(words * 8);
	b->ctx.scratch = zeroed(2 * words * 8);
	b->sent = zeroed(words * 8);
	b->in_guest = zeroed(nr_vcpus * sizeof *b->in_guest);
	b->asleep = zeroed(nr_vcpus * sizeof *b->asleep);
	if (!b->vm.vcpus || !b->vm.kick_masks || !b->vm.online || !b->ctx.scratch || !b->sent || !b->in_guest || !b->asleep)
		return NULL; /* the program ends */
	b->vm.machine = &null_machine;
	b->ctx.vm = &b->vm;
	b->ctx.kind = MK_CTX_BENCH;
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		b->vm.vcpus[i].id = b->vm.vcpus[i].idx = i;
		b->vm.vcpus[i].vm = &b->vm;
		atomic_init(&b->vm.vcpus[i].cpu.v, i);
		b->vm.online[i / 64] |= UINT64_C(1) << (i & 63);
	}
	return b;
}

void bench_free(bench *b)
{
	free(b->vm.vcpus);
	free(b->vm.kick_masks);
	free(b->vm.online);
	free(b->ctx.scratch);
	free(b->sent);
	free(b->in_guest);
	free(b->asleep);
	free(b);
}

void bench_state(bench *b, uint32_t idx, int in_guest, int asleep)
{
	if (in_guest)
		b->in_guest[b->nr_in_guest++] = &b->vm.vcpus[idx];
	if (asleep)
		b->asleep[b->nr_asleep++] = &b->vm.vcpus[idx];
}

static inline void set_back(bench *b)
{
	for (uint32_t i = 0; i < b->nr_in_guest; i++)
		atomic_store_explicit(&b->in_guest[i]->mode.v, MK_IN_GUEST_MODE, memory_order_relaxed);
	for (uint32_t i = 0; i < b->nr_asleep; i++)
		atomic_store_explicit(&b->asleep[i]->wait.v, 1, memory_order_relaxed);
}

/* n calls; nanoseconds of this thread's CPU time, so that other programs' timeslices do not count. The state is set back before each call, by the same stores for both. */
uint64_t bench_run(bench *b, const mk_strategy *s, uint32_t req, const uint64_t *targets, uint64_t n)
{
	struct timespec from, to;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (uint64_t i = 0; i < n; i++) {
		set_back(b);
		s->dispatch(&b->ctx, s, req, targets);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (uint64_t)(to.tv_sec - from.tv_sec) * 1000000000u + (uint64_t)to.tv_nsec - (uint64_t)from.tv_nsec;
}

/* ---- do both do the same? ---- */

static bench *watched;
static int watch_call_many(mk_ctx *c, const uint64_t *mask, int wait)
{
	watched->nr_sent += wait ? 0x10001 : 1;
	memcpy(watched->sent, mask, c->vm->mask_words * 8);
	return 0;
}
static int watch_call_wait(mk_ctx *c) { (void)c; watched->nr_sent += 0x100000000; return 0; }
static int watch_wake(mk_ctx *c, mk_vcpu *v) { (void)c; watched->nr_woken = watched->nr_woken * 31 + v->idx + 1; return 0; }

static uint64_t mix(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * UINT64_C(0x100000001b3);
}

/* One call on fresh state; a number for all that can be seen after it: result, IPIs, wakes, and each vCPU. */
uint64_t bench_effect(bench *b, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	mk_machine watching = null_machine;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);
	watching.call_many = watch_call_many;
	watching.call_wait = watch_call_wait;
	watching.wake = watch_wake;
	watched = b;
	b->vm.machine = &watching;
	b->nr_sent = b->nr_woken = 0;
	memset(b->sent, 0, b->vm.mask_words * 8);
	for (uint32_t i = 0; i < b->vm.nr_vcpus; i++) {
		atomic_store(&b->vm.vcpus[i].requests.v, 0);
		atomic_store(&b->vm.vcpus[i].mode.v, MK_OUTSIDE_GUEST_MODE);
		atomic_store(&b->vm.vcpus[i].wait.v, 0);
	}
	set_back(b);
	sum = mix(sum, (uint64_t)s->dispatch(&b->ctx, s, req, targets));
	sum = mix(mix(sum, b->nr_sent), b->nr_woken);
	for (uint32_t i = 0; i < b->vm.mask_words; i++)
		sum = mix(sum, b->sent[i]);
	for (uint32_t i = 0; i < b->vm.nr_vcpus; i++) {
		mk_vcpu *v = &b->vm.vcpus[i];
		sum = mix(mix(mix(sum, atomic_load(&v->requests.v)), atomic_load(&v->mode.v)), atomic_load(&v->wait.v));
	}
	sum = mix(sum, b->ctx.preempt_count);
	b->vm.machine = &null_machine;
	return sum;
}
