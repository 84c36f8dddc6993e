/*
 * types.h: the structs that core, plugins and worlds share. Changing one changes MK_ABI.
 *
 * Names are Linux KVM's (include/linux/kvm_host.h, virt/kvm/kvm_main.c, v6.18) where KVM has the thing.
 */
#ifndef MINIKVM_TYPES_H
#define MINIKVM_TYPES_H
#include "atomics.h"

#define MK_ABI 3
#define MK_MAX_VCPUS 4096
#define MK_MAX_PCPUS 4096
#define MK_MAX_REQUESTS 64
#define MK_NO_VCPU UINT32_MAX /* the id of a hole in the table */
#define MK_CACHELINE 64

/* A request: the bit number, and the flags above it (R1). */
#define MK_REQ_MASK 0xffu
#define MK_REQ_NO_WAKEUP (1u << 8)
#define MK_REQ_WAIT (1u << 9)
#define MK_REQ_NO_ACTION (1u << 10)

enum mk_mode { MK_OUTSIDE_GUEST_MODE, MK_IN_GUEST_MODE, MK_EXITING_GUEST_MODE, MK_READING_SHADOW_PAGE_TABLES };

struct mk_vm; struct mk_ctx; struct mk_vcpu; struct mk_strategy; struct mk_loop;
typedef struct mk_vm mk_vm; typedef struct mk_ctx mk_ctx; typedef struct mk_vcpu mk_vcpu;
typedef struct mk_strategy mk_strategy; typedef struct mk_loop mk_loop;
typedef struct mk_world mk_world; typedef struct mk_machine mk_machine; typedef struct mk_observer mk_observer;

/* What kickers touch of one vCPU: one cache line, shared with no other vCPU. */
struct mk_vcpu {
	mk_atomic64 requests; /* bits 0-7 common, 8.. the architecture's; set by anyone, cleared by the vCPU (R23) */
	mk_atomic32 mode;     /* enum mk_mode; others may only move IN_GUEST to EXITING (R8) */
	mk_atomic32 cpu;      /* the pCPU it is loaded on, as int32_t; -1 when none */
	mk_atomic32 wait;     /* rcuwait: 1 while blocked, and a futex word */
	uint32_t id;          /* what user space named it; MK_NO_VCPU: a hole */
	uint32_t idx;         /* its place in the table, and its bit in vCPU bitmaps */
	uint32_t reserved;
	mk_atomic64 strategy; /* one word for the strategy's own half (a lock, a preempted flag); 0 at first */
	mk_vm *vm;
	void *priv;           /* the world's own record of this vCPU; kickers do not look inside */
} __attribute__((aligned(MK_CACHELINE)));
_Static_assert(sizeof(struct mk_vcpu) == MK_CACHELINE, "a vCPU is one cache line");

/* Who executes: the kernel's `current` and `this_cpu` in one. One per OS thread (live) or greenlet (check, sim). */
enum mk_ctx_kind { MK_CTX_VCPU, MK_CTX_TASK, MK_CTX_IRQ, MK_CTX_BENCH };
#define MK_LAST_POINTS 16
struct mk_ctx {
	mk_world *world;              /* NULL: bare */
	const mk_observer *observer;  /* NULL: nobody counts */
	mk_vm *vm;
	mk_vcpu *vcpu;                /* the vCPU whose thread this is, or NULL */
	int32_t pcpu;                 /* smp_processor_id(); -1 when it holds no slot */
	uint32_t kind;                /* enum mk_ctx_kind */
	uint32_t preempt_count;       /* > 0: may not be descheduled */
	uint32_t irqs_off;            /* > 0: IPIs stay pending */
	uint32_t need_resched;        /* the host's scheduler wants the slot */
	uint32_t id;                  /* unique in the VM */
	uint64_t visited;             /* vCPUs looked at by dispatches, for the report */
	uint64_t rng[2];              /* xoroshiro128+ state, from the seed and id */
	uint64_t *scratch;            /* mask_words + vcpu_words words: a strategy's own masks, never on a stack */
	void *call;                   /* the observer's record of the call in progress */
	void *priv;                   /* the world's own */
	const char *file;             /* where the operation in progress stands in the source */
	uint32_t line;
	int32_t point_pcpu;           /* the pCPU that a point is about (IPI_SEND), else -1 */
	uint32_t last_n;              /* points passed, and the last of them: for the watchdog's dump */
	uint16_t last[MK_LAST_POINTS];
	void *frame;                  /* the innermost call into C code in progress; NULL where a run of the context begins */
};

struct mk_vm {
	uint32_t abi;
	uint32_t nr_vcpus;    /* places in the table; some may be holes */
	uint32_t nr_pcpus;
	uint32_t vcpu_words;  /* 64-bit words of a bitmap over vCPUs */
	uint32_t mask_words;  /* 64-bit words of a cpumask */
	uint32_t mask_stride; /* 64-bit words from one pCPU's kick mask to the next: whole cache lines */
	mk_atomic32 stopping; /* 1: every wait ends */
	mk_vcpu *vcpus;
	mk_world *world;
	const mk_machine *machine;
	const mk_strategy *strategy;
	const mk_loop *loop;
	uint64_t *kick_masks; /* nr_pcpus cpumasks: cpu_kick_mask, one per pCPU, preallocated; NULL: -ENOMEM at start */
	uint64_t *online;     /* the cpumask of pCPUs that are online */
	uint64_t wake_mask;   /* request bits that end a sleep */
	uint64_t gate_mask;   /* request bits that only their requester clears (R23) */
	uint64_t sticky_mask; /* request bits that stay for ever (VM_DEAD) */
	const uint32_t *cluster_of; /* x2APIC cluster of each pCPU */
	const uint32_t *node_of;    /* NUMA node of each pCPU */
	const uint32_t *apic_of;    /* APIC id of each pCPU */
	void *priv;
	uint64_t serial;      /* unique in the process: an address may be that of an earlier VM */
};

/* A strategy. All return -1 with a Python exception set when one struck. Unused members are NULL. */
struct mk_strategy {
	uint32_t abi;
	uint32_t size; /* sizeof(mk_strategy) where it was compiled */
	void *self;
	/* targets: a bitmap of vcpu_words words, NULL for all. 1: an IPI was sent, 0: none was needed. */
	int (*dispatch)(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets);
	int (*on_load)(mk_ctx *c, const mk_strategy *s, mk_vcpu *v);       /* after vcpu.cpu was stored */
	int (*on_put)(mk_ctx *c, const mk_strategy *s, mk_vcpu *v);        /* before the slot is given up */
	int (*enter_barrier)(mk_ctx *c, const mk_strategy *s, mk_vcpu *v); /* instead of smp_mb() after mode = IN_GUEST_MODE */
	int (*on_wake)(mk_ctx *c, const mk_strategy *s, mk_vcpu *v);       /* the vCPU woke from a block */
};

/* A run loop: one pass from request handling to guest exit. 1: was in the guest, 0: aborted, -1: exception. */
#define MK_LOOP_PUT_CLEARS_CPU 1u /* arm64 stores -1 in vcpu.cpu at put; x86 leaves it stale until the next load */
struct mk_loop {
	uint32_t abi;
	uint32_t size;
	void *self;
	uint32_t flags;
	int (*enter)(mk_ctx *c, const mk_loop *l, mk_vcpu *v);
	/* Unused members are NULL: then the steps are those of core/entry.pyx, which all architectures share. */
	int (*walk)(mk_ctx *c, const mk_loop *l, mk_vcpu *v);  /* a shadow walk */
	int (*block)(mk_ctx *c, const mk_loop *l, mk_vcpu *v); /* 1: it slept, 0: there was a reason not to */
};
#endif
