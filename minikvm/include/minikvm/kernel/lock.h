/*
 * kernel/lock.h: spin locks: acquire and release, no full barrier. In a check, who waits for one that is never released breaks P7.
 */
#ifndef MINIKVM_KERNEL_LOCK_H
#define MINIKVM_KERNEL_LOCK_H
#include "cpumask.h"

typedef struct spinlock { mk_atomic64 word; } spinlock_t;
typedef struct spinlock raw_spinlock_t;
#define __SPIN_LOCK_UNLOCKED(name) { { 0 } }
#define DEFINE_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RAW_SPINLOCK(name) spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define spin_lock_init(lock) mk_k_unlock(&(lock)->word, #lock)

#define spin_lock(lock) ({ preempt_disable(); mk_k_lock(&(lock)->word, #lock); })
#define spin_unlock(lock) ({ mk_k_unlock(&(lock)->word, #lock); preempt_enable(); })
#define spin_trylock(lock) ({ \
	preempt_disable(); \
	bool mk_taken = mk_k_rmw(&(lock)->word, 8, MK_CMPXCHG, MK_ACQUIRE, 1, 0, #lock) == 0; \
	if (!mk_taken) \
		preempt_enable(); \
	mk_taken; \
})
#define spin_is_locked(lock) (mk_k_load(&(lock)->word, 8, MK_RELAXED, #lock) != 0)
#define spin_lock_irq(lock) ({ local_irq_disable(); spin_lock(lock); })
#define spin_unlock_irq(lock) ({ spin_unlock(lock); local_irq_enable(); })
#define spin_lock_irqsave(lock, flags) ({ local_irq_save(flags); spin_lock(lock); })
#define spin_unlock_irqrestore(lock, flags) ({ spin_unlock(lock); local_irq_restore(flags); })
#define raw_spin_lock(lock) spin_lock(lock)
#define raw_spin_unlock(lock) spin_unlock(lock)
#define raw_spin_trylock(lock) spin_trylock(lock)
#define raw_spin_lock_irq(lock) spin_lock_irq(lock)
#define raw_spin_unlock_irq(lock) spin_unlock_irq(lock)
#define raw_spin_lock_irqsave(lock, flags) spin_lock_irqsave(lock, flags)
#define raw_spin_unlock_irqrestore(lock, flags) spin_unlock_irqrestore(lock, flags)
#define smp_mb__after_spinlock() smp_mb()
#endif
