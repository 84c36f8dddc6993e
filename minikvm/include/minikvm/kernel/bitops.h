/*
 * kernel/bitops.h: bits of words and bitmaps (Documentation/atomic_bitops.txt, include/linux/find.h, Linux 6.18).
 * set_bit(), clear_bit() and change_bit() order nothing; test_and_*_bit() is fully ordered; what begins with __ is plain.
 */
#ifndef MINIKVM_KERNEL_BITOPS_H
#define MINIKVM_KERNEL_BITOPS_H
#include "access.h"

MK_INLINE volatile unsigned long *mk_k_word(const volatile void *addr, unsigned long nr)
{
	return (volatile unsigned long *)addr + nr / BITS_PER_LONG;
}
#define MK_K_BIT_OP(nr, addr, op, order, invert, what) ({ \
	unsigned long mk_nr = (nr), mk_bit = 1UL << (mk_nr % BITS_PER_LONG); \
	uint64_t mk_word = mk_k_rmw(mk_k_word(addr, mk_nr), 8, op, order, (invert) ? ~mk_bit : mk_bit, 0, what); \
	(mk_word & mk_bit) != 0; \
})
#define set_bit(nr, addr) ((void)MK_K_BIT_OP(nr, addr, MK_OR | MK_NO_VALUE, MK_RELAXED, 0, #addr))
#define clear_bit(nr, addr) ((void)MK_K_BIT_OP(nr, addr, MK_AND | MK_NO_VALUE, MK_RELAXED, 1, #addr))
#define change_bit(nr, addr) ((void)MK_K_BIT_OP(nr, addr, MK_XOR | MK_NO_VALUE, MK_RELAXED, 0, #addr))
#define clear_bit_unlock(nr, addr) ((void)MK_K_BIT_OP(nr, addr, MK_AND | MK_NO_VALUE, MK_RELEASE, 1, #addr))
#define test_and_set_bit(nr, addr) MK_K_BIT_OP(nr, addr, MK_OR, MK_FULL, 0, #addr)
#define test_and_clear_bit(nr, addr) MK_K_BIT_OP(nr, addr, MK_AND, MK_FULL, 1, #addr)
#define test_and_change_bit(nr, addr) MK_K_BIT_OP(nr, addr, MK_XOR, MK_FULL, 0, #addr)
#define test_and_set_bit_lock(nr, addr) MK_K_BIT_OP(nr, addr, MK_OR, MK_ACQUIRE, 0, #addr)
#define test_bit(nr, addr) ({ \
	unsigned long mk_nr = (nr); \
	mk_unlikely(mk_k_load(mk_k_word(addr, mk_nr), 8, MK_RELAXED, #addr) >> (mk_nr % BITS_PER_LONG) & 1); /* few of many: laid out for the others */ \
})
#define test_bit_acquire(nr, addr) ({ \
	unsigned long mk_nr = (nr); \
	(mk_k_load(mk_k_word(addr, mk_nr), 8, MK_ACQUIRE, #addr) >> (mk_nr % BITS_PER_LONG) & 1) != 0; \
})

/* Plain ones: functions, so that the explorer sees their accesses; the place is this file's. */
static inline void __set_bit(unsigned long nr, volatile void *addr)
{
	((unsigned long *)addr)[nr / BITS_PER_LONG] |= 1UL << (nr % BITS_PER_LONG);
}
static inline void __clear_bit(unsigned long nr, volatile void *addr)
{
	((unsigned long *)addr)[nr / BITS_PER_LONG] &= ~(1UL << (nr % BITS_PER_LONG));
}
static inline void __change_bit(unsigned long nr, volatile void *addr)
{
	((unsigned long *)addr)[nr / BITS_PER_LONG] ^= 1UL << (nr % BITS_PER_LONG);
}
static inline bool mk_k_test_bit(unsigned long nr, const volatile void *addr)
{
	return ((const unsigned long *)addr)[nr / BITS_PER_LONG] >> (nr % BITS_PER_LONG) & 1;
}
#define __test_bit(nr, addr) mk_k_test_bit(nr, addr)
static inline bool __test_and_set_bit(unsigned long nr, volatile void *addr)
{
	bool old = mk_k_test_bit(nr, addr);
	__set_bit(nr, addr);
	return old;
}
static inline bool __test_and_clear_bit(unsigned long nr, volatile void *addr)
{
	bool old = mk_k_test_bit(nr, addr);
	__clear_bit(nr, addr);
	return old;
}
static inline void __assign_bit(unsigned long nr, volatile void *addr, bool value)
{
	if (value)
		__set_bit(nr, addr);
	else
		__clear_bit(nr, addr);
}
#define assign_bit(nr, addr, value) ((value) ? set_bit(nr, addr) : clear_bit(nr, addr))

static inline unsigned int hweight64(u64 word) { return (unsigned int)__builtin_popcountll(word); }
static inline unsigned int hweight32(u32 word) { return (unsigned int)__builtin_popcount(word); }
#define hweight_long(word) hweight64(word)
static inline unsigned long __ffs(unsigned long word) { return (unsigned long)__builtin_ctzl(word); }
static inline unsigned long __fls(unsigned long word) { return 63UL - (unsigned long)__builtin_clzl(word); }
static inline int fls(unsigned int word) { return word ? 32 - __builtin_clz(word) : 0; }
static inline int ffs_kernel(int word) { return __builtin_ffs(word); }

/* find_*_bit: the size where there is none. Of up to three maps, plain, a word at a time. */
#define MK_K_FIND(name, parameters, word_at) \
static __always_inline unsigned long name(parameters, unsigned long size, unsigned long at) \
{ \
	unsigned long i, word; \
	if (mk_unlikely(at >= size)) \
		return size; \
	i = at / BITS_PER_LONG; \
	word = (word_at) & (~0UL << (at % BITS_PER_LONG)); \
	while (word == 0) { \
		if (++i * BITS_PER_LONG >= size) \
			return size; \
		word = (word_at); \
	} \
	at = i * BITS_PER_LONG + (unsigned long)__builtin_ctzl(word); \
	return at < size ? at : size; \
}
#define MK_K_MAPS(...) __VA_ARGS__
MK_K_FIND(find_next_bit, const unsigned long *a, a[i])
MK_K_FIND(find_next_zero_bit, const unsigned long *a, ~a[i])
MK_K_FIND(find_next_and_bit, MK_K_MAPS(const unsigned long *a, const unsigned long *b), a[i] & b[i])
MK_K_FIND(find_next_andnot_bit, MK_K_MAPS(const unsigned long *a, const unsigned long *b), a[i] & ~b[i])
MK_K_FIND(find_next_or_bit, MK_K_MAPS(const unsigned long *a, const unsigned long *b), a[i] | b[i])
static inline unsigned long find_first_bit(const unsigned long *a, unsigned long size) { return find_next_bit(a, size, 0); }
static inline unsigned long find_first_zero_bit(const unsigned long *a, unsigned long size) { return find_next_zero_bit(a, size, 0); }
static inline unsigned long find_first_and_bit(const unsigned long *a, const unsigned long *b, unsigned long size)
{
	return find_next_and_bit(a, b, size, 0);
}
static inline unsigned long find_last_bit(const unsigned long *a, unsigned long size)
{
	for (unsigned long bit = size; bit-- > 0; )
		if (mk_k_test_bit(bit, a))
			return bit;
	return size;
}
/* A walk over KVM_MAX_VCPUS bits ends at the VM's last vCPU: no bit is set behind it, and a VM here is mostly smaller. */
#define MK_K_WALK(size) (__builtin_constant_p(size) && (size) == MK_MAX_VCPUS ? (unsigned long)mk_k_nr_vcpus(mk_c_current->vm) : (unsigned long)(size))
#define for_each_set_bit(bit, addr, size) \
	for (unsigned long mk_end = MK_K_WALK(size), mk_first = ((bit) = (__typeof__(bit))find_next_bit((addr), mk_end, 0), 0); \
	     (void)mk_first, (unsigned long)(bit) < mk_end; (bit) = (__typeof__(bit))find_next_bit((addr), mk_end, (unsigned long)(bit) + 1))
#define for_each_set_bit_from(bit, addr, size) \
	for ((bit) = find_next_bit((addr), (size), (bit)); (bit) < (size); (bit) = find_next_bit((addr), (size), (bit) + 1))
#define for_each_clear_bit(bit, addr, size) \
	for ((bit) = find_next_zero_bit((addr), (size), 0); (bit) < (size); (bit) = find_next_zero_bit((addr), (size), (bit) + 1))
#define for_each_and_bit(bit, a, b, size) \
	for ((bit) = find_next_and_bit((a), (b), (size), 0); (bit) < (size); (bit) = find_next_and_bit((a), (b), (size), (bit) + 1))
#define for_each_andnot_bit(bit, a, b, size) \
	for ((bit) = find_next_andnot_bit((a), (b), (size), 0); (bit) < (size); (bit) = find_next_andnot_bit((a), (b), (size), (bit) + 1))

/* Bitmaps (include/linux/bitmap.h). Loops and not memset(): a compiler turns that into accesses which the explorer does not see. */
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]
#define MK_K_LAST_WORD(bits) (~0UL >> (-(unsigned long)(bits) % BITS_PER_LONG))
#define MK_K_EACH_WORD(i, bits) for (unsigned long i = 0, mk_words = BITS_TO_LONGS((unsigned long)(bits)); i < mk_words; i++)
#ifdef MK_C_CHECKED
#define MK_K_APART() barrier()
#else
#define MK_K_APART() ((void)0)
#endif
static __always_inline void bitmap_zero(unsigned long *map, unsigned int bits)
{
	if (bits > 8 * BITS_PER_LONG) {
		MK_K_EACH_WORD(i, bits) {
			map[i] = 0;
			MK_K_APART();
		}
		return;
	}
	MK_K_EACH_WORD(i, bits) { /* a few words, for which memset() is not to be called */
		map[i] = 0;
		barrier();
	}
}
static __always_inline void bitmap_fill(unsigned long *map, unsigned int bits) { MK_K_EACH_WORD(i, bits) { map[i] = ~0UL; MK_K_APART(); } }
static __always_inline void bitmap_copy(unsigned long *to, const unsigned long *from, unsigned int bits)
{
	MK_K_EACH_WORD(i, bits) { to[i] = from[i]; MK_K_APART(); }
}
static inline bool bitmap_and(unsigned long *to, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	unsigned long any = 0;
	MK_K_EACH_WORD(i, bits)
		any |= (to[i] = a[i] & b[i]) & (i + 1 == mk_words ? MK_K_LAST_WORD(bits) : ~0UL);
	return any != 0;
}
static inline void bitmap_or(unsigned long *to, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	MK_K_EACH_WORD(i, bits)
		to[i] = a[i] | b[i];
}
static inline void bitmap_xor(unsigned long *to, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	MK_K_EACH_WORD(i, bits)
		to[i] = a[i] ^ b[i];
}
static inline bool bitmap_andnot(unsigned long *to, const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	unsigned long any = 0;
	MK_K_EACH_WORD(i, bits)
		any |= (to[i] = a[i] & ~b[i]) & (i + 1 == mk_words ? MK_K_LAST_WORD(bits) : ~0UL);
	return any != 0;
}
static __always_inline bool bitmap_empty(const unsigned long *map, unsigned int bits)
{
	unsigned long any = 0, i = 0;
	for (; i < bits / BITS_PER_LONG; i++)
		any |= map[i];
	return (any | (bits % BITS_PER_LONG ? map[i] & MK_K_LAST_WORD(bits) : 0)) == 0;
}
static inline bool bitmap_full(const unsigned long *map, unsigned int bits) { return find_next_zero_bit(map, bits, 0) >= bits; }
static inline unsigned int bitmap_weight(const unsigned long *map, unsigned int bits)
{
	unsigned int weight = 0;
	MK_K_EACH_WORD(i, bits)
		weight += hweight64(map[i] & (i + 1 == mk_words ? MK_K_LAST_WORD(bits) : ~0UL));
	return weight;
}
static inline bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	MK_K_EACH_WORD(i, bits)
		if ((a[i] ^ b[i]) & (i + 1 == mk_words ? MK_K_LAST_WORD(bits) : ~0UL))
			return false;
	return true;
}
static inline bool bitmap_intersects(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	return find_next_and_bit(a, b, bits, 0) < bits;
}
static inline bool bitmap_subset(const unsigned long *a, const unsigned long *b, unsigned int bits)
{
	return find_next_andnot_bit(a, b, bits, 0) >= bits;
}
static inline void bitmap_set(unsigned long *map, unsigned int start, unsigned int bits)
{
	for (unsigned int bit = start; bit < start + bits; bit++)
		__set_bit(bit, map);
}
static inline void bitmap_clear(unsigned long *map, unsigned int start, unsigned int bits)
{
	for (unsigned int bit = start; bit < start + bits; bit++)
		__clear_bit(bit, map);
}
#endif
