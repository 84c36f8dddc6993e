/* frames.c: calls into the user's code, live; and the tables that minikvm calls. Checked code has stacks.c instead of the middle part. */
#include "runtime.h"

#define cell (&mk_c_thread.frame)

struct mk_c_frame *frame_here(void) { return mk_c_thread.frame; }

enum field field_of(const mk_ctx *c, const volatile void *p, mk_vcpu **vcpu)
{
	size_t offset = (size_t)((const char *)p - (const char *)c->vm->vcpus);
	*vcpu = NULL;
	if (offset >= (size_t)c->vm->nr_vcpus * sizeof(mk_vcpu))
		return FIELD_NONE;
	*vcpu = &c->vm->vcpus[offset / sizeof(mk_vcpu)];
	switch (offset % sizeof(mk_vcpu)) {
	case offsetof(mk_vcpu, requests): return FIELD_REQUESTS;
	case offsetof(mk_vcpu, mode): return FIELD_MODE;
	case offsetof(mk_vcpu, cpu): return FIELD_CPU;
	case offsetof(mk_vcpu, wait): return FIELD_WAIT;
	case offsetof(mk_vcpu, strategy): return FIELD_STRATEGY;
	default: return FIELD_PRIVATE;
	}
}

#ifdef MK_C_CHECKED
#define LEFT_BY_LOOP MK_C_LEFT_LOOP
#else
#define LEFT_BY_LOOP MK_C_LEFT_END
void outside(int (*fn)(mk_ctx *, void *), void *arg)
{
	struct mk_c_frame *f = frame_here();
	mk_ctx *c = mk_c_current;
	int r;
	if (f == NULL) { /* bare */
		if (!mk_c_failed && fn(c, arg) != 0)
			mk_c_failed = 1;
		return;
	}
	f->operations++;
	*cell = NULL;
	if (mk_unlikely(f->plain.p != NULL) && note_plain(c, f) < 0)
		leave(f, MK_C_LEFT_EXCEPTION);
	if (f->is_loop && note_own_mode(c, f) < 0)
		leave(f, MK_C_LEFT_EXCEPTION);
	if (mk_unlikely(f->owed) && fn != fence && handle_owed(c, NULL) < 0)
		leave(f, MK_C_LEFT_EXCEPTION);
	r = fn(c, arg);
	*cell = f;
	mk_c_current = c;
	if (mk_unlikely(r < 0))
		leave(f, MK_C_LEFT_EXCEPTION);
	if (mk_unlikely(r == MK_C_END))
		leave(f, MK_C_LEFT_END);
}

static int nothing(mk_ctx *c, void *arg)
{
	(void)c;
	(void)arg;
	return 0;
}
void tell_plain(void)
{
	if (frame_here()->plain.p != NULL)
		outside(nothing, NULL);
}

void leave(struct mk_c_frame *f, int why)
{
	f->why = why;
	*cell = NULL;
	_longjmp(f->out, 1);
}

int call_user(mk_ctx *c, struct mk_c_plugin *self, uint32_t req, int (*fn)(struct mk_c_job *), struct mk_c_job *job)
{
	struct mk_c_frame f;
	mk_ctx *before = mk_c_current;
	int r = 0;
	memset(&f, 0, offsetof(struct mk_c_frame, out));
	memset((char *)&f + offsetof(struct mk_c_frame, why), 0, sizeof(f) - offsetof(struct mk_c_frame, why));
	if (mk_unlikely(!mk_c_thread.ready))
		self->api->prepare();
	f.c = c;
	f.prev = c->frame;
	f.self = self;
	f.req = req;
	f.call = ++mk_c_thread.calls;
	f.is_loop = job->is_loop;
	c->frame = &f;
	mk_c_current = c;
	if (_setjmp(f.out) == 0) {
		*cell = &f;
		job->result = fn(job);
		*cell = NULL;
	}
	c->frame = f.prev;
	mk_c_current = before;
	if (f.why == MK_C_LEFT_EXCEPTION)
		return -1;
	if (f.why == MK_C_LEFT_END) {
		job->result = 0;
		return 0;
	}
	if (f.why != MK_C_LEFT_NOT)
		return self->api->failed(&f);
	c->frame = &f;
	r = note_plain(c, &f) < 0 || note_own_mode(c, &f) < 0 || handle_owed(c, NULL) < 0 ? -1 : note_looked(c, &f);
	c->frame = f.prev;
	return r;
}
#endif

/* A basic block of the user's code begins. */
void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void)
{
	struct mk_c_frame *f = frame_here();
	if (f == NULL)
		return;
	f->blocks_at[f->blocks++ % 8] = __builtin_return_address(0);
#ifndef MK_C_CHECKED
	/* Live, only the VM's end counts: what does not come to its own end soon after it never does. */
	if (mk_likely(mk_bare_load32(&f->c->vm->stopping, MK_RELAXED) == 0)) {
		f->blocks_allowed = f->blocks + f->self->max_blocks;
		return;
	}
#endif
	if (mk_unlikely(f->blocks > f->blocks_allowed))
		leave(f, LEFT_BY_LOOP);
}

/* ---- the tables ---- */

#ifdef MK_C_STRATEGY
int mk_c_watched_dispatch(mk_ctx *c, uint32_t req, const uint64_t *targets);
static int watched_dispatch(struct mk_c_job *job) { return mk_c_watched_dispatch(mk_c_current, job->req, job->targets); }
MK_C_HIDDEN int mk_c_call_watched(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets);
int mk_c_call_watched(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets)
{
	struct mk_c_job job = { .req = req, .targets = targets };
	if (call_user(c, s->self, req, watched_dispatch, &job) < 0)
		return -1;
	return job.result != 0;
}
#ifdef MK_C_CHECKED
#define DISPATCH mk_c_call_watched
#else
#define DISPATCH mk_c_bare_dispatch /* which asks whether somebody watches */
int mk_c_bare_dispatch(mk_ctx *c, const mk_strategy *s, uint32_t req, const uint64_t *targets);
#endif
#endif
#ifdef MK_C_LOOP
int mk_c_watched_enter(mk_vcpu *v);
static int watched_enter(struct mk_c_job *job)
{
	mk_c_watched_enter(job->v);
	return frame_here()->ran;
}
static int enter(mk_ctx *c, const mk_loop *l, mk_vcpu *v)
{
	struct mk_c_job job = { .is_loop = 1, .v = v };
	if (call_user(c, l->self, 0, watched_enter, &job) < 0)
		return -1;
	return job.result != 0;
}
#endif

static int begin(struct mk_c_plugin *self)
{
	(void)self;
#ifdef MK_C_STRATEGY
	self->strategy.abi = MK_ABI;
	self->strategy.size = sizeof(mk_strategy);
	self->strategy.self = self;
	self->strategy.dispatch = DISPATCH;
#endif
#ifdef MK_C_LOOP
	self->loop.abi = MK_ABI;
	self->loop.size = sizeof(mk_loop);
	self->loop.self = self;
	self->loop.enter = enter;
#endif
	return 0;
}
#ifdef MK_C_CHECKED
void free_stacks(struct mk_c_plugin *self);
#endif
static void end(struct mk_c_plugin *self)
{
	(void)self;
#ifdef MK_C_CHECKED
	free_stacks(self);
#endif
}
__attribute__((visibility("default"))) const mk_c_library mk_c_entry = {
	.abi = MK_ABI, .size = sizeof(struct mk_c_library), .begin = begin, .end = end,
};
#ifdef MK_C_CHECKED
#include "stacks.c"
#endif
