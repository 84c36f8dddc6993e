/*
 * cplug.h: between minikvm.csource (load.pyx), which loads a compiled C file, and the runtime that is linked to it.
 */
#ifndef MINIKVM_CPLUG_H
#define MINIKVM_CPLUG_H
#include <setjmp.h>
#include <signal.h>
#include "minikvm.h"
#include "kernel/watch.h"

#define MK_C_END 2 /* the VM's end came first */
#define MK_C_MAX_DEPTH 4 /* calls in one context, one inside the other: an interrupt's inside a task's */
#define MK_C_MAX_CONTEXTS 16384
#define MK_C_STACK (256 * 1024)
#define MK_C_MAX_STACKS 1024
#define MK_C_MAX_WORDS 1024
#define MK_C_MASKS 8 /* cpumasks that are held at the same time: the context's own, and more */
#define MK_C_MORE_MASKS (MK_C_MASKS - 1)
#define MK_C_TEXT(number) MK_C_TEXT_OF(number)
#define MK_C_TEXT_OF(number) #number

typedef struct mk_c_frame mk_c_frame; typedef struct mk_c_plugin mk_c_plugin; typedef struct mk_c_api mk_c_api;
typedef struct mk_c_library mk_c_library;

enum mk_c_why { MK_C_LEFT_NOT, MK_C_LEFT_EXCEPTION, MK_C_LEFT_END, MK_C_LEFT_FAULT, MK_C_LEFT_BUG, MK_C_LEFT_LOOP };

struct mk_c_access {
	volatile void *p;
	int size, op, order;  /* op: -1 load, -2 store, else enum mk_rmw_op with its flags */
	uint64_t operand, expected, value;
	const char *what, *file;
	unsigned line;
	int shared; /* a check: the explorer has to know of it */
};
struct mk_c_job { /* one call of the user's function */
	int is_loop;
	uint32_t req;
	const uint64_t *targets;
	mk_vcpu *v;
	int result;
};
/* What a kick has last looked at: a vCPU's cpu, its mode. Told when it looks at the next one. */
struct mk_c_look {
	mk_vcpu *v;
	int32_t cpu;
	int have_cpu, have_mode, needs, woken, masked;
};
struct mk_c_own { uint64_t *more_masks[MK_C_MORE_MASKS]; unsigned long targets[MK_MAX_VCPUS / 64]; };
struct mk_c_plugin;
struct mk_c_frame {
	mk_ctx *c;
	struct mk_c_frame *prev; /* on the same context */
	struct mk_c_plugin *self;
	jmp_buf out;             /* where it is left to; a check: where its operations are carried out */
	int why;                 /* enum mk_c_why */
	uint32_t req;
	int depth, quiet;
	struct mk_c_look look;
	struct mk_c_access plain; /* live: a plain look at a vCPU, not told yet; p is NULL where there is none */
	/* the vCPU's side */
	int is_loop, entry, in_walk, ran;
	uint64_t seen;
	uint64_t owed;               /* request bits that were cleared, and are to be handled before the next operation but fences */
	/* of a fault, and of what is said of it */
	int signo;
	const void *pc, *address;
	const void *blocks_at[8];    /* the last basic blocks, of `blocks` */
	struct { const char *file; unsigned line; } places[8]; /* of the last operations, of `nplaces` */
	uint64_t nplaces;
	const char *stack_low;       /* the lowest byte that may be used, NULL: not known */
	const char *text, *file;
	unsigned line;
	uint64_t blocks, operations; /* how much it did, for those that never end */
	uint64_t blocks_allowed;
	uint64_t call;               /* its number on this thread: a frame's memory is used again */
	int masks;                   /* in use, a bit each */
	void *thread;                /* a check: its stack */
	struct mk_c_own *own;        /* a check: what elsewhere is the thread's own; all threads of a scene are one for the C library */
};
/* What the loader gives the library. */
struct mk_c_api {
	uint32_t abi, size;
	void (*prepare)(void);                                     /* this thread, for faults in the user's code */
	int (*failed)(struct mk_c_frame *f);                       /* raise what `why` says; -1 */
	/* Where the code is that returns to pc, and which variable of the library an address is in (NULL: none). */
	int (*place)(struct mk_c_plugin *self, const void *pc, const void *address, const char **file, unsigned *line, const char **symbol);
	int (*warned)(const char *condition, const char *file, int line);
	/* An address on another thread's stack was accessed: it is a variable of the explorer from now on. -1: begin anew. */
	int (*expose)(struct mk_c_plugin *self, uint64_t word);
};
/* One use of the library, by a strategy or a loop. */
struct mk_c_plugin {
	mk_strategy strategy;
	mk_loop loop;
	const struct mk_c_api *api;
	void *owner;
	/* What explorations have found out: words on stacks that several threads use, and words that are accessed in pieces (words.c). */
	uint64_t *exposed;
	uint32_t nexposed;
	uint32_t nthreads;  /* of `threads`, those that are there: in_use */
	uint32_t in_use[MK_C_MAX_STACKS];
	uint32_t nwords;    /* of the explorer's words that are no vCPU's: by which size they have been accessed */
	struct { uint64_t word; int size; } words[MK_C_MAX_WORDS];
	const char *data, *data_end; /* the library's own variables */
	uint32_t max_operations;
	uint64_t max_blocks;
	void *threads[MK_C_MAX_CONTEXTS * MK_C_MAX_DEPTH]; /* a check's, made when first needed */
};
/* What the library gives the loader, under the name mk_c_entry. */
struct mk_c_library {
	uint32_t abi, size;
	int (*begin)(struct mk_c_plugin *self);
	void (*end)(struct mk_c_plugin *self);
};
#endif
