/*
 * plug.h: what IPI back ends and race injectors look like from below. Strategies and run loops: types.h.
 */
#ifndef MINIKVM_PLUG_H
#define MINIKVM_PLUG_H
#include "world.h"

/* A slot's doorbell. A receiver in the guest leaves it when *pending is no longer `idle`; the back end only has to make it look. */
typedef struct mk_doorbell {
	mk_atomic32 *pending; /* the slot's pending word: set before ring() is called */
	mk_atomic32 *bell;    /* a cache line of the back end's own, for those that are polled */
	mk_atomic32 tid;      /* the thread that holds the slot, 0 when none; published by the machine */
	int32_t pcpu;
	int32_t fd;           /* for the back end to use; -1 at first */
	void *priv;           /* for the back end to use */
} mk_doorbell;

#define MK_CAP_ACKNOWLEDGES 1u
#define MK_CAP_INTERRUPTS_SLEEP 2u
#define MK_CAP_INTERRUPTS_SPIN 4u

typedef struct mk_backend mk_backend;
struct mk_backend {
	uint32_t abi;
	uint32_t size;
	void *self;
	/* At start and end, with the GIL, once a slot. 0, or -1 with an exception. */
	int (*open)(mk_backend *b, mk_doorbell *d);
	int (*close)(mk_backend *b, mk_doorbell *d);
	/* Once for each thread that will hold slots, on that thread, before it takes the first one. */
	int (*thread_start)(mk_backend *b, mk_ctx *c);
	/* Make the receiver look at its pending word. Called by senders, only for a receiver that said it is in the guest. */
	int (*ring)(mk_backend *b, mk_ctx *c, mk_doorbell *d);
	/* Sleep until *pending != idle, a ring, or timeout_ns. Must not miss a ring between the test and the sleep. May return early. */
	int (*sleep)(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns);
	/* The same for a guest that spins: no system call that sleeps. */
	int (*spin)(mk_backend *b, mk_ctx *c, mk_doorbell *d, uint32_t idle, uint64_t timeout_ns);
};

typedef struct mk_injector mk_injector;
struct mk_injector {
	uint32_t abi;
	uint32_t size;
	void *self;
	uint64_t points;      /* a bit for each point at which it wants to be asked */
	double probability;   /* of acting, where it is asked; the checker ignores it */
	mk_atomic64 injected; /* how often it acted */
	const char *name;
	/* Asked at a point: act through the machine, and return an mk_verdict. */
	int (*at)(mk_ctx *c, mk_injector *i, int point, mk_vcpu *subject);
};

/* A guest engine: what "in the guest" is. The threads engine asks machine.idle_guest(); one on /dev/kvm would ioctl(KVM_RUN). */
typedef struct mk_engine mk_engine;
struct mk_engine {
	uint32_t abi;
	uint32_t size;
	void *self;
	/* Be the guest until an interrupt for the pCPU, or timeout_ns. May return early: the machine looks at the slot and calls again. */
	int (*run)(mk_ctx *c, mk_engine *e, mk_vcpu *v, uint64_t timeout_ns);
};

/* Does it act here? Counts when it does. */
MK_INLINE int mk_fires(mk_ctx *c, mk_injector *i)
{
	int r = c->world->choose(c, 2, i->probability, i->name);
	if (r > 0)
		atomic_fetch_add_explicit(&i->injected.v, 1, memory_order_relaxed);
	return r;
}
#endif
