/*
 * words.c: which memory the explorer has to know of, and in which pieces. Part of stacks.c.
 *
 * Two things show only when the code runs: that a variable on a stack is used by several threads, and that a word is accessed as a whole
 * here and in pieces there (`struct waiter me = { 0 }` is one store of 8 bytes). When one does, the exploration begins anew and is told
 * (mk_c_plugin.exposed).
 */

/* The word of 8 bytes that a byte is in, the same in every execution and process: which stack, and how far from its end. */
static uint64_t word_of(const struct thread *t, const volatile void *p)
{
	return (uint64_t)t->index << 32 | (uint64_t)(t->high - (const char *)p + 7) / 8;
}
#define LIBRARY (UINT64_C(0xfffffff) << 32) /* its own variables, instead of a stack */

static bool exposed(const struct mk_c_plugin *self, uint64_t word)
{
	for (uint32_t i = 0; i < self->nexposed; i++)
		if (self->exposed[i] == word)
			return true;
	return false;
}

static int expose(mk_ctx *c, void *arg)
{
	struct mk_c_frame *f = c->frame;
	return f->self->api->expose(f->self, *(uint64_t *)arg);
}

/* The thread on whose stack it is, or NULL. */
static struct thread *owner_of(struct mk_c_plugin *self, const volatile void *p)
{
	for (uint32_t i = 0; i < self->nthreads; i++) {
		struct thread *t = self->threads[self->in_use[i]];
		if ((const char *)p >= t->low && (const char *)p < t->high)
			return t;
	}
	return NULL;
}

bool on_own_stack(const struct mk_c_frame *f, const volatile void *p)
{
	const struct thread *t = f->thread;
	return (const char *)p >= t->low && (const char *)p < t->high;
}

/*
 * A variable on a stack is its thread's own, and its accesses cost nothing, until another thread touches it (or its own thread waits for it
 * to change): then the exploration begins anew, with that word as one of its variables.
 */
bool is_shared(mk_ctx *c, const volatile void *p)
{
	struct mk_c_frame *f = c->frame;
	enum field field;
	mk_vcpu *v;
	if (on_own_stack(f, p))
		return f->self->nexposed != 0 && exposed(f->self, word_of(f->thread, p));
	if ((const char *)p >= f->self->data && (const char *)p < f->self->data_end)
		return true;
	field = field_of(c, p, &v);
	if (field != FIELD_NONE)
		return field != FIELD_PRIVATE;
	return owner_of(f->self, p) != NULL;
}

int make_shared(mk_ctx *c, const volatile void *p)
{
	struct mk_c_frame *f = c->frame;
	struct thread *t = owner_of(f->self, p);
	uint64_t word;
	if (t == NULL)
		return 0;
	word = word_of(t, p);
	return exposed(f->self, word) ? 0 : expose(c, &word);
}

/* ---- pieces ---- */

static uint64_t any_word(mk_ctx *c, const volatile void *p)
{
	struct mk_c_plugin *self = ((struct mk_c_frame *)c->frame)->self;
	struct thread *t = owner_of(self, p);
	if (t != NULL)
		return word_of(t, p);
	if ((const char *)p >= self->data && (const char *)p < self->data_end)
		return LIBRARY | (uint64_t)((const char *)p - self->data) / 8;
	return 0;
}

/* In pieces of how many bytes a word is accessed, as far as is known: 8 where nothing is. */
int pieces_of(mk_ctx *c, const volatile void *p)
{
	struct mk_c_plugin *self = ((struct mk_c_frame *)c->frame)->self;
	uint64_t word = any_word(c, p);
	for (uint32_t i = 0; word != 0 && i < self->nexposed; i++)
		if (self->exposed[i] << 4 == word << 4 && self->exposed[i] >> 60 != 0)
			return (int)(self->exposed[i] >> 60);
	return 8;
}

/* An access of so many bytes is made: 0, or -1 where it shows that plain accesses of the word have to be taken apart. */
int take_size(mk_ctx *c, const volatile void *p, int size, bool plain)
{
	struct mk_c_plugin *self = ((struct mk_c_frame *)c->frame)->self;
	uint64_t word = any_word(c, p), piece;
	uint32_t i;
	if (word == 0)
		return 0;
	for (i = 0; i < self->nwords; i++)
		if (self->words[i].word == word)
			break;
	if (i == self->nwords) {
		if (i < MK_C_MAX_WORDS) {
			self->words[self->nwords].word = word;
			self->words[self->nwords++].size = size;
		}
		return 0;
	}
	if (size == self->words[i].size)
		return 0;
	/* The explorer refuses what remains mixed: an atomic access of the whole. */
	piece = (uint64_t)(size < self->words[i].size ? size : self->words[i].size);
	if ((size > self->words[i].size && !plain) || pieces_of(c, p) <= (int)piece)
		return 0;
	piece = piece << 60 | word;
	return expose(c, &piece);
}
