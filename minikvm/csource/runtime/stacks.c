/* stacks.c: checked calls, each on the stack of its thread. Part of frames.c. */
#include <sys/mman.h>
#include <stdlib.h>
#include <ucontext.h>

#define MK_C_STACKS_AT ((uintptr_t)0x3d6b00000000) /* anywhere, and mostly free */

enum status { RUNNING, DONE, OPERATION };
struct thread {
	struct mk_c_frame frame;
	struct mk_c_own own;
	jmp_buf base;   /* where a job begins */
	jmp_buf inside; /* where the user's code goes on */
	char *low, *high;
	uint32_t index; /* in self->threads */
	int status;
	int (*fn)(struct mk_c_job *);
	struct mk_c_job *job;
	int (*op)(mk_ctx *, void *);
	void *arg;
};

#include "words.c"

static struct thread *making; /* under the GIL */

static void stack_main(void)
{
	struct thread *t = making;
	if (_setjmp(t->base) == 0)
		_longjmp(t->frame.out, 1);
	t->job->result = t->fn(t->job);
	collect_write();
	t->status = DONE;
	_longjmp(t->frame.out, 1);
}

static struct thread *make_thread(uint32_t index)
{
	struct thread *t = calloc(1, sizeof(*t));
	ucontext_t here, there;
	if (t == NULL)
		return NULL;
	/*
	 * With a page below that nobody may touch: a recursion without an end is a fault. At the same address in every process, if it is free: a
	 * pointer to a local variable is a value that a schedule file shows, and a replay compares.
	 */
	t->low = mmap((void *)(MK_C_STACKS_AT + (uintptr_t)index * MK_C_STACK), MK_C_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->low == MAP_FAILED) {
		free(t);
		return NULL;
	}
	mprotect(t->low, 4096, PROT_NONE);
	t->high = t->low + MK_C_STACK;
	getcontext(&there);
	there.uc_stack.ss_sp = t->low;
	there.uc_stack.ss_size = MK_C_STACK;
	there.uc_link = NULL;
	makecontext(&there, stack_main, 0);
	making = t;
	if (_setjmp(t->frame.out) == 0)
		swapcontext(&here, &there);
	return t;
}

void free_stacks(struct mk_c_plugin *self)
{
	for (uint32_t i = 0; i < self->nthreads; i++) {
		struct thread *t = self->threads[self->in_use[i]];
		munmap(t->low, MK_C_STACK);
		for (int n = 0; n < MK_C_MORE_MASKS; n++)
			free(t->own.more_masks[n]);
		free(t);
	}
	self->nthreads = 0;
}

static struct thread *thread_of(mk_ctx *c, struct mk_c_plugin *self)
{
	struct mk_c_frame *outer = c->frame;
	uint32_t depth = outer == NULL ? 0 : (uint32_t)outer->depth + 1;
	size_t i = (size_t)c->id * MK_C_MAX_DEPTH + depth;
	if (depth >= MK_C_MAX_DEPTH || c->id >= MK_C_MAX_CONTEXTS)
		return NULL;
	if (self->threads[i] == NULL) {
		struct thread *t = make_thread((uint32_t)i);
		if (t == NULL || self->nthreads == MK_C_MAX_STACKS)
			return NULL;
		t->index = (uint32_t)i;
		self->threads[i] = t;
		self->in_use[self->nthreads++] = (uint32_t)i;
	}
	return self->threads[i];
}

int call_user(mk_ctx *c, struct mk_c_plugin *self, uint32_t req, int (*fn)(struct mk_c_job *), struct mk_c_job *job)
{
	struct thread *const t = thread_of(c, self);
	struct mk_c_frame *const f = t == NULL ? NULL : &t->frame;
	struct mk_c_frame *const outer = c->frame;
	volatile int begun = 0;
	int r;
	if (t == NULL) {
		struct mk_c_frame none = { .c = c, .self = self, .why = MK_C_LEFT_BUG, .text = "no memory for the stack of a call, or too many calls in one another" };
		return self->api->failed(&none);
	}
	f->c = c;
	f->prev = outer;
	f->self = self;
	memset((char *)f + offsetof(struct mk_c_frame, why), 0, sizeof(*f) - offsetof(struct mk_c_frame, why));
	f->req = req;
	f->call = ++mk_c_thread.calls;
	f->is_loop = job->is_loop;
	f->depth = outer == NULL ? 0 : outer->depth + 1;
	f->thread = t;
	f->own = &t->own;
	f->stack_low = t->low + 4096;
	f->blocks_allowed = self->max_blocks;
	c->frame = f;
	t->fn = fn;
	t->job = job;
	plain_begin(f);
	if (mk_unlikely(!mk_c_thread.ready))
		self->api->prepare();
	for (;;) {
		mk_c_current = c;
		t->status = RUNNING;
		if (_setjmp(f->out) == 0) {
			*cell = f;
			if (begun)
				_longjmp(t->inside, 1);
			begun = 1;
			_longjmp(t->base, 1);
		}
		*cell = NULL;
		if (f->why != MK_C_LEFT_NOT) {
			c->frame = outer;
			return f->why == MK_C_LEFT_EXCEPTION ? -1 : self->api->failed(f);
		}
		if (t->status == DONE)
			break;
		r = t->op(c, t->arg);
		if (r < 0) {
			c->frame = outer;
			return -1;
		}
		if (r == MK_C_END) {
			job->result = 0;
			break;
		}
	}
	r = handle_owed(c, NULL) < 0 ? -1 : note_looked(c, f);
	c->frame = outer;
	return r;
}

void outside_quietly(int (*fn)(mk_ctx *, void *), void *arg)
{
	struct mk_c_frame *f = *cell;
	struct thread *t = f->thread;
	t->op = fn;
	t->arg = arg;
	t->status = OPERATION;
	if (_setjmp(t->inside) == 0)
		_longjmp(f->out, 1);
}

void outside(int (*fn)(mk_ctx *, void *), void *arg)
{
	struct mk_c_frame *f = *cell;
	collect_write();
	if (++f->operations > f->self->max_operations)
		leave(f, MK_C_LEFT_LOOP);
	if (f->owed && fn != fence)
		outside_quietly(handle_owed, NULL);
	outside_quietly(fn, arg);
}

void leave(struct mk_c_frame *f, int why)
{
	f->why = why;
	_longjmp(f->out, 1);
}
