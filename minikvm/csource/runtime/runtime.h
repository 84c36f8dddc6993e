/*
 * runtime.h: what is linked to a user's C file. Three objects of it go into two libraries: bare and watched into one, for runs and
 * benchmarks; checked (MK_C_CHECKED) into another, for the explorer.
 *
 * A call into C code has a frame. Live it is on the thread's stack, and whatever ends the call early (an exception beneath it, the VM's
 * end, a fault in the user's code) jumps to its beginning. In a check the user's code runs on a stack of its own, for each thread of the
 * scene: greenlets copy slices of the C stack to and fro, and the kernel's code hands the addresses of its local variables to other
 * threads. There each operation is carried out on the ordinary stack, so an execution that is given up needs no unwinding of the user's
 * frames: they are forgotten.
 */
#ifndef MINIKVM_RUNTIME_H
#define MINIKVM_RUNTIME_H
#define MK_C_RUNTIME
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>
#include "minikvm/kernel/watch.h"
#include "minikvm/kernel/bare.h"
#include "minikvm/cplug.h"

/* ---- frames (frames.c, stacks.c) ---- */

/* One word of the vCPU table that the protocol knows, or FIELD_NONE. */
enum field { FIELD_NONE, FIELD_REQUESTS, FIELD_MODE, FIELD_CPU, FIELD_WAIT, FIELD_STRATEGY, FIELD_PRIVATE };
enum field field_of(const mk_ctx *c, const volatile void *p, mk_vcpu **vcpu);

/* Carry it out outside of the user's code: fn returns 0, -1 (an exception is set), or MK_C_END. Comes back only where it returned 0. */
void outside(int (*fn)(mk_ctx *c, void *arg), void *arg);
int fence(mk_ctx *c, void *arg);
int handle_owed(mk_ctx *c, void *arg); /* what was consumed; comes before each operation but a fence */
void outside_quietly(int (*fn)(mk_ctx *c, void *arg), void *arg); /* the same for what is no operation: nothing is collected or counted */
__attribute__((noreturn)) void leave(struct mk_c_frame *f, int why);
struct mk_c_frame *frame_here(void);            /* of the user's code that runs here, watched; NULL in bare code */
int call_user(mk_ctx *c, struct mk_c_plugin *self, uint32_t req, int (*fn)(struct mk_c_job *), struct mk_c_job *job);

/* The arguments of an operation that is no access. */
struct simple {
	int number;
	const struct mk_c_place *at;
	mk_atomic64 *lock;
	const uint64_t *mask;
	int wait;
	mk_vcpu *v;
	int answer;
};

/* ---- what an access means (notes.c) ---- */

/*
 * frame.entry: LEFT: the guest was left, the mode not yet stored; LEFT_AGAIN: by a fast-path exit; AGAIN: its last check is being repeated.
 */
enum { ENTRY_NONE, ENTRY_PREPARED, ENTRY_GUEST, ENTRY_LEFT, ENTRY_LEFT_AGAIN, ENTRY_AGAIN };

int note_before(mk_ctx *c, struct mk_c_frame *f, const struct mk_c_access *a, enum field field, mk_vcpu *v);
int note_after(mk_ctx *c, struct mk_c_frame *f, const struct mk_c_access *a, enum field field, mk_vcpu *v, uint64_t old);
int note_own_mode(mk_ctx *c, struct mk_c_frame *f); /* what plain stores of the vCPU's own mode meant */
int note_last_check(mk_ctx *c, struct mk_c_frame *f);
int note_plain(mk_ctx *c, struct mk_c_frame *f); /* live: the plain look that has happened since */
void tell_plain(void);
int note_masked(mk_ctx *c, struct mk_c_frame *f, int32_t cpu);
int note_looked(mk_ctx *c, struct mk_c_frame *f); /* the last look at a vCPU is over */

/* ---- plain accesses of checked code (plain.c) ---- */

void plain_range(const volatile void *p, unsigned long bytes, int writes, const void *pc);
void plain_begin(struct mk_c_frame *f);
void collect_write(void);                         /* the plain write that was announced last has happened */
bool on_own_stack(const struct mk_c_frame *f, const volatile void *p);
bool is_shared(mk_ctx *c, const volatile void *p); /* does the explorer have to know of accesses to it? */
int make_shared(mk_ctx *c, const volatile void *p); /* of a word on a stack: 0 where it is known as shared already, else -1: begin anew */
int pieces_of(mk_ctx *c, const volatile void *p);   /* words.c */
int take_size(mk_ctx *c, const volatile void *p, int size, bool plain);
#endif
