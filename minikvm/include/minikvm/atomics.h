/*
 * atomics.h: C11 atomics under the kernel's names for orders and barriers.
 *
 * The shared words are structs with one member, so that neither C nor Cython can touch them with a plain operator by accident
 * (`x |= 1` on an _Atomic that Cython believes to be an integer compiles to a load and a store).
 * Mapping of kernel operations to C11: docs/protocol.md, "The operations under the four models".
 */
#ifndef MINIKVM_ATOMICS_H
#define MINIKVM_ATOMICS_H
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "minikvm supports x86-64 and aarch64"
#endif

typedef struct { _Atomic uint32_t v; } mk_atomic32;
typedef struct { _Atomic uint64_t v; } mk_atomic64;

/* The order of one access. FULL is the kernel's "fully ordered" RMW (xchg, a cmpxchg that succeeds). */
enum mk_order { MK_PLAIN, MK_RELAXED, MK_ACQUIRE, MK_RELEASE, MK_ACQ_REL, MK_SEQ_CST, MK_FULL };
/* MK_NO_VALUE, beside the operation: nobody sees the old value (set_bit, atomic_or), which orders less in the kernel's model. */
enum mk_rmw_op { MK_OR, MK_AND, MK_ADD, MK_XCHG, MK_CMPXCHG, MK_XOR, MK_RMW_OPS = 15, MK_NO_VALUE = 64 };
/* MB_BEFORE/AFTER_ATOMIC: smp_mb__before_atomic() and its twin. BARRIER: the compiler's only. */
enum mk_fence_kind { MK_SMP_MB, MK_SMP_WMB, MK_SMP_RMB, MK_MB_BEFORE_ATOMIC, MK_MB_AFTER_ATOMIC, MK_BARRIER };

#define MK_INLINE static inline __attribute__((always_inline, unused))
#define mk_likely(x) __builtin_expect(!!(x), 1)
#define mk_unlikely(x) __builtin_expect(!!(x), 0)

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer does not know fences: under it every fence is an RMW on one word, which orders at least as much. */
extern mk_atomic32 mk_tsan_fence_word __attribute__((weak));
mk_atomic32 mk_tsan_fence_word __attribute__((weak));
#define mk_c11_fence(order) ((void)atomic_fetch_add_explicit(&mk_tsan_fence_word.v, 0, memory_order_seq_cst))
#else
#define mk_c11_fence(order) atomic_thread_fence(order)
#endif

MK_INLINE void mk_bare_fence(int kind)
{
	switch (kind) {
	case MK_SMP_MB:
		mk_c11_fence(memory_order_seq_cst);
		break;
	case MK_SMP_WMB:
		mk_c11_fence(memory_order_release);
		break;
	case MK_SMP_RMB:
		mk_c11_fence(memory_order_acquire);
		break;
	case MK_MB_BEFORE_ATOMIC:
	case MK_MB_AFTER_ATOMIC:
#if defined(__x86_64__)
		atomic_signal_fence(memory_order_seq_cst); /* the locked instruction beside it is the barrier */
#else
		mk_c11_fence(memory_order_seq_cst);
#endif
		break;
	default:
		atomic_signal_fence(memory_order_seq_cst);
	}
}

/* A fully ordered RMW is more than C11's seq_cst one on aarch64: later plain accesses may pass the latter's load. */
#if defined(__x86_64__)
#define mk_full_fence() atomic_signal_fence(memory_order_seq_cst)
#else
#define mk_full_fence() mk_c11_fence(memory_order_seq_cst)
#endif

#define MK_DEFINE_BARE(N) \
MK_INLINE uint##N##_t mk_bare_load##N(const mk_atomic##N *p, int order) \
{ \
	switch (order) { \
	case MK_PLAIN: return *(const uint##N##_t *)&p->v; \
	case MK_ACQUIRE: return atomic_load_explicit((_Atomic uint##N##_t *)&p->v, memory_order_acquire); \
	case MK_SEQ_CST: return atomic_load_explicit((_Atomic uint##N##_t *)&p->v, memory_order_seq_cst); \
	default: return atomic_load_explicit((_Atomic uint##N##_t *)&p->v, memory_order_relaxed); \
	} \
} \
MK_INLINE void mk_bare_store##N(mk_atomic##N *p, int order, uint##N##_t value) \
{ \
	switch (order) { \
	case MK_PLAIN: *(uint##N##_t *)&p->v = value; break; \
	case MK_RELEASE: atomic_store_explicit(&p->v, value, memory_order_release); break; \
	case MK_SEQ_CST: atomic_store_explicit(&p->v, value, memory_order_seq_cst); break; \
	default: atomic_store_explicit(&p->v, value, memory_order_relaxed); \
	} \
} \
/* One order for all the ops, chosen by the compiler where it is a constant. Returns the old value. */ \
MK_INLINE uint##N##_t mk_bare_op##N(mk_atomic##N *p, int op, memory_order o, uint##N##_t operand, uint##N##_t expected) \
{ \
	switch (op & MK_RMW_OPS) { \
	case MK_OR: return atomic_fetch_or_explicit(&p->v, operand, o); \
	case MK_AND: return atomic_fetch_and_explicit(&p->v, operand, o); \
	case MK_ADD: return atomic_fetch_add_explicit(&p->v, operand, o); \
	case MK_XOR: return atomic_fetch_xor_explicit(&p->v, operand, o); \
	case MK_XCHG: return atomic_exchange_explicit(&p->v, operand, o); \
	default: \
		atomic_compare_exchange_strong_explicit(&p->v, &expected, operand, o, memory_order_relaxed); \
		return expected; \
	} \
} \
MK_INLINE uint##N##_t mk_bare_rmw##N(mk_atomic##N *p, int op, int order, uint##N##_t operand, uint##N##_t expected) \
{ \
	uint##N##_t old; \
	switch (order) { \
	case MK_ACQUIRE: return mk_bare_op##N(p, op, memory_order_acquire, operand, expected); \
	case MK_RELEASE: return mk_bare_op##N(p, op, memory_order_release, operand, expected); \
	case MK_ACQ_REL: return mk_bare_op##N(p, op, memory_order_acq_rel, operand, expected); \
	case MK_SEQ_CST: return mk_bare_op##N(p, op, memory_order_seq_cst, operand, expected); \
	case MK_FULL: \
		mk_full_fence(); \
		old = mk_bare_op##N(p, op, memory_order_seq_cst, operand, expected); \
		mk_full_fence(); \
		return old; \
	default: return mk_bare_op##N(p, op, memory_order_relaxed, operand, expected); \
	} \
}
MK_DEFINE_BARE(32)
MK_DEFINE_BARE(64)

/* One bit of a word, in a form that compilers turn into a single locked bit instruction. Returns the old bit, 0 or 1. */
MK_INLINE int mk_bare_set_bit(mk_atomic64 *p, unsigned nr)
{
	uint64_t mask = UINT64_C(1) << (nr & 63);
	return (atomic_fetch_or_explicit(&p->v, mask, memory_order_relaxed) & mask) != 0;
}
MK_INLINE int mk_bare_clear_bit(mk_atomic64 *p, unsigned nr)
{
	uint64_t mask = UINT64_C(1) << (nr & 63);
	return (atomic_fetch_and_explicit(&p->v, ~mask, memory_order_relaxed) & mask) != 0;
}
/*
 * The cache line will be written soon: fetch it as its owner. Without it, a look at a word that another CPU wrote fetches the line once,
 * and the RMW after the look fetches it again. Not __builtin_prefetch(p, 1): for x86-64 that reads. CPUs that lack the instruction ignore
 * it.
 */
MK_INLINE void mk_prefetchw(const void *p)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1, 3);
#endif
}
MK_INLINE void mk_cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield" ::: "memory");
#endif
}
#endif
