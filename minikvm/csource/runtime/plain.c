/*
 * plain.c: the calls that -fsanitize=thread puts before each plain or volatile access and instead of each atomic one. They are ours, hidden
 * in the library, and have nothing to do with ThreadSanitizer's own.
 *
 * A read's call comes before the access and carries no value: it puts the explorer's value where the access will find it. A write's comes
 * before the access, too: what was written is collected at this thread's next call, before anybody else can run.
 */
#include "runtime.h"
#include <stdlib.h>

#ifdef MK_C_CHECKED
static __thread struct announced { volatile char *p; size_t bytes; int order; const void *pc; } pending;
static __thread struct { char *bytes; size_t room; } old; /* what was there then; kept for as long as the thread lives */

void plain_begin(struct mk_c_frame *f)
{
	(void)f;
	pending.p = NULL;
}
static void announce(struct announced w)
{
	pending = w;
	if (w.bytes > old.room) {
		char *more = realloc(old.bytes, w.bytes);
		if (more == NULL)
			mk_c_bug("no memory for what is written at once", __FILE__, __LINE__);
		old.bytes = more;
		old.room = w.bytes;
	}
	memcpy(old.bytes, (const char *)w.p, w.bytes);
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

/* How much of so many bytes is one access: what is aligned, and in no larger pieces than the word is known to be accessed in. */
static size_t piece_at(mk_ctx *c, const volatile char *p, size_t bytes)
{
	size_t size = 8;
	while (size > bytes || (uintptr_t)p % size != 0)
		size /= 2;
	return size > 1 && pieces_of(c, p) < (int)size ? (size_t)pieces_of(c, p) : size;
}
static bool any_shared(mk_ctx *c, const volatile char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8 - ((uintptr_t)p + i) % 8)
		if (is_shared(c, p + i))
			return true;
	return false;
}
/* Little-endian, as all that is supported. */
static uint64_t bits_of(const char *bytes, size_t size)
{
	uint64_t bits = 0;
	memcpy(&bits, bytes, size);
	return bits;
}

/* What was written is taken before the first piece is told: others run in between. */
static void collect(struct announced w)
{
	struct mk_c_frame *f = frame_here();
	mk_ctx *c = f->c;
	struct mk_c_place at = place(w.pc, w.p);
	char written[w.bytes];
	memcpy(written, (const char *)w.p, w.bytes);
	/* What the explorer finds there when it hears of a variable for the first time is its initial value. (On a stack it has none.) */
	if ((const char *)w.p >= f->self->data && (const char *)w.p < f->self->data_end)
		memcpy((char *)w.p, old.bytes, w.bytes);
	for (size_t done = 0, size; done < w.bytes; done += size) {
		size = piece_at(c, w.p + done, w.bytes - done);
		if (!is_shared(c, w.p + done))
			continue;
		mk_c_store(w.p + done, (int)size, w.order, bits_of(written + done, size), &at);
		memcpy((char *)w.p + done, written + done, size);
	}
}
void collect_write(void)
{
	struct announced w = pending;
	if (w.p == NULL)
		return;
	pending.p = NULL; /* first: the store comes back here */
	collect(w);
}

/* Where it differs: constants that were relocated are read-only. */
static void put(volatile void *p, const void *value, size_t bytes)
{
	if (memcmp((const char *)p, value, bytes) != 0)
		memcpy((char *)p, value, bytes);
}
/* What is read is put into memory behind the last piece: others run in between. */
static void read_pieces(mk_ctx *c, volatile char *p, size_t bytes, int order, const struct mk_c_place *at)
{
	uint64_t values[bytes];
	for (size_t done = 0; done < bytes; done += piece_at(c, p + done, bytes - done))
		if (is_shared(c, p + done))
			values[done] = mk_c_load(p + done, (int)piece_at(c, p + done, bytes - done), order, at);
	for (size_t done = 0, size; done < bytes; done += size) {
		size = piece_at(c, p + done, bytes - done);
		if (is_shared(c, p + done))
			put(p + done, &values[done], size);
	}
}
static void plain_read(const volatile void *p, size_t bytes, int order, const void *pc)
{
	struct mk_c_frame *f = frame_here();
	struct mk_c_place at;
	uint64_t value;
	if (f == NULL || !any_shared(f->c, p, bytes))
		return;
	at = place(pc, p);
	if (f->quiet)
		order = MK_RELAXED;
	if (piece_at(f->c, p, bytes) < bytes) {
		read_pieces(f->c, (volatile char *)p, bytes, order, &at);
		return;
	}
	value = mk_c_load(p, (int)bytes, order, &at);
	put((volatile void *)p, &value, bytes);
}

/*
 * gcc calls for what a struct copy writes before it calls for what it reads. So where as much is read next, on the same line, and the
 * memory of the write is as it was, that has not happened yet, and stays announced. (A copy of 8 bytes cannot be told from `a = 1; b = c;`
 * where a is 1 already; smaller structs are not looked for.)
 */
static bool read_of_copy(size_t bytes, const void *pc)
{
#ifdef __clang__
	(void)bytes;
	(void)pc;
	return false;
#else
	struct mk_c_place here, there;
	if (pending.p == NULL || pending.bytes != bytes || bytes < 8 || pending.order != MK_PLAIN ||
	    memcmp(old.bytes, (const char *)pending.p, bytes) != 0)
		return false;
	here = place(pc, NULL);
	there = place(pending.pc, NULL);
	return here.line == there.line && strcmp(here.file, there.file) == 0;
#endif
}
static void compilers_read(const volatile void *p, size_t bytes, int order, const void *pc)
{
	struct announced w = { NULL, 0, 0, NULL };
	if (order == MK_PLAIN && read_of_copy(bytes, pc)) {
		w = pending;
		pending.p = NULL;
	}
	plain_read(p, bytes, order, pc);
	if (w.p != NULL)
		announce(w);
}

static void plain_write(volatile void *p, size_t bytes, int order, const void *pc)
{
	struct mk_c_frame *f = frame_here();
	if (f == NULL || !any_shared(f->c, p, bytes))
		return;
	collect_write();
	announce((struct announced){ p, bytes, f->quiet ? MK_RELAXED : order, pc });
}

void plain_range(const volatile void *p, unsigned long bytes, int writes, const void *pc)
{
	if (writes)
		plain_write((volatile void *)p, bytes, MK_PLAIN, pc);
	else
		plain_read(p, bytes, MK_PLAIN, pc);
}

#else
#define compilers_read plain_read
/*
 * Live, an access is the bare one. But who watches wants to know of a plain look at a vCPU's cpu or mode, and race injectors to strike behind it: both are
 * told at this thread's next operation, when the look has happened.
 */
static void plain_read(const volatile void *p, size_t bytes, int order, const void *pc)
{
	struct mk_c_frame *f = frame_here();
	enum field field;
	mk_vcpu *v;
	(void)bytes;
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
static void plain_write(volatile void *p, size_t bytes, int order, const void *pc)
{
	(void)p;
	(void)bytes;
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
#ifdef MK_C_OWN_STACK_TRACED
/*
 * clang's -fsanitize=thread takes an access of a local variable by way of a member for private though the variable's own address has been
 * given away. So accesses of the thread's own stack are taken from -fsanitize-coverage=trace-loads,trace-stores instead, which has each of
 * them, and cannot tell volatile ones.
 */
static bool traced(const volatile void *p)
{
	struct mk_c_frame *f = frame_here();
	return f != NULL && on_own_stack(f, p);
}
#define TRACED(N) \
	void __sanitizer_cov_load##N(void *p); \
	void __sanitizer_cov_load##N(void *p) { if (traced(p)) plain_read(p, N, MK_PLAIN, HERE); } \
	void __sanitizer_cov_store##N(void *p); \
	void __sanitizer_cov_store##N(void *p) { if (traced(p)) plain_write(p, N, MK_PLAIN, HERE); }
TRACED(1)
TRACED(2)
TRACED(4)
TRACED(8)
TRACED(16)
#else
#define traced(p) false
#endif
#define READ(name, N, order) void name(void *p); void name(void *p) { if (!traced(p)) compilers_read(p, N, order, HERE); }
#define WRITE(name, N, order) void name(void *p); void name(void *p) { if (!traced(p)) plain_write(p, N, order, HERE); }
#define PLAIN(N) \
	READ(__tsan_read##N, N, MK_PLAIN) \
	READ(__tsan_volatile_read##N, N, MK_RELAXED) \
	READ(__tsan_unaligned_read##N, N, MK_PLAIN) \
	READ(__tsan_unaligned_volatile_read##N, N, MK_RELAXED) \
	WRITE(__tsan_write##N, N, MK_PLAIN) \
	WRITE(__tsan_volatile_write##N, N, MK_RELAXED) \
	WRITE(__tsan_unaligned_write##N, N, MK_PLAIN) \
	WRITE(__tsan_unaligned_volatile_write##N, N, MK_RELAXED)
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
void __tsan_read_range(void *p, unsigned long n); void __tsan_read_range(void *p, unsigned long n) { compilers_read(p, n, MK_PLAIN, HERE); }
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
	T __tsan_atomic##B##_fetch_nand(volatile T *p, T v, int o); \
	T __tsan_atomic##B##_fetch_nand(volatile T *p, T v, int o) \
	{ \
		T seen, old = (T)atomic(p, B / 8, -1, 0, 0, 0, HERE); \
		while ((seen = (T)atomic(p, B / 8, MK_CMPXCHG, o, (T)~(old & v), old, HERE)) != old) \
			old = seen; \
		return old; \
	} \
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
