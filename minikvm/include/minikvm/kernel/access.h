/*
 * kernel/access.h: accesses, barriers and read-modify-writes of any variable, under the kernel's names.
 * Semantics: Documentation/memory-barriers.txt and tools/memory-model/Documentation, Linux 6.18. docs/protocol.md has the table.
 */
#ifndef MINIKVM_KERNEL_ACCESS_H
#define MINIKVM_KERNEL_ACCESS_H
#include "compiler.h"
#include "watch.h"

#define MK_K_SIZED(x) _Static_assert(sizeof(x) == 1 || sizeof(x) == 2 || sizeof(x) == 4 || sizeof(x) == 8, "expected 1, 2, 4 or 8 bytes: " #x)
/* The bits of an integer, a bool or a pointer, and back. */
#define MK_K_BITS(x) ((uint64_t)(unsigned long)(x))
#define MK_K_AS(type, bits) ((type)(unsigned long)(bits))

#define READ_ONCE(x) ({ MK_K_SIZED(x); MK_K_AS(__typeof__(x), mk_k_load(&(x), sizeof(x), MK_RELAXED, #x)); })
#define WRITE_ONCE(x, value) ({ \
	MK_K_SIZED(x); \
	mk_k_store(&(x), sizeof(x), MK_RELAXED, MK_K_BITS((__typeof__(x))(value)), #x); \
})
/* A plain access that is meant to race: no P10. */
#define data_race(expression) ({ \
	mk_k_quiet(1); \
	__typeof__(({ expression; })) mk_raced = ({ expression; }); \
	mk_k_quiet(-1); \
	mk_raced; \
})
#define ASSERT_EXCLUSIVE_WRITER(x) ((void)0)
#define ASSERT_EXCLUSIVE_ACCESS(x) ((void)0)

#define smp_mb() mk_k_fence(MK_SMP_MB, "smp_mb")
#define smp_wmb() mk_k_fence(MK_SMP_WMB, "smp_wmb")
#define smp_rmb() mk_k_fence(MK_SMP_RMB, "smp_rmb")
#define smp_mb__before_atomic() mk_k_fence(MK_MB_BEFORE_ATOMIC, "smp_mb__before_atomic")
#define smp_mb__after_atomic() mk_k_fence(MK_MB_AFTER_ATOMIC, "smp_mb__after_atomic")
#define mb() smp_mb()
#define wmb() smp_wmb()
#define rmb() smp_rmb()

#define smp_store_release(p, value) ({ \
	MK_K_SIZED(*(p)); \
	mk_k_store(p, sizeof(*(p)), MK_RELEASE, MK_K_BITS((__typeof__(*(p)))(value)), #p); \
})
#define smp_load_acquire(p) ({ MK_K_SIZED(*(p)); MK_K_AS(__typeof__(*(p)), mk_k_load(p, sizeof(*(p)), MK_ACQUIRE, #p)); })
#define smp_store_mb(x, value) ({ WRITE_ONCE(x, value); smp_mb(); })
#define set_current_state(state) ((void)(state), smp_mb())
/*
 * An await: the loop does not spin. The first value is read; after that only another value than the last is of interest.
 */
#define MK_K_COND_LOAD(p, condition, order) ({ \
	__typeof__(*(p)) VAL; \
	uint64_t mk_seen = mk_k_load(p, sizeof(*(p)), order, #p); \
	for (;;) { \
		VAL = MK_K_AS(__typeof__(*(p)), mk_seen); \
		if (condition) \
			break; \
		mk_seen = mk_k_await(p, sizeof(*(p)), order, mk_seen, #p); \
	} \
	VAL; \
})
#define smp_cond_load_acquire(p, condition) MK_K_COND_LOAD(p, condition, MK_ACQUIRE)
#define smp_cond_load_relaxed(p, condition) MK_K_COND_LOAD(p, condition, MK_RELAXED)

#define rcu_dereference(p) READ_ONCE(p)
#define rcu_dereference_check(p, condition) READ_ONCE(p)
#define rcu_dereference_protected(p, condition) (p)
#define rcu_assign_pointer(p, value) smp_store_release(&(p), value)
#define srcu_dereference(p, srcu) READ_ONCE(p)

#define MK_K_RMW(p, op, order, operand, expected) ({ \
	MK_K_SIZED(*(p)); \
	MK_K_AS(__typeof__(*(p)), mk_k_rmw(p, sizeof(*(p)), op, order, MK_K_BITS((__typeof__(*(p)))(operand)), \
	                                  MK_K_BITS((__typeof__(*(p)))(expected)), #p)); \
})
#define xchg(p, value) MK_K_RMW(p, MK_XCHG, MK_FULL, value, 0)
#define xchg_relaxed(p, value) MK_K_RMW(p, MK_XCHG, MK_RELAXED, value, 0)
#define xchg_acquire(p, value) MK_K_RMW(p, MK_XCHG, MK_ACQUIRE, value, 0)
#define xchg_release(p, value) MK_K_RMW(p, MK_XCHG, MK_RELEASE, value, 0)
/* Fully ordered when it stores; one that fails orders nothing. */
#define cmpxchg(p, old, new) MK_K_RMW(p, MK_CMPXCHG, MK_FULL, new, old)
#define cmpxchg_relaxed(p, old, new) MK_K_RMW(p, MK_CMPXCHG, MK_RELAXED, new, old)
#define cmpxchg_acquire(p, old, new) MK_K_RMW(p, MK_CMPXCHG, MK_ACQUIRE, new, old)
#define cmpxchg_release(p, old, new) MK_K_RMW(p, MK_CMPXCHG, MK_RELEASE, new, old)
#define cmpxchg64(p, old, new) cmpxchg(p, old, new)
#define MK_K_TRY(do_cmpxchg, p, old, new) ({ \
	__typeof__(*(p)) mk_wanted = *(old), mk_was = do_cmpxchg(p, mk_wanted, new); \
	if (mk_was != mk_wanted) \
		*(old) = mk_was; \
	mk_was == mk_wanted; \
})
#define try_cmpxchg(p, old, new) MK_K_TRY(cmpxchg, p, old, new)
#define try_cmpxchg_relaxed(p, old, new) MK_K_TRY(cmpxchg_relaxed, p, old, new)
#define try_cmpxchg_acquire(p, old, new) MK_K_TRY(cmpxchg_acquire, p, old, new)
#define try_cmpxchg_release(p, old, new) MK_K_TRY(cmpxchg_release, p, old, new)
#endif
