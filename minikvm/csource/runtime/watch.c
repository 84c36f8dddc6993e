/*
 * watch.c: the operations of watched code: in the context's world, or (live, without injectors) the bare one; then what it means is told.
 */
#include "runtime.h"

static int perform_in_world(mk_ctx *c, struct mk_c_access *a, uint64_t *old)
{
	mk_here(c, a->file, a->line);
	if (a->op == -1)
		return c->world->load(c, (const void *)a->p, a->size, a->order, a->what, old);
	if (a->op == -2)
		return c->world->store(c, (void *)a->p, a->size, a->order, a->what, a->operand);
	return c->world->rmw(c, (void *)a->p, a->size, a->op, a->order, a->what, a->operand, a->expected, old);
}

static uint64_t perform_bare(const struct mk_c_access *a)
{
	if (a->op == -1)
		return mk_k_load_bare(a->p, a->size, a->order);
	if (a->op == -2) {
		mk_k_store_bare(a->p, a->size, a->order, a->operand);
		return 0;
	}
	return mk_k_rmw_bare(a->p, a->size, a->op, a->order, a->operand, a->expected);
}

static bool in_world(mk_ctx *c, const struct mk_c_access *a)
{
	if (c->world == NULL)
		return false;
#ifdef MK_C_CHECKED
	return a->shared;
#else
	return a->size >= 4; /* the injected world does the same, and knows no smaller ones */
#endif
}

/* Where the user's code was last, for what is said of a loop that does not end. */
static void remember_place(struct mk_c_frame *f, const char *file, unsigned line)
{
	if (f == NULL)
		return;
	f->places[f->nplaces % 8].file = file;
	f->places[f->nplaces++ % 8].line = line;
}

static const char *const names[] = { NULL, "vcpu.requests", "vcpu.mode", "vcpu.cpu", "vcpu.wait", "vcpu.strategy", NULL };

static int access(mk_ctx *c, void *arg)
{
	struct mk_c_access *a = arg;
	struct mk_c_frame *f = c->frame;
	mk_vcpu *v;
	enum field field = field_of(c, a->p, &v);
	uint64_t old = 0;
	if (names[field] != NULL)
		a->what = names[field];
#ifdef MK_C_CHECKED
	a->shared = is_shared(c, a->p);
	if (a->shared && (make_shared(c, a->p) < 0 || take_size(c, a->p, a->size, a->order == MK_PLAIN) < 0))
		return -1;
#endif
	remember_place(f, a->file, a->line);
	if (note_before(c, f, a, field, v) < 0)
		return -1;
	if (in_world(c, a)) {
		if (perform_in_world(c, a, &old) < 0)
			return -1;
	} else {
		old = perform_bare(a);
	}
	if (a->size < 8)
		old &= (UINT64_C(1) << (8 * a->size)) - 1;
	a->value = old;
	return note_after(c, f, a, field, v, old);
}

uint64_t mk_c_load(const volatile void *p, int size, int order, const struct mk_c_place *at)
{
	struct mk_c_access a = { .p = (volatile void *)p, .size = size, .op = -1, .order = order, .what = at->what, .file = at->file, .line = at->line };
	outside(access, &a);
	return a.value;
}

static uint64_t cut(uint64_t value, int size) { return size < 8 ? value & ((UINT64_C(1) << (8 * size)) - 1) : value; }

void mk_c_store(volatile void *p, int size, int order, uint64_t value, const struct mk_c_place *at)
{
	struct mk_c_access a = { .p = p, .size = size, .op = -2, .order = order, .operand = cut(value, size), .what = at->what, .file = at->file,
				 .line = at->line };
	outside(access, &a);
}

uint64_t mk_c_rmw(volatile void *p, int size, int op, int order, uint64_t operand, uint64_t expected, const struct mk_c_place *at)
{
	struct mk_c_access a = { .p = p, .size = size, .op = op, .order = order, .operand = cut(operand, size), .expected = cut(expected, size),
				 .what = at->what, .file = at->file, .line = at->line };
	outside(access, &a);
	return a.value;
}


int fence(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	return mk_fence_at(c, s->number, s->at->what, s->at->file, s->at->line);
}
void mk_c_fence(int kind, const struct mk_c_place *at)
{
	struct simple s = { .number = kind, .at = at };
	outside(fence, &s);
}

/* One round of a wait: IPIs that came meanwhile are handled, where IRQs are on. */
static int wait_a_little(mk_ctx *c)
{
	mk_cpu_relax();
	if (mk_bare_load32(&c->vm->stopping, MK_RELAXED))
		return MK_C_END;
	if (c->irqs_off == 0 && (c->vm->machine->irq_disable(c) < 0 || c->vm->machine->irq_enable(c) < 0))
		return -1;
	return 0;
}
static int await(mk_ctx *c, void *arg)
{
	struct mk_c_access *a = arg;
	int r;
#ifdef MK_C_CHECKED
	if (make_shared(c, a->p) < 0)
		return -1;
#endif
	if (c->world != NULL && c->world->wait_change != NULL) {
		mk_here(c, a->file, a->line);
		r = c->world->wait_change(c, (const void *)a->p, a->size, a->order, a->what, a->expected, &a->value);
		return r > 0 ? MK_C_END : r;
	}
	while ((a->value = perform_bare(a)) == a->expected) {
		r = wait_a_little(c);
		if (r != 0)
			return r;
	}
	return 0;
}
uint64_t mk_c_await(const volatile void *p, int size, int order, uint64_t seen, const struct mk_c_place *at)
{
	struct mk_c_access a = { .p = (volatile void *)p, .size = size, .op = -1, .order = order, .expected = cut(seen, size), .what = at->what,
				 .file = at->file, .line = at->line };
	outside(await, &a);
	return a.value;
}

static int lock(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	if (mk_lock_at(c, s->lock, s->at->what, s->at->file, s->at->line) < 0)
		return -1;
	return mk_bare_load32(&c->vm->stopping, MK_RELAXED) ? MK_C_END : 0; /* who waits for a lock at the VM's end has not got it */
}
void mk_c_lock(mk_atomic64 *word, const struct mk_c_place *at)
{
	struct simple s = { .lock = word, .at = at };
	outside(lock, &s);
}
static int unlock(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	return mk_unlock_at(c, s->lock, s->at->what, s->at->file, s->at->line);
}
void mk_c_unlock(mk_atomic64 *word, const struct mk_c_place *at)
{
	struct simple s = { .lock = word, .at = at };
	outside(unlock, &s);
}
void mk_c_quiet(int more) { frame_here()->quiet += more; }
