/*
 * kernel/bare.h: the operations where nobody watches, inline. The sizes and orders are constants, so that one instruction is left of each.
 */
#ifndef MINIKVM_KERNEL_BARE_H
#define MINIKVM_KERNEL_BARE_H
#include "watch.h"

#define MK_BARE_LOAD(N) \
	case N / 8: \
		switch (order) { \
		case MK_ACQUIRE: return __atomic_load_n((const volatile uint##N##_t *)p, __ATOMIC_ACQUIRE); \
		case MK_SEQ_CST: return __atomic_load_n((const volatile uint##N##_t *)p, __ATOMIC_SEQ_CST); \
		default: return __atomic_load_n((const volatile uint##N##_t *)p, __ATOMIC_RELAXED); \
		}
MK_INLINE uint64_t mk_k_load_bare(const volatile void *p, int size, int order)
{
	switch (size) {
	MK_BARE_LOAD(8)
	MK_BARE_LOAD(16)
	MK_BARE_LOAD(32)
	MK_BARE_LOAD(64)
	}
	__builtin_unreachable();
}

#define MK_BARE_STORE(N) \
	case N / 8: \
		switch (order) { \
		case MK_RELEASE: __atomic_store_n((volatile uint##N##_t *)p, (uint##N##_t)value, __ATOMIC_RELEASE); return; \
		case MK_SEQ_CST: __atomic_store_n((volatile uint##N##_t *)p, (uint##N##_t)value, __ATOMIC_SEQ_CST); return; \
		default: __atomic_store_n((volatile uint##N##_t *)p, (uint##N##_t)value, __ATOMIC_RELAXED); return; \
		}
MK_INLINE void mk_k_store_bare(volatile void *p, int size, int order, uint64_t value)
{
	switch (size) {
	MK_BARE_STORE(8)
	MK_BARE_STORE(16)
	MK_BARE_STORE(32)
	MK_BARE_STORE(64)
	}
}

#define MK_BARE_OP(N, o) \
	switch (op & 15) { \
	case MK_OR: return __atomic_fetch_or((volatile uint##N##_t *)p, (uint##N##_t)operand, o); \
	case MK_AND: return __atomic_fetch_and((volatile uint##N##_t *)p, (uint##N##_t)operand, o); \
	case MK_ADD: return __atomic_fetch_add((volatile uint##N##_t *)p, (uint##N##_t)operand, o); \
	case MK_XOR: return __atomic_fetch_xor((volatile uint##N##_t *)p, (uint##N##_t)operand, o); \
	case MK_XCHG: return __atomic_exchange_n((volatile uint##N##_t *)p, (uint##N##_t)operand, o); \
	default: { \
		uint##N##_t wanted = (uint##N##_t)expected; \
		__atomic_compare_exchange_n((volatile uint##N##_t *)p, &wanted, (uint##N##_t)operand, 0, o, __ATOMIC_RELAXED); \
		return wanted; \
	} \
	}
#define MK_BARE_RMW(N) \
MK_INLINE uint64_t mk_k_rmw_bare##N(volatile void *p, int op, int order, uint64_t operand, uint64_t expected) \
{ \
	switch (order) { \
	case MK_ACQUIRE: MK_BARE_OP(N, __ATOMIC_ACQUIRE) \
	case MK_RELEASE: MK_BARE_OP(N, __ATOMIC_RELEASE) \
	case MK_ACQ_REL: MK_BARE_OP(N, __ATOMIC_ACQ_REL) \
	case MK_SEQ_CST: case MK_FULL: MK_BARE_OP(N, __ATOMIC_SEQ_CST) \
	default: MK_BARE_OP(N, __ATOMIC_RELAXED) \
	} \
}
MK_BARE_RMW(8)
MK_BARE_RMW(16)
MK_BARE_RMW(32)
MK_BARE_RMW(64)
/* FULL: on aarch64 later accesses may pass the load of C11's seq_cst RMW, so the kernel's has a barrier on both sides (atomics.h). */
MK_INLINE uint64_t mk_k_rmw_bare(volatile void *p, int size, int op, int order, uint64_t operand, uint64_t expected)
{
	uint64_t old;
	if (order == MK_FULL)
		mk_full_fence();
	switch (size) {
	case 1: old = mk_k_rmw_bare8(p, op, order, operand, expected); break;
	case 2: old = mk_k_rmw_bare16(p, op, order, operand, expected); break;
	case 4: old = mk_k_rmw_bare32(p, op, order, operand, expected); break;
	default: old = mk_k_rmw_bare64(p, op, order, operand, expected); break;
	}
	if (order == MK_FULL)
		mk_full_fence();
	return old;
}
MK_INLINE int mk_k_wake_bare(mk_vcpu *v)
{
	mk_ctx *c = mk_c_current;
	mk_bare_fence(MK_SMP_MB); /* pairs with the one between publishing the sleeper and testing its condition: core/kick.pxd, wake_up_step() */
	if (mk_bare_load32(&v->wait, MK_RELAXED) == 0)
		return 0;
	if (mk_bare_rmw32(&v->wait, MK_CMPXCHG, MK_FULL, 0, 1) == 0)
		return 0;
	if (!mk_c_failed && c->vm->machine->wake(c, v) < 0)
		mk_c_failed = 1;
	return 1;
}

/*
 * Members of struct mk_vm never change while it lives. A compiler has to believe that an atomic operation changes them, and would read them
 * again at every vCPU; an asm that names no memory it may take for a function of the address.
 */
#if defined(__x86_64__)
#define MK_K_FIXED32(base, type, field) ({ \
	uint32_t mk_fixed; \
	__asm__("movl %c2(%1), %0" : "=r"(mk_fixed) : "r"(base), "i"(offsetof(type, field))); \
	mk_fixed; \
})
#define MK_K_FIXED64(base, type, field) ({ \
	uint64_t mk_fixed; \
	__asm__("movq %c2(%1), %0" : "=r"(mk_fixed) : "r"(base), "i"(offsetof(type, field))); \
	mk_fixed; \
})
#elif defined(__aarch64__)
#define MK_K_FIXED32(base, type, field) ({ \
	uint32_t mk_fixed; \
	__asm__("ldr %w0, [%1, %2]" : "=r"(mk_fixed) : "r"(base), "i"(offsetof(type, field))); \
	mk_fixed; \
})
#define MK_K_FIXED64(base, type, field) ({ \
	uint64_t mk_fixed; \
	__asm__("ldr %0, [%1, %2]" : "=r"(mk_fixed) : "r"(base), "i"(offsetof(type, field))); \
	mk_fixed; \
})
#endif
MK_INLINE void mk_k_call_many_bare(const uint64_t *mask, int wait)
{
	mk_ctx *c = mk_c_current;
	const mk_machine *machine = c->vm->machine;
	if (mk_likely(!mk_c_failed) && mk_unlikely(machine->call_many(c, mask, wait) < 0 || (wait && machine->call_wait(c) < 0)))
		mk_c_failed = 1;
}

#ifndef MK_C_RUNTIME /* the runtime has both kinds */
#define mk_k_load(p, size, order, what) mk_k_load_bare(p, size, order)
#define mk_k_store(p, size, order, value, what) mk_k_store_bare(p, size, order, value)
#define mk_k_rmw(p, size, op, order, operand, expected, what) mk_k_rmw_bare(p, size, op, order, operand, expected)
#define mk_k_fence(kind, what) mk_bare_fence(kind)
#define mk_k_await(p, size, order, seen, what) mk_c_await(p, size, order, seen, MK_C_HERE(what))
#define mk_k_lock(lock, what) mk_c_lock(lock, MK_C_HERE(what))
#define mk_k_unlock(lock, what) mk_bare_store64(lock, MK_RELEASE, 0)
#define mk_k_wake(v, what) mk_k_wake_bare(v)
#define mk_k_call_many(mask, wait, what) mk_k_call_many_bare(mask, wait)
#define mk_k_nr_vcpus(vm) MK_K_FIXED32(vm, mk_vm, nr_vcpus)
#define mk_k_vcpus(vm) ((mk_vcpu *)MK_K_FIXED64(vm, mk_vm, vcpus))
#define mk_k_masked(cpu) ((void)(cpu))
#define mk_k_quiet(more) ((void)0)
#endif
#endif
