/*
 * world.h: every shared access of the kick path and of the run loops goes through these operations.
 *
 * The world decides what one does. Bare (ctx.world == NULL): the C11 atomic instruction, inline. Injected: the same, and race
 * injectors are asked at each named point. Simulated and checked worlds supply every entry of struct mk_world.
 * The machine is what lies beneath a pCPU in any world: slots, IPIs, sleeping; it is never NULL.
 * The observer is ghost state: it sees what happens and the code under test cannot see it.
 *
 * All return -1 when an exception is set (a plugin's, or the unwinding of an abandoned execution), and must then be left at once.
 */
#ifndef MINIKVM_WORLD_H
#define MINIKVM_WORLD_H
#include "types.h"

/* Named points, in the order in which a kick and then a vCPU pass them. */
#define MK_POINTS(X) \
	X(KICK_BEGIN, "kick.begin") X(KICK_ALLOC, "kick.alloc_mask") X(KICK_CPU_READ, "kick.cpu_read") X(KICK_MADE, "kick.made") \
	X(KICK_WAKE, "kick.wake") X(KICK_MODE, "kick.mode") X(IPI_SEND, "ipi.send") X(IPI_AWAIT, "ipi.await") X(KICK_END, "kick.end") \
	X(VCPU_LOADED, "vcpu.loaded") X(VCPU_PUT, "vcpu.put") X(VCPU_CHECK, "vcpu.check") X(VCPU_HANDLED, "vcpu.handled") \
	X(ENTRY_IRQS_OFF, "entry.irqs_off") X(ENTRY_MODE, "entry.mode") X(ENTRY_LAST_CHECK, "entry.last_check") \
	X(ENTRY_ENTER, "entry.enter") X(ENTRY_EXIT, "entry.exit") X(ENTRY_OUTSIDE, "entry.outside") X(ENTRY_ABORT, "entry.abort") \
	X(WALK_BEGIN, "walk.begin") X(WALK_END, "walk.end") \
	X(BLOCK_PUBLISHED, "block.published") X(BLOCK_TEST, "block.test") X(BLOCK_SLEEP, "block.sleep") X(BLOCK_WOKEN, "block.woken") \
	X(IRQ_HANDLED, "irq.handled") X(TASK_RUN, "task.run")
#define MK_POINT_ENUM(id, text) MK_PT_##id,
enum mk_point_id { MK_POINTS(MK_POINT_ENUM) MK_NR_POINTS };
#define MK_POINT_NAME(id, text) text,
static const char *const mk_point_names[] __attribute__((unused)) = { MK_POINTS(MK_POINT_NAME) };

/* What injectors may answer at IPI_SEND and KICK_ALLOC. */
enum mk_verdict { MK_GO = 0, MK_FAIL = 1, MK_IPI_LATE = 2, MK_IPI_LOST = 3 };

struct mk_world {
	uint32_t abi;
	uint32_t size;
	int (*load)(mk_ctx *c, const void *addr, int size, int order, const char *name, uint64_t *value);
	int (*store)(mk_ctx *c, void *addr, int size, int order, const char *name, uint64_t value);
	int (*rmw)(mk_ctx *c, void *addr, int size, int op, int order, const char *name, uint64_t operand, uint64_t expected, uint64_t *old);
	int (*fence)(mk_ctx *c, int kind, const char *name);
	int (*point)(mk_ctx *c, int point, mk_vcpu *subject);              /* an mk_verdict, or -1 */
	int (*choose)(mk_ctx *c, int n, double probability, const char *name); /* 0..n-1; live: 0 with 1 - probability */
	int (*lock)(mk_ctx *c, mk_atomic64 *lock, const char *name);
	int (*unlock)(mk_ctx *c, mk_atomic64 *lock, const char *name);
	/*
	 * Wait until the word is another than `seen`; *value gets it. 0, or 1 where the VM's end came first. NULL: the bare wait will do.
	 */
	int (*wait_change)(mk_ctx *c, const void *addr, int size, int order, const char *name, uint64_t seen, uint64_t *value);
	void *priv;
};

/* Beneath the pCPUs. All of it runs without the GIL. */
struct mk_machine {
	uint32_t abi;
	uint32_t size;
	/* Mark every pCPU of the mask but one's own pending with a function-call IPI, and ring. wait: expect an acknowledgement. */
	int (*call_many)(mk_ctx *c, const uint64_t *mask, int wait);
	int (*call_wait)(mk_ctx *c);                 /* until all expected acknowledgements are in, serving one's own slot */
	int (*reschedule)(mk_ctx *c, int32_t pcpu);  /* the IPI of a plain kick: no acknowledgement (R25) */
	int (*irq_disable)(mk_ctx *c);               /* no barrier, and no drain of a store buffer */
	int (*irq_enable)(mk_ctx *c);                /* and handle what came meanwhile */
	int (*schedule)(mk_ctx *c);                  /* give up the slot and take one again: put, load */
	int (*work_pending)(mk_ctx *c);              /* 1: IPIs, need_resched or a stop wait for this pCPU */
	int (*enter_guest)(mk_ctx *c, mk_vcpu *v);   /* atomically: unmask IRQs and run the guest until it exits */
	int (*block)(mk_ctx *c, mk_vcpu *v);         /* put, sleep until vcpu.wait is 0 or the timer fires, load */
	int (*wake)(mk_ctx *c, mk_vcpu *v);          /* vcpu.wait was set to 0 by the caller: make the sleeper run */
	int (*walk)(mk_ctx *c, mk_vcpu *v);          /* the body of a shadow walk */
	int (*handle)(mk_ctx *c, mk_vcpu *v, unsigned nr);          /* the work of one request that was consumed */
	int (*await_requests)(mk_ctx *c, mk_vcpu *v, uint64_t seen); /* until vcpu.requests != seen, or other work: an aborted entry */
	int (*membarrier)(mk_ctx *c);                /* a full barrier on every sibling thread, waited for */
	int (*lock_slow)(mk_ctx *c, mk_atomic64 *lock);
	int (*idle_guest)(mk_ctx *c, mk_vcpu *v, uint64_t ns); /* the calling thread is the guest: it sleeps or spins until interrupted */
	/* The environment, for race injectors. Each does nothing where the protocol would not allow it, and returns 1 when it acted. */
	int (*migrate)(mk_ctx *c, mk_vcpu *v, int walk); /* the host moves v to another pCPU, where it walks first if asked; waits for it */
	int (*preempt)(mk_ctx *c);                       /* deschedule the caller at the next place that allows it: here, if it does */
	int (*delay)(mk_ctx *c, uint64_t ns);
	int (*spurious_ipi)(mk_ctx *c, int32_t pcpu);    /* -1: any */
	int (*spurious_wakeup)(mk_ctx *c, mk_vcpu *v);   /* NULL: any sleeper */
};

enum mk_event {
	MK_EV_MADE,        /* a: bit number, b: the old bit */
	MK_EV_DEFERRED,    /* a: bit number: the target was marked instead of kicked */
	MK_EV_WOKE,        /* a sleeper was woken */
	MK_EV_MODE,        /* a: the mode that the kicker read, b: does it need an IPI */
	MK_EV_MASKED,      /* a: the cpu that was read (int32_t), b: was it put into the mask */
	MK_EV_SENDING,     /* subject NULL; a: address of the mask, b: number of IPIs */
	MK_EV_CLEARED,     /* a: bit number, b: the old bit: cleared by its requester */
	MK_EV_CONSUMED,    /* a: bit number: the vCPU cleared it */
	MK_EV_CONSUME_BEGIN, MK_EV_CONSUME_END, /* around the clearing and the handling of one bit (a) */
	MK_EV_ENTRY_BEGIN, /* before mode = IN_GUEST_MODE is stored, or a fast-path re-entry's last check */
	MK_EV_ENTRY_COMMIT,/* the last check has passed */
	MK_EV_ENTRY_END,   /* the guest was left; before mode = OUTSIDE_GUEST_MODE is stored */
	MK_EV_ENTRY_ABORT, /* a: the requests that were seen, b: other work */
	MK_EV_WALK_BEGIN,  /* after mode = READING_SHADOW_PAGE_TABLES and its barrier */
	MK_EV_WALK_END,    /* before mode = OUTSIDE_GUEST_MODE is stored */
	MK_EV_BLOCKED, MK_EV_UNBLOCKED,
	MK_EV_PUT, MK_EV_LOADED /* around a vCPU's absence, the strategy's on_put and on_load included: no steps of a call of its thread */
};
struct mk_observer {
	int (*event)(mk_ctx *c, int event, mk_vcpu *v, uint64_t a, uint64_t b);
};

/* xoroshiro128+ (Blackman and Vigna): live and simulated choices, from the seed in the YAML. */
MK_INLINE uint64_t mk_random(mk_ctx *c)
{
	uint64_t a = c->rng[0], b = c->rng[1], sum = a + b;
	b ^= a;
	c->rng[0] = ((a << 24) | (a >> 40)) ^ b ^ (b << 16);
	c->rng[1] = (b << 37) | (b >> 27);
	return sum;
}
/* 0 <= x < 1 */
MK_INLINE double mk_random_unit(mk_ctx *c)
{
	return (double)(mk_random(c) >> 11) * 0x1.0p-53;
}

/* Neither a world nor an observer: every operation is the bare one. Neither changes during a call. */
MK_INLINE int mk_is_bare(const mk_ctx *c)
{
	return mk_likely(c->world == NULL && c->observer == NULL);
}
/*
 * A stand-in for a context that is bare, for the operations only. A compiler must believe that an atomic operation changes any memory, and
 * so asks the context for its world again at every step; of this one it knows. The same steps are compiled for both: see kick.pxd.
 */
static const mk_ctx mk_nobody __attribute__((unused));

/* Where an operation stands in the source (Cython's #line directives make it the .pyx's): a world keeps it for people. */
MK_INLINE void mk_here(mk_ctx *c, const char *file, unsigned line)
{
	c->file = file;
	c->line = line;
}
MK_INLINE int mk_load32_at(mk_ctx *c, const mk_atomic32 *p, int order, const char *name, uint32_t *value, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		uint64_t wide = 0;
		int r = c->world->load(c, p, 4, order, name, &wide);
		*value = (uint32_t)wide;
		return r;
	}
	*value = mk_bare_load32(p, order);
	return 0;
}
MK_INLINE int mk_load64_at(mk_ctx *c, const mk_atomic64 *p, int order, const char *name, uint64_t *value, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->load(c, p, 8, order, name, value);
	}
	*value = mk_bare_load64(p, order);
	return 0;
}
MK_INLINE int mk_store32_at(mk_ctx *c, mk_atomic32 *p, int order, const char *name, uint32_t value, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->store(c, p, 4, order, name, value);
	}
	mk_bare_store32(p, order, value);
	return 0;
}
MK_INLINE int mk_store64_at(mk_ctx *c, mk_atomic64 *p, int order, const char *name, uint64_t value, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->store(c, p, 8, order, name, value);
	}
	mk_bare_store64(p, order, value);
	return 0;
}
MK_INLINE int mk_rmw32_at(mk_ctx *c, mk_atomic32 *p, int op, int order, const char *name, uint32_t operand, uint32_t expected, uint32_t *old, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		uint64_t wide = 0;
		int r = c->world->rmw(c, p, 4, op, order, name, operand, expected, &wide);
		*old = (uint32_t)wide;
		return r;
	}
	*old = mk_bare_rmw32(p, op, order, operand, expected);
	return 0;
}
MK_INLINE int mk_rmw64_at(mk_ctx *c, mk_atomic64 *p, int op, int order, const char *name, uint64_t operand, uint64_t expected, uint64_t *old, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->rmw(c, p, 8, op, order, name, operand, expected, old);
	}
	*old = mk_bare_rmw64(p, op, order, operand, expected);
	return 0;
}
/* set_bit and clear_bit order nothing (relaxed). They return the old bit for the accounts only (set_bit 0 where nobody keeps any): no code may
 * depend on it. */
MK_INLINE int mk_set_bit_at(mk_ctx *c, mk_atomic64 *p, unsigned nr, const char *name, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		uint64_t old = 0, mask = UINT64_C(1) << nr;
		if (c->world->rmw(c, p, 8, MK_OR | MK_NO_VALUE, MK_RELAXED, name, mask, 0, &old) < 0)
			return -1;
		return (old & mask) != 0;
	}
	if (mk_unlikely(c->observer != NULL)) /* the old bit is for the accounts, and costs a bit instruction, which is slower than an or */
		return mk_bare_set_bit(p, nr);
	atomic_fetch_or_explicit(&p->v, UINT64_C(1) << (nr & 63), memory_order_relaxed);
	return 0;
}
MK_INLINE int mk_clear_bit_at(mk_ctx *c, mk_atomic64 *p, unsigned nr, const char *name, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		uint64_t old = 0, mask = UINT64_C(1) << nr;
		if (c->world->rmw(c, p, 8, MK_AND | MK_NO_VALUE, MK_RELAXED, name, ~mask, 0, &old) < 0)
			return -1;
		return (old & mask) != 0;
	}
	return mk_bare_clear_bit(p, nr);
}
MK_INLINE int mk_fence_at(mk_ctx *c, int kind, const char *name, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->fence(c, kind, name);
	}
	mk_bare_fence(kind);
	return 0;
}
/* A named point. Returns what the injectors say (enum mk_verdict). */
MK_INLINE int mk_point(mk_ctx *c, int point, mk_vcpu *subject)
{
	if (mk_unlikely(c->world != NULL))
		return c->world->point(c, point, subject);
	return MK_GO;
}
MK_INLINE int mk_note(mk_ctx *c, int event, mk_vcpu *v, uint64_t a, uint64_t b)
{
	if (mk_unlikely(c->observer != NULL))
		return c->observer->event(c, event, v, a, b);
	return 0;
}
/*
 * A spin lock in a 64-bit word: 0 free, else held. Acquire and release only; no full barrier. The bare one holds the id of who took it + 1,
 * so that a deadlock can be told with names: *c* is the context itself, not mk_nobody.
 */
MK_INLINE int mk_lock_at(mk_ctx *c, mk_atomic64 *lock, const char *name, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->lock(c, lock, name);
	}
	if (mk_likely(mk_bare_rmw64(lock, MK_CMPXCHG, MK_ACQUIRE, (uint64_t)c->id + 1, 0) == 0))
		return 0;
	return c->vm->machine->lock_slow(c, lock);
}
MK_INLINE int mk_unlock_at(mk_ctx *c, mk_atomic64 *lock, const char *name, const char *file, unsigned line)
{
	if (mk_unlikely(c->world != NULL)) {
		mk_here(c, file, line);
		return c->world->unlock(c, lock, name);
	}
	mk_bare_store64(lock, MK_RELEASE, 0);
	return 0;
}

/* The operations. As macros, so that they know the place of their use. */
#define mk_load32(c, p, order, name, value) mk_load32_at(c, p, order, name, value, __FILE__, __LINE__)
#define mk_load64(c, p, order, name, value) mk_load64_at(c, p, order, name, value, __FILE__, __LINE__)
#define mk_store32(c, p, order, name, value) mk_store32_at(c, p, order, name, value, __FILE__, __LINE__)
#define mk_store64(c, p, order, name, value) mk_store64_at(c, p, order, name, value, __FILE__, __LINE__)
#define mk_rmw32(c, p, op, order, name, operand, expected, old) mk_rmw32_at(c, p, op, order, name, operand, expected, old, __FILE__, __LINE__)
#define mk_rmw64(c, p, op, order, name, operand, expected, old) mk_rmw64_at(c, p, op, order, name, operand, expected, old, __FILE__, __LINE__)
#define mk_set_bit(c, p, nr, name) mk_set_bit_at(c, p, nr, name, __FILE__, __LINE__)
#define mk_clear_bit(c, p, nr, name) mk_clear_bit_at(c, p, nr, name, __FILE__, __LINE__)
#define mk_fence(c, kind, name) mk_fence_at(c, kind, name, __FILE__, __LINE__)
#define mk_lock(c, lock, name) mk_lock_at(c, lock, name, __FILE__, __LINE__)
#define mk_unlock(c, lock, name) mk_unlock_at(c, lock, name, __FILE__, __LINE__)

/* The last points of a context, for the watchdog's dump; its own thread writes, others read. */
MK_INLINE void mk_remember(mk_ctx *c, int point)
{
	uint32_t n = __atomic_load_n(&c->last_n, __ATOMIC_RELAXED);
	__atomic_store_n(&c->last[n % MK_LAST_POINTS], (uint16_t)point, __ATOMIC_RELAXED);
	__atomic_store_n(&c->last_n, n + 1, __ATOMIC_RELAXED);
}
MK_INLINE uint32_t mk_points_passed(const mk_ctx *c) { return __atomic_load_n(&c->last_n, __ATOMIC_RELAXED); }
MK_INLINE int mk_passed_point(const mk_ctx *c, uint32_t n) { return __atomic_load_n(&c->last[n % MK_LAST_POINTS], __ATOMIC_RELAXED); }
#endif
