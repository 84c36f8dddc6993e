/*
 * watch.c: the operations of watched code: in the context's world, or (live, without injectors) the bare one; then what it means is told.
 */
#include "runtime.h"
#include <stdlib.h>

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

struct simple { int number; const struct mk_c_place *at; mk_atomic64 *lock; const uint64_t *mask; int wait; mk_vcpu *v; int answer; uint64_t *memory; };

static int fence(mk_ctx *c, void *arg)
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

/* ---- beneath the pCPU ---- */

static int put_cpu(mk_ctx *c, void *arg)
{
	(void)arg;
	c->preempt_count--;
	return c->need_resched && c->preempt_count == 0 && c->irqs_off == 0 ? c->vm->machine->schedule(c) : 0;
}
static int irq(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	return s->number ? c->vm->machine->irq_enable(c) : c->vm->machine->irq_disable(c);
}
void mk_c_irq(int on)
{
	struct simple s = { .number = on };
	outside(irq, &s);
}
static int reschedule(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	mk_here(c, s->at->file, s->at->line);
	return c->vm->machine->reschedule(c, s->number);
}
void mk_c_reschedule(int32_t cpu, const struct mk_c_place *at)
{
	struct simple s = { .number = cpu, .at = at };
	outside(reschedule, &s);
}
static int call_many(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	if ((c->frame != NULL && note_looked(c, c->frame) < 0) || mk_note(c, MK_EV_SENDING, NULL, (uint64_t)(uintptr_t)s->mask, (uint64_t)s->wait) < 0)
		return -1;
	mk_here(c, s->at->file, s->at->line);
	if (c->vm->machine->call_many(c, s->mask, s->wait) < 0)
		return -1;
	if (!s->wait)
		return 0;
	if (mk_point(c, MK_PT_IPI_AWAIT, NULL) < 0)
		return -1;
	return c->vm->machine->call_wait(c);
}
static int wake(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	uint32_t waiting = 0;
	struct mk_c_frame *f = c->frame;
	if (mk_point(c, MK_PT_KICK_WAKE, s->v) < 0)
		return -1;
	/*
	 * Pairs with the barrier in vcpu_block() between publishing the sleeper and testing its condition: core/kick.pxd, wake_up_step().
	 */
	if (mk_fence_at(c, MK_SMP_MB, "wake_up", s->at->file, s->at->line) < 0 ||
	    mk_load32_at(c, &s->v->wait, MK_RELAXED, "vcpu.wait", &waiting, s->at->file, s->at->line) < 0)
		return -1;
	if (!waiting)
		return 0;
	if (mk_rmw32_at(c, &s->v->wait, MK_CMPXCHG, MK_FULL, "vcpu.wait", 0, 1, &waiting, s->at->file, s->at->line) < 0)
		return -1;
	if (!waiting)
		return 0;
	if (f->look.v == s->v)
		f->look.woken = 1;
	s->answer = 1;
	return mk_note(c, MK_EV_WOKE, s->v, 0, 0) < 0 ? -1 : c->vm->machine->wake(c, s->v);
}
int mk_c_wake(mk_vcpu *v, const struct mk_c_place *at)
{
	struct simple s = { .v = v, .at = at };
	outside(wake, &s);
	return s.answer;
}
static int masked(mk_ctx *c, void *arg) { return note_masked(c, c->frame, ((struct simple *)arg)->number); }
void mk_c_masked(int32_t cpu)
{
	struct simple s = { .number = cpu };
	outside(masked, &s);
}

/* ---- the vCPU's side ---- */

static int handle(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	if (s->at == NULL) /* before the bit is cleared */
		return mk_note(c, MK_EV_CONSUME_BEGIN, s->v, (uint64_t)s->number, 0);
	if (c->vm->machine->handle(c, s->v, (unsigned)s->number) < 0)
		return -1;
	if (mk_note(c, MK_EV_CONSUME_END, s->v, (uint64_t)s->number, 0) < 0)
		return -1;
	return mk_point(c, MK_PT_VCPU_HANDLED, s->v) < 0 ? -1 : 0;
}
void mk_c_handle(mk_vcpu *v, unsigned nr, const struct mk_c_place *at)
{
	struct simple s = { .v = v, .number = (int)nr, .at = at };
	outside(handle, &s);
}
static int work_pending(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	mk_here(c, s->at->file, s->at->line);
	s->answer = c->vm->machine->work_pending(c);
	return s->answer < 0 ? -1 : 0;
}
void mk_c_handle_begin(mk_vcpu *v, unsigned nr)
{
	struct simple s = { .v = v, .number = (int)nr };
	outside(handle, &s);
}
int mk_c_work_pending(const struct mk_c_place *at)
{
	struct simple s = { .at = at };
	outside(work_pending, &s);
	return s.answer;
}
static int run_guest(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	struct mk_c_frame *f = c->frame;
	if (note_last_check(c, f) < 0) /* entered again without one */
		return -1;
	mk_remember(c, MK_PT_ENTRY_ENTER);
	if (mk_note(c, MK_EV_ENTRY_COMMIT, s->v, 0, 0) < 0 || mk_point(c, MK_PT_ENTRY_ENTER, s->v) < 0)
		return -1;
	f->entry = ENTRY_GUEST;
	f->ran = 1;
	mk_here(c, s->at->file, s->at->line);
	s->answer = c->vm->machine->enter_guest(c, s->v);
	if (s->answer < 0)
		return -1;
	mk_remember(c, MK_PT_ENTRY_EXIT);
	if (mk_point(c, MK_PT_ENTRY_EXIT, s->v) < 0 || mk_note(c, MK_EV_ENTRY_END, s->v, 0, 0) < 0)
		return -1;
	f->entry = s->answer ? ENTRY_LEFT_AGAIN : ENTRY_LEFT;
	return 0;
}
int mk_c_run_guest(mk_vcpu *v, const struct mk_c_place *at)
{
	struct simple s = { .v = v, .at = at };
	outside(run_guest, &s);
	return s.answer;
}

/* ---- masks ---- */

static int may_allocate(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	int verdict = mk_point(c, MK_PT_KICK_ALLOC, NULL);
	s->answer = verdict == MK_GO;
	return verdict < 0 ? -1 : 0;
}
static int give(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	s->memory = c->scratch;
	return 0;
}

void mk_c_put_cpu(void) { outside(put_cpu, NULL); }
void mk_c_call_many(const uint64_t *mask, int wait, const struct mk_c_place *at)
{
	struct simple s = { .mask = mask, .wait = wait, .at = at };
#ifdef MK_C_CHECKED
	plain_range(mask, mk_c_current->vm->mask_words * 8, 0, __builtin_return_address(0)); /* what is sent is what is read of it */
#endif
	outside(call_many, &s);
}

/* The context has memory for one mask; who takes a second one at the same time gets it from the heap, and it is kept. */
static __thread uint64_t *second_mask;
static uint64_t **second_of(struct mk_c_frame *f) { return f != NULL && f->own != NULL ? &f->own->second_mask : &second_mask; }
uint64_t *mk_c_alloc_mask(void)
{
	mk_ctx *c = mk_c_current;
	struct mk_c_frame *f = frame_here();
	int *used = f == NULL ? &mk_c_masks : &f->masks;
	struct simple s = { .answer = 1 };
	uint64_t *mask;
	if (f != NULL) {
		outside(may_allocate, &s);
		if (!s.answer)
			return NULL;
		outside(give, &s);
	}
	if (!(*used & 1)) {
		*used |= 1;
		mask = c->scratch;
	} else if (!(*used & 2)) {
		if (*second_of(f) == NULL)
			*second_of(f) = calloc(MK_MAX_PCPUS / 64, 8);
		mask = *second_of(f);
		if (mask == NULL)
			return NULL;
		*used |= 2;
	} else {
		return NULL; /* as when there is no memory */
	}
	memset(mask, 0, c->vm->mask_words * 8);
	return mask;
}
void mk_c_free_mask(uint64_t *mask)
{
	struct mk_c_frame *f = frame_here();
	int *used = f == NULL ? &mk_c_masks : &f->masks;
	if (mask != NULL)
		*used &= mask == *second_of(f) ? ~2 : ~1;
}

static __thread unsigned long *thread_targets;
unsigned long *mk_c_targets(mk_ctx *c, const uint64_t *targets)
{
	struct mk_c_frame *f = frame_here();
	unsigned long *long_targets;
	if (f != NULL && f->own != NULL) {
		long_targets = f->own->targets;
	} else {
		if (thread_targets == NULL)
			thread_targets = calloc(MK_MAX_VCPUS / 64, 8); /* for as long as the thread lives */
		long_targets = thread_targets;
		if (long_targets == NULL)
			mk_c_bug("no memory for a bitmap of KVM_MAX_VCPUS bits", __FILE__, __LINE__);
	}
	for (uint32_t i = 0; i < c->vm->vcpu_words; i++)
		long_targets[i] = targets != NULL ? targets[i] : ~0ul;
	if (c->vm->nr_vcpus % 64)
		long_targets[c->vm->vcpu_words - 1] &= ~0ul >> (64 - c->vm->nr_vcpus % 64);
	for (uint32_t i = c->vm->vcpu_words; i < MK_MAX_VCPUS / 64; i++)
		long_targets[i] = 0;
	return long_targets;
}

/* ---- warnings ---- */

struct warning { const char *condition, *file; int line; };
static int warn(mk_ctx *c, void *arg)
{
	struct warning *w = arg;
	struct mk_c_frame *f = c->frame;
	return f->self->api->warned(w->condition, w->file, w->line);
}
void mk_c_warn(int *warned, const char *condition, const char *file, int line)
{
	struct warning w = { condition, file, line };
	if (__atomic_exchange_n(warned, 1, __ATOMIC_RELAXED) == 0 && frame_here() != NULL)
		outside(warn, &w);
}
void mk_c_bug(const char *what, const char *file, int line)
{
	struct mk_c_frame *f = frame_here();
	if (f == NULL) {
		__builtin_trap(); /* a benchmark */
	}
	f->text = what;
	f->file = file;
	f->line = (unsigned)line;
	leave(f, MK_C_LEFT_BUG);
}
