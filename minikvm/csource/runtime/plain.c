/*
 * plain.c: the calls that -fsanitize=thread puts before each plain or volatile access and instead of each atomic one. They are ours, hidden
 * in the library, and have nothing to do with ThreadSanitizer's own.
 *
 * A read's call comes before the access and carries no value: it puts the explorer's value where the access will find it. A write's comes
 * before the access, too: what was written is collected at this thread's next call, before anybody else can run.
 */
#include "runtime.h"

#ifdef MK_C_CHECKED
static __thread struct { volatile void *p; int size, piece, order; const void *pc; } pending;

void plain_begin(struct mk_c_frame *f)
{
	(void)f;
	pending.p = NULL;
}

/* The place of an access: looked up outside of the user's code, since a fault in there would not be the user's. */
struct lookup { const void *pc; const volatile void *address; struct mk_c_place at; };
static int look_up(mk_ctx *c, void *arg)
{
	struct lookup *l = arg;
	struct mk_c_frame *f = c->frame;
	const char *symbol = NULL;
	f->self->api->place(f->self, l->pc, (const void *)l->address, &l->at.file, &l->at.line, &symbol);
	if (symbol != NULL)
		l->at.what = symbol;
	return 0;
}
static struct mk_c_place place(const void *pc, const volatile void *address)
{
	struct lookup l = { pc, address, { "memory", NULL, 0 } };
	outside_quietly(look_up, &l);
	return l.at;
}

static uint64_t bytes_at(const volatile void *p, int size)
{
	switch (size) {
	case 1: return *(const volatile uint8_t *)p;
	case 2: return *(const volatile uint16_t *)p;
	case 4: return *(const volatile uint32_t *)p;
	default: return *(const volatile uint64_t *)p;
	}
}
static void put_bytes(volatile void *p, int size, uint64_t value)
{
	switch (size) {
	case 1: *(volatile uint8_t *)p = (uint8_t)value; return;
	case 2: *(volatile uint16_t *)p = (uint16_t)value; return;
	case 4: *(volatile uint32_t *)p = (uint32_t)value; return;
	default: *(volatile uint64_t *)p = value;
	}
}

void collect_write(void)
{
	volatile void *p = pending.p;
	struct mk_c_place at;
	if (p == NULL)
		return;
	pending.p = NULL; /* first: the store comes back here */
	at = place(pending.pc, p);
	for (int i = 0, size = pending.size, piece = pending.piece < size ? pending.piece : size, order = pending.order; i < size; i += piece)
		mk_c_store((volatile char *)p + i, piece, order, bytes_at((volatile char *)p + i, piece), &at);
}

static void plain_read(const volatile void *p, int size, int order, const void *pc)
{
	struct mk_c_frame *f = frame_here();
	struct mk_c_place at;
	int piece;
	if (f == NULL || !is_shared(f->c, p))
		return;
	piece = pieces_of(f->c, p);
	if (piece < size) {
		for (int i = 0; i < size; i += piece)
			plain_read((const volatile char *)p + i, piece, order, pc);
		return;
	}
	at = place(pc, p);
	put_bytes((volatile void *)p, size, mk_c_load(p, size, f->quiet ? MK_RELAXED : order, &at));
}

static void plain_write(volatile void *p, int size, int order, const void *pc)
{
	struct mk_c_frame *f = frame_here();
	if (f == NULL || !is_shared(f->c, p))
		return;
	collect_write();
	pending.p = p;
	pending.size = size;
	pending.piece = pieces_of(f->c, p);
	pending.order = f->quiet ? MK_RELAXED : order;
	pending.pc = pc;
}

/* Struct copies and the like: word by word. */
void plain_range(const volatile void *p, unsigned long bytes, int writes, const void *pc)
{
	const volatile char *at = p;
	while (bytes > 0) {
		int size = bytes >= 8 && (uintptr_t)at % 8 == 0 ? 8 : bytes >= 4 && (uintptr_t)at % 4 == 0 ? 4 : 1;
		if (writes)
			plain_write((volatile void *)at, size, MK_PLAIN, pc);
		else
			plain_read(at, size, MK_PLAIN, pc);
		at += size;
		bytes -= (unsigned long)size;
	}
}

#else
/*
 * Live, an access is the bare one. But who watches wants to know of a plain look at a vCPU's cpu or mode, and race injectors to strike behind it: both are
 * told at this thread's next operation, when the look has happened.
 */
static void plain_read(const volatile void *p, int size, int order, const void *pc)
{
	struct mk_c_frame *f = frame_here();
	enum field field;
	mk_vcpu *v;
	(void)size;
	(void)order;
	(void)pc;
	if (f == NULL)
		return;
	field = field_of(f->c, p, &v);
	if (field != FIELD_CPU && (field != FIELD_MODE || f->c->vcpu == v))
		return;
	tell_plain();
	f->plain.p = (volatile void *)p;
	f->plain.size = 4;
	f->plain.op = -1;
	f->plain.value = mk_bare_load32(p, MK_RELAXED);
}
static void plain_write(volatile void *p, int size, int order, const void *pc)
{
	(void)p;
	(void)size;
	(void)order;
	(void)pc;
}
void plain_range(const volatile void *p, unsigned long bytes, int writes, const void *pc)
{
	(void)p;
	(void)bytes;
	(void)writes;
	(void)pc;
}
static struct mk_c_place place(const void *pc, const volatile void *address)
{
	(void)pc;
	(void)address;
	return (struct mk_c_place){ "memory", NULL, 0 };
}
#endif

#define HERE __builtin_return_address(0)
#define PLAIN(N) \
	void __tsan_read##N(void *p); void __tsan_read##N(void *p) { plain_read(p, N, MK_PLAIN, HERE); } \
	void __tsan_write##N(void *p); void __tsan_write##N(void *p) { plain_write(p, N, MK_PLAIN, HERE); } \
	void __tsan_volatile_read##N(void *p); void __tsan_volatile_read##N(void *p) { plain_read(p, N, MK_RELAXED, HERE); } \
	void __tsan_volatile_write##N(void *p); void __tsan_volatile_write##N(void *p) { plain_write(p, N, MK_RELAXED, HERE); } \
	void __tsan_unaligned_read##N(void *p); void __tsan_unaligned_read##N(void *p) { plain_range(p, N, 0, HERE); } \
	void __tsan_unaligned_write##N(void *p); void __tsan_unaligned_write##N(void *p) { plain_range(p, N, 1, HERE); } \
	void __tsan_unaligned_volatile_read##N(void *p); void __tsan_unaligned_volatile_read##N(void *p) { plain_range(p, N, 0, HERE); } \
	void __tsan_unaligned_volatile_write##N(void *p); void __tsan_unaligned_volatile_write##N(void *p) { plain_range(p, N, 1, HERE); } \
	void __tsan_read_write##N(void *p); \
	void __tsan_read_write##N(void *p) { plain_read(p, N, MK_PLAIN, HERE); plain_write(p, N, MK_PLAIN, HERE); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
void __tsan_read16(void *p); void __tsan_read16(void *p) { plain_range(p, 16, 0, HERE); }
void __tsan_write16(void *p); void __tsan_write16(void *p) { plain_range(p, 16, 1, HERE); }
void __tsan_unaligned_read16(void *p); void __tsan_unaligned_read16(void *p) { plain_range(p, 16, 0, HERE); }
void __tsan_unaligned_write16(void *p); void __tsan_unaligned_write16(void *p) { plain_range(p, 16, 1, HERE); }
void __tsan_volatile_read16(void *p); void __tsan_volatile_read16(void *p) { plain_range(p, 16, 0, HERE); }
void __tsan_volatile_write16(void *p); void __tsan_volatile_write16(void *p) { plain_range(p, 16, 1, HERE); }
void __tsan_read_range(void *p, unsigned long n); void __tsan_read_range(void *p, unsigned long n) { plain_range(p, n, 0, HERE); }
void __tsan_write_range(void *p, unsigned long n); void __tsan_write_range(void *p, unsigned long n) { plain_range(p, n, 1, HERE); }
void __tsan_vptr_update(void **p, void *v); void __tsan_vptr_update(void **p, void *v) { (void)p; (void)v; }
void __tsan_vptr_read(void **p); void __tsan_vptr_read(void **p) { (void)p; }
void __tsan_func_entry(void *pc); void __tsan_func_entry(void *pc) { (void)pc; }
void __tsan_func_exit(void); void __tsan_func_exit(void) {}
void __tsan_init(void); void __tsan_init(void) {}

/*
 * Compilers' own atomics (__atomic_load_n() and the like in the user's text). morder: 0 relaxed, 1 consume, 2 acquire, 3 release, 4
 * acq_rel, 5 seq_cst.
 */
static int order_of(int morder)
{
	static const int orders[] = { MK_RELAXED, MK_ACQUIRE, MK_ACQUIRE, MK_RELEASE, MK_ACQ_REL, MK_SEQ_CST };
	return orders[morder & 7];
}
static uint64_t atomic(volatile void *p, int size, int op, int morder, uint64_t operand, uint64_t expected, const void *pc)
{
	struct mk_c_place at;
	if (frame_here() == NULL)
		return 0;
	at = place(pc, p);
	if (op == -1)
		return mk_c_load(p, size, order_of(morder), &at);
	if (op == -2) {
		mk_c_store(p, size, order_of(morder), operand, &at);
		return 0;
	}
	return mk_c_rmw(p, size, op, order_of(morder), operand, expected, &at);
}
#define ATOMIC(B, T) \
	T __tsan_atomic##B##_load(const volatile T *p, int o); \
	T __tsan_atomic##B##_load(const volatile T *p, int o) { return (T)atomic((volatile void *)p, B / 8, -1, o, 0, 0, HERE); } \
	void __tsan_atomic##B##_store(volatile T *p, T v, int o); \
	void __tsan_atomic##B##_store(volatile T *p, T v, int o) { atomic(p, B / 8, -2, o, v, 0, HERE); } \
	T __tsan_atomic##B##_exchange(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_exchange(volatile T *p, T v, int o) { return (T)atomic(p, B / 8, MK_XCHG, o, v, 0, HERE); } \
	T __tsan_atomic##B##_fetch_add(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_fetch_add(volatile T *p, T v, int o) { return (T)atomic(p, B / 8, MK_ADD, o, v, 0, HERE); } \
	T __tsan_atomic##B##_fetch_sub(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_fetch_sub(volatile T *p, T v, int o) { return (T)atomic(p, B / 8, MK_ADD, o, -(uint64_t)v, 0, HERE); } \
	T __tsan_atomic##B##_fetch_and(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_fetch_and(volatile T *p, T v, int o) { return (T)atomic(p, B / 8, MK_AND, o, v, 0, HERE); } \
	T __tsan_atomic##B##_fetch_or(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_fetch_or(volatile T *p, T v, int o) { return (T)atomic(p, B / 8, MK_OR, o, v, 0, HERE); } \
	T __tsan_atomic##B##_fetch_xor(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_fetch_xor(volatile T *p, T v, int o) { return (T)atomic(p, B / 8, MK_XOR, o, v, 0, HERE); } \
	T __tsan_atomic##B##_compare_exchange_val(volatile T *p, T e, T v, int o, int fail); \
	T __tsan_atomic##B##_compare_exchange_val(volatile T *p, T e, T v, int o, int fail) \
	{ (void)fail; return (T)atomic(p, B / 8, MK_CMPXCHG, o, v, e, HERE); } \
	int __tsan_atomic##B##_compare_exchange_strong(volatile T *p, T *e, T v, int o, int fail); \
	int __tsan_atomic##B##_compare_exchange_strong(volatile T *p, T *e, T v, int o, int fail) \
	{ T old = (T)atomic(p, B / 8, MK_CMPXCHG, o, v, *e, HERE); (void)fail; if (old == *e) return 1; *e = old; return 0; } \
	int __tsan_atomic##B##_compare_exchange_weak(volatile T *p, T *e, T v, int o, int fail); \
	int __tsan_atomic##B##_compare_exchange_weak(volatile T *p, T *e, T v, int o, int fail) \
	{ return __tsan_atomic##B##_compare_exchange_strong(p, e, v, o, fail); }
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
void __tsan_atomic_thread_fence(int o);
void __tsan_atomic_thread_fence(int o)
{
	static const int kinds[] = { MK_BARRIER, MK_SMP_RMB, MK_SMP_RMB, MK_SMP_WMB, MK_SMP_MB, MK_SMP_MB };
	struct mk_c_place at;
	if (frame_here() == NULL)
		return;
	at = place(HERE, NULL);
	at.what = "__atomic_thread_fence";
	mk_c_fence(kinds[o & 7], &at);
}
void __tsan_atomic_signal_fence(int o); void __tsan_atomic_signal_fence(int o) { (void)o; }
