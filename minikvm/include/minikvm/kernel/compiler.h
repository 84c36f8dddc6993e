/*
 * kernel/compiler.h: the kernel's types and annotations. For strategies and run loops in kernel-style C; see ../kernel.h.
 */
#ifndef MINIKVM_KERNEL_COMPILER_H
#define MINIKVM_KERNEL_COMPILER_H
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "../minikvm.h"

typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64;
typedef unsigned int gfp_t;

/* No allocation here can sleep or fail but by an injector: the flags are only taken. */
#define GFP_KERNEL 0u
#define GFP_ATOMIC 1u
#define GFP_NOWAIT 2u
#define GFP_KERNEL_ACCOUNT 3u
#define __GFP_ZERO 4u
#define NUMA_NO_NODE (-1)

#define BITS_PER_BYTE 8
#define BITS_PER_LONG 64
#define BITS_PER_LONG_LONG 64
#define BIT(nr) (1UL << (nr))
#define BIT_ULL(nr) (1ULL << (nr))
#define BIT_MASK(nr) (1UL << ((nr) % BITS_PER_LONG))
#define BIT_WORD(nr) ((nr) / BITS_PER_LONG)
#define GENMASK(high, low) ((~0UL << (low)) & (~0UL >> (BITS_PER_LONG - 1 - (high))))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define BITS_TO_LONGS(nr) DIV_ROUND_UP(nr, BITS_PER_LONG)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))
#define min(a, b) ({ __typeof__(a) mk_a = (a); __typeof__(b) mk_b = (b); mk_a < mk_b ? mk_a : mk_b; })
#define max(a, b) ({ __typeof__(a) mk_a = (a); __typeof__(b) mk_b = (b); mk_a > mk_b ? mk_a : mk_b; })
#define min_t(type, a, b) min((type)(a), (type)(b))
#define max_t(type, a, b) max((type)(a), (type)(b))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define barrier() ({ __asm__ volatile("" : : : "memory"); })
#define unreachable() __builtin_unreachable()
#define fallthrough __attribute__((__fallthrough__))
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define noinline __attribute__((noinline))
#define __maybe_unused __attribute__((unused))
#define __must_check
#define __read_mostly
#define __ro_after_init
#define __init
#define __exit
#define __percpu
#define __rcu
#define __user
#define __force
#define __cacheline_aligned_in_smp __attribute__((aligned(MK_CACHELINE)))
#define ____cacheline_aligned_in_smp __attribute__((aligned(MK_CACHELINE)))
#define asmlinkage
#define noinstr
#define typeof_member(type, member) __typeof__(((type *)0)->member)
#ifndef typeof
#define typeof __typeof__
#endif

#define EXPORT_SYMBOL(symbol) _Static_assert(1, #symbol)
#define EXPORT_SYMBOL_GPL(symbol) _Static_assert(1, #symbol)
#define EXPORT_SYMBOL_FOR_KVM(symbol) _Static_assert(1, #symbol)
#define EXPORT_SYMBOL_FOR_KVM_INTERNAL(symbol) _Static_assert(1, #symbol)
#define MODULE_LICENSE(text) _Static_assert(1, "")
#define MODULE_AUTHOR(text) _Static_assert(1, "")

#define BUILD_BUG_ON(condition) _Static_assert(!(condition), "BUILD_BUG_ON: " #condition)
#define BUILD_BUG_ON_MSG(condition, message) _Static_assert(!(condition), message)
/* lockdep's: what is not held here is not known. */
#define lockdep_assert_held(lock) ((void)(lock))
#define lockdep_assert_held_read(lock) ((void)(lock))
#define lockdep_assert_held_write(lock) ((void)(lock))
#define lockdep_assert_once(condition) ((void)0)
#define might_sleep() ((void)0)

/* A warning is printed once for each place, a BUG ends the run with exit code 3: watch.h. */
#define WARN_ON(condition) ({ \
	static int mk_warned; \
	int mk_is = !!(condition); \
	if (mk_unlikely(mk_is)) \
		mk_c_warn(&mk_warned, #condition, __FILE__, __LINE__); \
	mk_unlikely(mk_is); \
})
#define WARN_ON_ONCE(condition) WARN_ON(condition)
#define WARN(condition, ...) WARN_ON(condition)
#define WARN_ONCE(condition, ...) WARN_ON(condition)
#define KVM_BUG_ON(condition, kvm) WARN_ON(condition)
#define BUG() mk_c_bug("BUG()", __FILE__, __LINE__)
#define BUG_ON(condition) ({ if (mk_unlikely(condition)) mk_c_bug("BUG_ON(" #condition ")", __FILE__, __LINE__); })
#define pr_debug(...) ((void)0)
#define trace_kvm_vcpu_wakeup(...) ((void)0)

#define EINVAL 22
#define EAGAIN 11
#define ENOMEM 12
#define EINTR 4
#define EBUSY 16
#endif
