"""The Linux kernel's memory model, without RCU and SRCU.

Sources: tools/memory-model/linux-kernel.{cat,bell,def}, lock.cat and Documentation/explanation.txt of Linux 6.1 and later (with the
rmw-sequences of 6.3); Alglave, Maranget, McKenney, Parri and Stern, Frightening Small Children and Disconcerting Grown-ups, ASPLOS 2018.
The axioms:
  acyclic(po-loc U rf U co U fr)         (coherence)         empty(rmw & (fre; coe))    (atomic: the explorer's own)
  acyclic(hb)                            (happens-before)    acyclic(pb)                (propagation)
  ppo = to-r U to-w U fence U (po-unlock-lock-po & int)
  to-w = ((addr U data U ctrl); [W]) U ((co U fr) & int)     to-r = (addr; [R]) U ((addr U data); [Marked]; rfi)
  cumul-fence = (rfe?; (strong-fence U po-rel) U wmb U po-unlock-lock-po); (rf; rmw)*
  prop = ((co U fr) & ext)?; cumul-fence*; rfe?
  hb = ppo U rfe U ((prop \\ id) & int)   pb = prop; strong-fence; hb*

What each operation is: docs/protocol.md. In particular an RMW is two events: smp_wmb orders only its write, smp_rmb only its read, and not
even that when it returns no value; smp_mb__before_atomic orders what is before it against the next RMW and what follows that,
smp_mb__after_atomic the last RMW and what is before that against what follows; an RMW that fails is a relaxed read, ordered by those two
as any RMW. A seq_cst fence is smp_mb; C11's other fences are nothing. A seq_cst access, which the kernel has not, is an acquire or a
release. spin_unlock is a release store to what the thread has locked. Starting and joining a thread are strong fences.

  empty(wr-incoh U rw-incoh U ww-incoh)                  (plain-coherence: only with LKMM(plain=True))

Not as in the kernel's: executions with a cycle in po and rf are not looked at (the explorer finds none). In compiled strategies, and in
programs unless LKMM(plain=True) is asked, plain accesses count as marked ones, untorn and unrepeated (plain-coherence then asks nothing
new); races.pyx takes them as what they are. A compiled program states no dependencies and has none here: more is allowed, never less.
"""
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset
from minikvm.check.graph cimport EF_RMW, EV_READ, EV_WRITE, NONE, event, mk_graph
from minikvm.check.model cimport CONSISTENT, HOPELESS, INCONSISTENT, MODEL_KERNEL_RACES, mk_model, model_capsule
from minikvm.check.models._bounds cimport ask, bounds, bounds_of
from minikvm.check.models._kernel cimport LK_PLAIN, LK_WRITE, add_inside, kernel_base, kernel_graph, lk_node
from minikvm.check.models._places cimport coherent
from minikvm.check.models._relation cimport __builtin_ctzll, acyclic, add_image, add_set, has, keep, next_in, put, relation, row
from minikvm.check.models.sc cimport closes_cycle
from minikvm.check.scratch cimport SCRATCH_MODEL
from minikvm.core.world cimport MK_ABI, MK_PLAIN

from minikvm.kinds import MemoryModel


cdef void cumulative_fence(const kernel_graph *k, int32_t x, uint64_t *set) noexcept nogil:
    """Of one node: cumul-fence = [Marked]; ((rfe; [Marked])?; (strong-fence | po-rel) | wmb | po-unlock-lock-po); [Marked]; rmw-sequence"""
    cdef int32_t y, z
    if not has(k.marked, x):
        return
    add_set(set, row(&k.strong, x), k.words)
    add_set(set, row(&k.po_rel, x), k.words)
    add_set(set, row(&k.wmb, x), k.words)
    add_set(set, row(&k.unlock, x), k.words)
    y = next_in(row(&k.rfe, x), 0, k.words)
    while y >= 0:
        if has(k.marked, y):
            add_set(set, row(&k.strong, y), k.words)
            add_set(set, row(&k.po_rel, y), k.words)
        y = next_in(row(&k.rfe, x), y + 1, k.words)
    keep(set, k.marked, k.words)
    y = next_in(set, 0, k.words)
    while y >= 0:
        z = k.node[y].next_rmw
        while z >= 0 and not has(set, z):
            put(set, z)
            z = k.node[z].next_rmw
        y = next_in(set, y + 1, k.words)


cdef bint kernel_derive(kernel_graph *k) noexcept nogil:
    """
    prop = [Marked]; (overwrite & ext)?; cumul-fence*; [Marked]; rfe?; [Marked]
    hb = [Marked]; (ppo | rfe | ((prop \\ id) & int)); [Marked]
    pb = prop; strong-fence; hb*; [Marked]
    """
    cdef int32_t x, words = k.words
    cdef relation *step = &k.pb      # rows of pb and hb* are in use only later
    cdef relation *tail = &k.hbs
    cdef uint64_t *set
    for x in range(k.n):
        cumulative_fence(k, x, row(step, x))
    acyclic(step, &k.cumul, k.order, k.order + k.n)  # it is within po U rf
    for x in range(k.n):
        set = row(tail, x)  # cumul-fence*; [Marked]; rfe?; [Marked]
        if has(k.marked, x):
            add_image(set, row(&k.cumul, x), &k.rfe)
            add_set(set, row(&k.cumul, x), words)
            keep(set, k.marked, words)
    for x in range(k.n):
        set = row(&k.prop, x)
        if has(k.marked, x):
            memset(row(step, x), 0, words * sizeof(uint64_t))
            add_inside(row(step, x), row(&k.overwrite, x), &k.node[x], words, False)
            put(row(step, x), x)
            add_image(set, row(step, x), tail)
    for x in range(k.n):
        set = row(&k.hb, x)
        if has(k.marked, x):
            add_inside(set, row(&k.prop, x), &k.node[x], words, True)
            set[x >> 6] &= ~((<uint64_t>1) << (x & 63))
            add_set(set, row(&k.fence, x), words)
            add_set(set, row(&k.to, x), words)
            add_set(set, row(&k.rfe, x), words)
            keep(set, k.marked, words)
    if not acyclic(&k.hb, &k.hbs, k.order, k.order + k.n):
        return False
    for x in range(k.n):
        set = row(&k.overwrite, x)  # not needed any more: the place for prop; strong-fence
        memset(set, 0, words * sizeof(uint64_t))
        memset(row(&k.pb, x), 0, words * sizeof(uint64_t))
        if has(k.marked, x):
            add_image(set, row(&k.prop, x), &k.strong)
            add_image(row(&k.pb, x), set, &k.hbs)
            keep(row(&k.pb, x), k.marked, words)
    return acyclic(&k.pb, NULL, k.order, k.order + k.n)


# ---- one addition: only what it leads to. Plain accesses count as marked ones here. ----

cdef enum:
    ENOUGH = 5  # nodes: then the rows of a relation have room for five sets


cdef int32_t take_fresh(const uint64_t *set, uint64_t *done, int32_t words) noexcept nogil:
    """An element of *set* that is not in *done*, which gets it; -1: there is none."""
    cdef int32_t w, x
    for w in range(words):
        if set[w] & ~done[w]:
            x = (w << 6) + __builtin_ctzll(set[w] & ~done[w])
            put(done, x)
            return x
    return -1


cdef void follow(kernel_graph *k, int32_t x, uint64_t *with_fences, uint64_t *done) noexcept nogil:
    """Row x of prop; and as row x of hb all that x is before in hb or in (prop; strong-fence): in a cycle, hb* after pb is steps of hb.

    *with_fences*: the nodes whose rows of cumul (a single cumul-fence) are there. *done*: room for a set.
    """
    cdef uint64_t *set = row(&k.prop, x)
    cdef uint64_t *before = row(&k.hb, x)
    cdef int32_t words = k.words, y
    memset(done, 0, words * sizeof(uint64_t))
    put(set, x)
    add_inside(set, row(&k.overwrite, x), &k.node[x], words, False)
    y = take_fresh(set, done, words)
    while y >= 0:
        if not has(with_fences, y):
            put(with_fences, y)
            cumulative_fence(k, y, row(&k.cumul, y))
        add_set(set, row(&k.cumul, y), words)
        y = take_fresh(set, done, words)
    add_image(set, done, &k.rfe)
    add_inside(before, set, &k.node[x], words, True)
    before[x >> 6] &= ~((<uint64_t>1) << (x & 63))
    add_set(before, row(&k.fence, x), words)
    add_set(before, row(&k.to, x), words)
    add_set(before, row(&k.rfe, x), words)
    add_image(before, set, &k.strong)


cdef bint leads_back(kernel_graph *k, const mk_graph *g, int32_t id, uint64_t *sets) noexcept nogil:
    """Is there a cycle of hb or pb through a node of this event? *sets*: room for five; the first two are kept from call to call."""
    cdef int32_t words = k.words, first = k.start[id], x, y
    cdef uint64_t *followed = sets
    cdef uint64_t *with_fences = sets + words
    cdef uint64_t *done = sets + 2 * words
    cdef uint64_t *reached = sets + 3 * words
    cdef uint64_t *visited = sets + 4 * words
    for x in range(first, first + (g.ev[id].kind & EV_READ != 0) + (g.ev[id].kind & EV_WRITE != 0)):
        memset(reached, 0, 2 * words * sizeof(uint64_t))
        y = x
        while y >= 0:
            if not has(followed, y):
                put(followed, y)
                follow(k, y, with_fences, done)
            add_set(reached, row(&k.hb, y), words)
            if has(reached, x):
                return True
            y = take_fresh(reached, visited, words)
    return False


cdef int closes_kernel_cycle(kernel_graph *k, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    # What e and r add to hb and prop starts or ends at them: nothing but r comes after e in po or rf, and nothing after r. So a new cycle
    # goes through one of them.
    cdef uint64_t *sets
    if k.n < ENOUGH:
        return not kernel_derive(k)
    sets = k.pb.rows
    return leads_back(k, g, e, sets) or (r != NONE and leads_back(k, g, r, sets))


cdef void forget_source(kernel_graph *k, const mk_graph *g, int32_t id) noexcept nogil:
    """Take back what a read's source brings, but that it is overwritten."""
    cdef const event *e = &g.ev[id]
    cdef size_t bytes = <size_t>k.n * k.words * sizeof(uint64_t)
    cdef int32_t w, x = k.start[id]
    cdef uint64_t others = ~((<uint64_t>1) << (x & 63))
    if e.rf >= 0 and g.ev[e.rf].thread != e.thread:
        row(&k.rfe, k.start[e.rf] + (g.ev[e.rf].kind & EV_READ != 0))[x >> 6] &= others
    elif e.rf >= 0:
        for w in range(k.n):  # (addr U data); [Marked]; rfi
            row(&k.to, w)[x >> 6] &= others
    memset(k.prop.rows, 0, bytes)
    memset(k.hb.rows, 0, bytes)
    memset(k.cumul.rows, 0, bytes)
    memset(k.pb.rows, 0, bytes)


cdef int consistent(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    cdef kernel_graph k
    if not coherent(g, e) or (r != NONE and not coherent(g, r)):
        return HOPELESS
    # hb and pb are made of po, rf, co and fr: without a cycle of these there is none of those.
    if not closes_cycle(g, e, r):
        return CONSISTENT
    kernel_base(&k, g, SCRATCH_MODEL, True)
    if not closes_kernel_cycle(&k, g, e, r):
        return CONSISTENT
    if g.ev[e].kind & EV_WRITE:
        return HOPELESS  # what follows from its place only grows as it gets older
    if k.n < ENOUGH or g.ev[e].flags & EF_RMW:
        return INCONSISTENT  # whether an RMW takes place, and so orders, may hang on what it reads
    # With an older source more writes overwrite it. If that is enough for a cycle, whatever the source brings, it is HOPELESS.
    forget_source(&k, g, e)
    return HOPELESS if closes_kernel_cycle(&k, g, e, r) else INCONSISTENT


# ---- plain accesses as what they are ----

cdef bint incoherent(bounds *b, const kernel_graph *k, int32_t x, int32_t y) noexcept nogil:
    """wr-incoh, rw-incoh, ww-incoh of two accesses of one location in different threads, one of them plain."""
    cdef const lk_node *first = &k.node[x]
    cdef const lk_node *second = &k.node[y]
    if not first.tags & LK_WRITE:
        if not second.tags & LK_WRITE:
            return False
        return incoherent(b, k, y, x)
    if second.tags & LK_WRITE:
        if first.rank > second.rank:
            return incoherent(b, k, y, x)
        ask(b, k, y)
        return has(row(&b.ww_vis, y), x)
    if first.rank == second.rank:
        ask(b, k, y)
        return has(row(&b.rw_xbstar, y), x)
    ask(b, k, x)
    return first.rank > second.rank and has(row(&b.wr_vis, x), y)


cdef int plain_coherence(kernel_graph *k) except -1 nogil:
    cdef bounds b
    cdef bint ready = False
    cdef int32_t x, y
    for x in range(k.n):
        if not k.node[x].tags & LK_PLAIN:
            continue
        for y in range(k.n):
            if k.node[x].loc != k.node[y].loc or k.node[x].first == k.node[y].first or (k.node[y].tags & LK_PLAIN and y < x):
                continue
            if not ready:
                bounds_of(&b, k)
                ready = True
            if incoherent(&b, k, x, y):
                return False
    return True


cdef bint has_plain(const mk_graph *g) noexcept nogil:
    cdef int32_t i
    for i in range(g.n):
        if g.ev[i].order == MK_PLAIN and g.ev[i].kind & (EV_READ | EV_WRITE) and not g.ev[i].flags & EF_RMW:
            return True
    return False


cdef int consistent_with_plain(const mk_model *m, const mk_graph *g, int32_t e, int32_t r) except -1 nogil:
    cdef kernel_graph k
    if not has_plain(g):
        return consistent(m, g, e, r)
    if not coherent(g, e) or (r != NONE and not coherent(g, r)):
        return HOPELESS
    # plain-coherence too: what it forbids is a cycle of po, rf, co and fr.
    if not closes_cycle(g, e, r):
        return CONSISTENT
    kernel_base(&k, g, SCRATCH_MODEL, False)
    return CONSISTENT if kernel_derive(&k) and plain_coherence(&k) else INCONSISTENT


# Not MONOTONE: reading an older write gives less order through rfe.
cdef mk_model table
table.abi = MK_ABI
table.size = sizeof(mk_model)
table.flags = MODEL_KERNEL_RACES
table.consistent = consistent

cdef mk_model exact
exact.abi = MK_ABI
exact.size = sizeof(mk_model)
exact.flags = MODEL_KERNEL_RACES
exact.consistent = consistent_with_plain


class LKMM(MemoryModel):
    """The Linux kernel's memory model (tools/memory-model), without RCU and without load buffering.

    Source: linux-kernel.cat, Linux 6.1 and later; Alglave et al., ASPLOS 2018. What each operation is here: docs/protocol.md.
    """

    name = "lkmm"

    def __init__(self, options=None, *, plain=False):
        """plain: plain accesses are what they are (plain-coherence orders them); else they count as marked ones."""
        super().__init__(options)
        self.plain = plain

    def native(self):
        """The mk_model capsule; its struct is the module's own."""
        return model_capsule(&exact if self.plain else &table)
