/*
 * kernel/watch.h: how C code reaches the world. Two builds of one source:
 *
 * bare     (MK_C_WATCHED is 0)  the operations are C11 atomics, inline: for benchmarks, where nobody watches.
 * watched  (MK_C_WATCHED is 1)  each is a call that performs it in the context's world and tells the observer what it meant: a set_bit() on
 *                               vcpu->requests is a request that was made, a cmpxchg() on vcpu->mode is a look at the mode. For runs;
 *                               and, with plain accesses instrumented too (MK_C_CHECKED), for the explorer.
 *
 * All that follows in kernel/ is written once, on the eight mk_k_ operations below.
 */
#ifndef MINIKVM_KERNEL_WATCH_H
#define MINIKVM_KERNEL_WATCH_H
#include "../minikvm.h"

#ifndef MK_C_WATCHED
#define MK_C_WATCHED 0
#endif
#define MK_C_HIDDEN __attribute__((visibility("hidden")))

/*
 * What is known of the thread that runs C code. It is in minikvm.csource.load, once for all libraries: a library that is loaded late gets
 * no variables of a thread at a fixed offset, and any other kind costs a call at each use.
 */
struct mk_c_thread {
	mk_ctx *current;          /* the kernel's `current` and `this_cpu`; set by the entries */
	struct mk_c_frame *frame; /* of the watched code that runs; NULL while it does not */
	uint64_t calls;
	int failed; /* bare code cannot be left in the middle: a machine's call has failed, and nothing more is asked of the machine */
	int masks;  /* bare code's, in use, a bit each */
	int ready;  /* there is a stack for the handler of faults */
};
extern __thread struct mk_c_thread mk_c_thread __attribute__((visibility("default"), tls_model("initial-exec")));
#define mk_c_current (mk_c_thread.current)
#define mk_c_failed (mk_c_thread.failed)
#define mk_c_masks (mk_c_thread.masks)

MK_C_HIDDEN void mk_c_warn(int *warned, const char *condition, const char *file, int line);
MK_C_HIDDEN __attribute__((noreturn)) void mk_c_bug(const char *what, const char *file, int line);

/* Where an operation stands, and what it is called there. */
struct mk_c_place { const char *what; const char *file; unsigned line; };

MK_C_HIDDEN uint64_t mk_c_load(const volatile void *p, int size, int order, const struct mk_c_place *at);
MK_C_HIDDEN void mk_c_store(volatile void *p, int size, int order, uint64_t value, const struct mk_c_place *at);
MK_C_HIDDEN uint64_t mk_c_rmw(volatile void *p, int size, int op, int order, uint64_t operand, uint64_t expected, const struct mk_c_place *at);
MK_C_HIDDEN void mk_c_fence(int kind, const struct mk_c_place *at);
/* Wait until the word is another than *seen*; the new value. */
MK_C_HIDDEN uint64_t mk_c_await(const volatile void *p, int size, int order, uint64_t seen, const struct mk_c_place *at);
MK_C_HIDDEN void mk_c_lock(mk_atomic64 *lock, const struct mk_c_place *at);
MK_C_HIDDEN void mk_c_unlock(mk_atomic64 *lock, const struct mk_c_place *at);
/* Plain accesses in between are meant to race: data_race(). */
MK_C_HIDDEN void mk_c_quiet(int more);

/* What lies beneath the pCPU. */
MK_C_HIDDEN void mk_c_put_cpu(void);
MK_C_HIDDEN void mk_c_irq(int on);
MK_C_HIDDEN void mk_c_call_many(const uint64_t *mask, int wait, const struct mk_c_place *at);
MK_C_HIDDEN void mk_c_reschedule(int32_t cpu, const struct mk_c_place *at);
MK_C_HIDDEN int mk_c_wake(mk_vcpu *v, const struct mk_c_place *at);
MK_C_HIDDEN void mk_c_masked(int32_t cpu);
MK_C_HIDDEN uint64_t *mk_c_alloc_mask(const char *file, int line);
MK_C_HIDDEN void mk_c_free_mask(uint64_t *mask);
/* The vCPU's side. */
MK_C_HIDDEN void mk_c_handle(void);
MK_C_HIDDEN int mk_c_work_pending(const struct mk_c_place *at);
MK_C_HIDDEN int mk_c_run_guest(mk_vcpu *v, const struct mk_c_place *at);

#define MK_C_HERE(what) (&(const struct mk_c_place){ what, __FILE__, __LINE__ })

#if MK_C_WATCHED
#define mk_k_load(p, size, order, what) mk_c_load(p, size, order, MK_C_HERE(what))
#define mk_k_store(p, size, order, value, what) mk_c_store(p, size, order, value, MK_C_HERE(what))
#define mk_k_rmw(p, size, op, order, operand, expected, what) mk_c_rmw(p, size, op, order, operand, expected, MK_C_HERE(what))
#define mk_k_fence(kind, what) mk_c_fence(kind, MK_C_HERE(what))
#define mk_k_await(p, size, order, seen, what) mk_c_await(p, size, order, seen, MK_C_HERE(what))
#define mk_k_lock(lock, what) mk_c_lock(lock, MK_C_HERE(what))
#define mk_k_unlock(lock, what) mk_c_unlock(lock, MK_C_HERE(what))
#define mk_k_wake(v, what) mk_c_wake(v, MK_C_HERE(what))
#define mk_k_call_many(mask, wait, what) mk_c_call_many(mask, wait, MK_C_HERE(what))
#define mk_k_nr_vcpus(vm) ((vm)->nr_vcpus)
#define mk_k_vcpus(vm) ((vm)->vcpus)
#define mk_k_masked(cpu) mk_c_masked(cpu)
#define mk_k_quiet(more) mk_c_quiet(more)
#else
#include "bare.h"
#endif
#endif
