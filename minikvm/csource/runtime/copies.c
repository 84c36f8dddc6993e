/*
 * copies.c: memset(), memcpy(), memmove() and memcmp() of checked code. clang makes calls of them from initialisers and struct copies, too,
 * without an instrumented access. So build.py has such calls come here, where each piece is an access like any other. (From clang 16 on they
 * have these names from the beginning.)
 */
#include "runtime.h"

void *__tsan_memset(void *to, int byte, size_t bytes);
void *__tsan_memcpy(void *to, const void *from, size_t bytes);
void *__tsan_memmove(void *to, const void *from, size_t bytes);
int __tsan_memcmp(const void *a, const void *b, size_t bytes);

#ifdef MK_C_CHECKED
/* A fault in here is that line's. */
static void remember(const void *pc)
{
	struct mk_c_frame *f = frame_here();
	if (f != NULL)
		f->blocks_at[f->blocks++ % 8] = pc;
}

static void read_both(const void *a, const void *b, size_t bytes, const void *pc)
{
	remember(pc);
	plain_range(a, bytes, 0, pc);
	plain_range(b, bytes, 0, pc);
}
static void set(void *to, int byte, size_t bytes, const void *pc)
{
	remember(pc);
	plain_range(to, bytes, 1, pc);
	memset(to, byte, bytes);
}

/* The next piece of so many: as much as both addresses are aligned to. */
static size_t piece_at(uintptr_t to, uintptr_t from, size_t bytes)
{
	size_t size = 8;
	while (size > bytes || (to | from) % size != 0)
		size /= 2;
	return size;
}

static void copy(char *to, const char *from, size_t bytes, const void *pc)
{
	remember(pc);
	if (to <= from || to >= from + bytes) {
		for (size_t done = 0, size; done < bytes; done += size) {
			size = piece_at((uintptr_t)to + done, (uintptr_t)from + done, bytes - done);
			plain_range(from + done, size, 0, pc);
			plain_range(to + done, size, 1, pc);
			memcpy(to + done, from + done, size);
		}
	} else { /* from the end: what is to be read is not to be overwritten */
		for (size_t left = bytes, size; left > 0; left -= size) {
			size = piece_at((uintptr_t)to + left, (uintptr_t)from + left, left);
			plain_range(from + left - size, size, 0, pc);
			plain_range(to + left - size, size, 1, pc);
			memcpy(to + left - size, from + left - size, size);
		}
	}
}
#else
static void read_both(const void *a, const void *b, size_t bytes, const void *pc)
{
	(void)a;
	(void)b;
	(void)bytes;
	(void)pc;
}
static void set(void *to, int byte, size_t bytes, const void *pc)
{
	(void)pc;
	memset(to, byte, bytes);
}
static void copy(char *to, const char *from, size_t bytes, const void *pc)
{
	(void)pc;
	memmove(to, from, bytes);
}
#endif

void *__tsan_memset(void *to, int byte, size_t bytes)
{
	set(to, byte, bytes, __builtin_return_address(0));
	return to;
}
void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
	copy(to, from, bytes, __builtin_return_address(0));
	return to;
}
void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
	copy(to, from, bytes, __builtin_return_address(0));
	return to;
}
int __tsan_memcmp(const void *a, const void *b, size_t bytes)
{
	read_both(a, b, bytes, __builtin_return_address(0));
	return memcmp(a, b, bytes);
}
