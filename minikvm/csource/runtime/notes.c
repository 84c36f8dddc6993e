/*
 * notes.c: what the user's accesses mean to those who watch. The kick path in core/ says it itself; here it is taken from what is accessed:
 * a bit set in vcpu->requests is a request made, a look at another vCPU's mode decides about an IPI, what is put into a cpumask after
 * vcpu->cpu was read is that vCPU's pCPU.
 */
#include "runtime.h"

static int is_load(const struct mk_c_access *a) { return a->op == -1; }
static int is_store(const struct mk_c_access *a) { return a->op == -2; }

int note_looked(mk_ctx *c, struct mk_c_frame *f)
{
	struct mk_c_look *l = &f->look;
	/* Its pCPU was read and not taken: it had none, or it is the current one (the form before 5.16 does not look at the mode then). */
	if (l->v != NULL && l->have_cpu && (l->cpu < 0 || l->cpu == c->pcpu) && !l->masked && !l->woken && (!l->have_mode || l->needs) &&
	    mk_note(c, MK_EV_MASKED, l->v, (uint32_t)l->cpu, 0) < 0)
		return -1;
	memset(l, 0, sizeof(*l));
	return 0;
}

static int look_at(mk_ctx *c, struct mk_c_frame *f, mk_vcpu *v)
{
	if (f->look.v == v)
		return 0;
	if (note_looked(c, f) < 0)
		return -1;
	f->look.v = v;
	return 0;
}

int note_plain(mk_ctx *c, struct mk_c_frame *f)
{
	struct mk_c_access a = f->plain;
	enum field field;
	mk_vcpu *v;
	if (a.p == NULL)
		return 0;
	f->plain.p = NULL;
	field = field_of(c, a.p, &v);
	return note_after(c, f, &a, field, v, a.value);
}

int note_masked(mk_ctx *c, struct mk_c_frame *f, int32_t cpu)
{
	struct mk_c_look *l = &f->look;
	if (l->v == NULL || !l->have_cpu || l->cpu != cpu)
		return 0; /* not a vCPU's: then the report counts its IPI as one that nobody asked for */
	l->masked = 1;
	return mk_note(c, MK_EV_MASKED, l->v, (uint32_t)cpu, 1);
}

/* What the truth table of docs/protocol.md says of a mode. */
static int needs_ipi(uint32_t mode, uint32_t req)
{
	return req & MK_REQ_WAIT ? mode != MK_OUTSIDE_GUEST_MODE : mode == MK_IN_GUEST_MODE;
}

static int mode_seen(mk_ctx *c, struct mk_c_frame *f, mk_vcpu *v, uint32_t mode)
{
	int needs = needs_ipi(mode, f->req);
	if (look_at(c, f, v) < 0)
		return -1;
	f->look.have_mode = 1;
	f->look.needs = needs;
	if (mk_note(c, MK_EV_MODE, v, mode, (uint64_t)needs) < 0)
		return -1;
	return mk_point(c, MK_PT_KICK_MODE, v) < 0 ? -1 : 0;
}

static int passed(mk_ctx *c, int point, mk_vcpu *v)
{
	mk_remember(c, point);
	return mk_point(c, point, v) < 0 ? -1 : 0;
}

/*
 * The vCPU's own mode. An entry begins before IN_GUEST_MODE is stored and has ended when the guest is left, before OUTSIDE_GUEST_MODE is
 * stored. A plain store of live code is not seen: then what it means is told at the next operation, which is late by a few instructions.
 * For a beginning that can hide an offence against P2 and invent none; the end of an entry into the guest is told by mk_c_run_guest(); an
 * aborted one is of no interest to P2.
 */
static int begin_entry(mk_ctx *c, struct mk_c_frame *f, mk_vcpu *v)
{
	f->entry = ENTRY_PREPARED;
	f->seen = 0;
	return passed(c, MK_PT_ENTRY_IRQS_OFF, v) < 0 ? -1 : mk_note(c, MK_EV_ENTRY_BEGIN, v, 0, 0);
}

static int end_entry(mk_ctx *c, struct mk_c_frame *f, mk_vcpu *v)
{
	int entry = f->entry;
	f->entry = ENTRY_NONE;
	if (entry == ENTRY_PREPARED && /* the guest was not entered */
	    (mk_note(c, MK_EV_ENTRY_ABORT, v, f->seen, f->seen == 0) < 0 || passed(c, MK_PT_ENTRY_ABORT, v) < 0))
		return -1;
	return entry == ENTRY_PREPARED || entry == ENTRY_AGAIN ? mk_note(c, MK_EV_ENTRY_END, v, 0, 0) : 0;
}

int note_own_mode(mk_ctx *c, struct mk_c_frame *f)
{
	mk_vcpu *v = c->vcpu;
	uint32_t mode;
	if (!f->is_loop || v == NULL)
		return 0;
	mode = mk_bare_load32(&v->mode, MK_RELAXED);
	if (mode == MK_OUTSIDE_GUEST_MODE && f->entry != ENTRY_NONE)
		return end_entry(c, f, v) < 0 ? -1 : passed(c, MK_PT_ENTRY_OUTSIDE, v);
	if (mode == MK_IN_GUEST_MODE && f->entry == ENTRY_NONE)
		return begin_entry(c, f, v);
	return 0;
}

int note_last_check(mk_ctx *c, struct mk_c_frame *f)
{
	if (f->entry != ENTRY_LEFT_AGAIN)
		return 0;
	f->entry = ENTRY_AGAIN; /* a fast-path exit: the mode was IN_GUEST_MODE all along, and the last check is repeated */
	return mk_note(c, MK_EV_ENTRY_BEGIN, c->vcpu, 0, 0);
}

/* A store that is seen, before and after it. */
static int own_mode(mk_ctx *c, struct mk_c_frame *f, mk_vcpu *v, uint32_t mode, int before)
{
	if (before) {
		if (mode == MK_IN_GUEST_MODE)
			return begin_entry(c, f, v);
		if (mode != MK_OUTSIDE_GUEST_MODE)
			return 0;
		return f->in_walk ? mk_note(c, MK_EV_WALK_END, v, 0, 0) : end_entry(c, f, v);
	}
	if (mode == MK_IN_GUEST_MODE)
		return passed(c, MK_PT_ENTRY_MODE, v);
	if (mode == MK_READING_SHADOW_PAGE_TABLES) {
		f->in_walk = 1;
		return mk_note(c, MK_EV_WALK_BEGIN, v, 0, 0);
	}
	f->in_walk = 0;
	return mode == MK_OUTSIDE_GUEST_MODE ? passed(c, MK_PT_ENTRY_OUTSIDE, v) : 0;
}

static int may_clear(const struct mk_c_access *a)
{
	int op = a->op & MK_RMW_OPS;
	return !is_load(a) && !is_store(a) && ((op == MK_AND && ~a->operand) || op == MK_XCHG || op == MK_CMPXCHG);
}

int note_before(mk_ctx *c, struct mk_c_frame *f, const struct mk_c_access *a, enum field field, mk_vcpu *v)
{
	if (c->vcpu != v || v == NULL || !f->is_loop)
		return 0;
	if (field == FIELD_MODE && is_store(a))
		return own_mode(c, f, v, (uint32_t)a->operand, 1);
	if (field == FIELD_REQUESTS && may_clear(a))
		return mk_note(c, MK_EV_CONSUME_BEGIN, v, (a->op & MK_RMW_OPS) == MK_AND ? (uint64_t)__builtin_ctzll(~a->operand) : 0, 0);
	return is_load(a) ? note_last_check(c, f) : 0;
}

static int requests_changed(mk_ctx *c, struct mk_c_frame *f, const struct mk_c_access *a, mk_vcpu *v, uint64_t old)
{
	int own = f->is_loop && c->vcpu == v;
	uint64_t set = 0, cleared = 0, bit;
	switch (a->op & MK_RMW_OPS) {
	case MK_OR: set = a->operand; break;
	case MK_AND: cleared = ~a->operand; break;
	case MK_XCHG: set = a->operand & ~old; cleared = old & ~a->operand; break;
	case MK_CMPXCHG:
		if (old == a->expected) {
			set = a->operand & ~old;
			cleared = old & ~a->operand;
		}
		break;
	default: break;
	}
	for (; set; set &= set - 1) {
		bit = (uint64_t)__builtin_ctzll(set);
		if (mk_note(c, MK_EV_MADE, v, bit, old >> bit & 1) < 0 || mk_point(c, MK_PT_KICK_MADE, v) < 0)
			return -1;
	}
	for (; cleared; cleared &= cleared - 1) {
		bit = (uint64_t)__builtin_ctzll(cleared);
		if (!own ? mk_note(c, MK_EV_CLEARED, v, bit, old >> bit & 1) < 0 : old >> bit & 1 && mk_note(c, MK_EV_CONSUMED, v, bit, 1) < 0)
			return -1;
		if (own)
			f->owed |= old & UINT64_C(1) << bit;
	}
	return own && may_clear(a) && !f->owed ? mk_note(c, MK_EV_CONSUME_END, v, 0, 0) : 0;
}

int note_after(mk_ctx *c, struct mk_c_frame *f, const struct mk_c_access *a, enum field field, mk_vcpu *v, uint64_t old)
{
	switch (field) {
	case FIELD_REQUESTS:
		if (c->vcpu == v && is_load(a)) {
			f->seen = old;
			return f->entry == ENTRY_NONE ? passed(c, MK_PT_VCPU_CHECK, v) : 0;
		}
		if (is_load(a) || is_store(a))
			return 0;
		if (c->vcpu != v && look_at(c, f, v) < 0)
			return -1;
		return requests_changed(c, f, a, v, old);
	case FIELD_MODE:
		if (c->vcpu == v)
			return is_store(a) ? own_mode(c, f, v, (uint32_t)a->operand, 0) : 0;
		return is_store(a) ? 0 : mode_seen(c, f, v, (uint32_t)old);
	case FIELD_CPU:
		if (!is_load(a))
			return 0;
		if (look_at(c, f, v) < 0)
			return -1;
		f->look.cpu = (int32_t)old;
		f->look.have_cpu = 1;
		return mk_point(c, MK_PT_KICK_CPU_READ, v) < 0 ? -1 : 0;
	default:
		return 0;
	}
}
