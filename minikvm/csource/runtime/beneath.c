/*
 * beneath.c: what watched code asks of the machine and of the vCPU's side: preemption, IRQs, IPIs, wake-ups, the guest; and masks and warnings.
 */
#include "runtime.h"
#include <stdlib.h>

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

int handle_owed(mk_ctx *c, void *arg)
{
	struct mk_c_frame *f = c->frame;
	uint64_t owed = f->owed;
	(void)arg;
	if (owed == 0)
		return 0;
	f->owed = 0;
	for (uint64_t bits = owed; bits; bits &= bits - 1)
		if (c->vm->machine->handle(c, c->vcpu, (unsigned)__builtin_ctzll(bits)) < 0)
			return -1;
	if (mk_note(c, MK_EV_CONSUME_END, c->vcpu, (uint64_t)__builtin_ctzll(owed), 0) < 0)
		return -1;
	return mk_point(c, MK_PT_VCPU_HANDLED, c->vcpu) < 0 ? -1 : 0;
}
void mk_c_handle(void) { outside(handle_owed, NULL); }
static int work_pending(mk_ctx *c, void *arg)
{
	struct simple *s = arg;
	mk_here(c, s->at->file, s->at->line);
	s->answer = c->vm->machine->work_pending(c);
	return s->answer < 0 ? -1 : 0;
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

void mk_c_put_cpu(void) { outside(put_cpu, NULL); }
void mk_c_call_many(const uint64_t *mask, int wait, const struct mk_c_place *at)
{
	struct simple s = { .mask = mask, .wait = wait, .at = at };
#ifdef MK_C_CHECKED
	plain_range(mask, mk_c_current->vm->mask_words * 8, 0, __builtin_return_address(0)); /* what is sent is what is read of it */
#endif
	outside(call_many, &s);
}

/* The context has memory for one mask; who holds more at the same time gets them from the heap, and they are kept. */
static __thread uint64_t *more_masks[MK_C_MORE_MASKS];
static uint64_t **more_of(struct mk_c_frame *f) { return f != NULL && f->own != NULL ? f->own->more_masks : more_masks; }
uint64_t *mk_c_alloc_mask(const char *file, int line)
{
	mk_ctx *c = mk_c_current;
	struct mk_c_frame *f = frame_here();
	int *used = f == NULL ? &mk_c_masks : &f->masks, n = 0;
	struct simple s = { .answer = 1 };
	uint64_t *mask = c->scratch;
	if (f != NULL) {
		outside(may_allocate, &s);
		if (!s.answer)
			return NULL;
	}
	while (*used >> n & 1)
		n++;
	if (n > MK_C_MORE_MASKS)
		mk_c_bug("zalloc_cpumask_var(): more than " MK_C_TEXT(MK_C_MASKS) " cpumasks at the same time; is one not freed?", file, line);
	if (n > 0) {
		uint64_t **kept = &more_of(f)[n - 1];
		if (*kept == NULL)
			*kept = calloc(MK_MAX_PCPUS / 64, 8);
		mask = *kept;
		if (mask == NULL)
			return NULL;
	}
	*used |= 1 << n;
	memset(mask, 0, c->vm->mask_words * 8);
	return mask;
}
void mk_c_free_mask(uint64_t *mask)
{
	struct mk_c_frame *f = frame_here();
	int *used = f == NULL ? &mk_c_masks : &f->masks, n = 0;
	if (mask == NULL)
		return;
	while (n < MK_C_MORE_MASKS && more_of(f)[n] != mask)
		n++;
	*used &= n < MK_C_MORE_MASKS ? ~(1 << (n + 1)) : ~1;
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
