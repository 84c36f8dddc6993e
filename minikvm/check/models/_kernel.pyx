"""The relations of the Linux-kernel memory model. See _kernel.pxd, and lkmm.pyx for the sources."""
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset
from minikvm.check.explorer cimport OP_LOCK, OP_TRYLOCK
from minikvm.check.fences cimport FENCE_AFTER_SPINLOCK, FENCE_AFTER_UNLOCK_LOCK, FENCE_SEQ_CST
from minikvm.check.graph cimport (
    EF_CREATE, EF_NORETURN, EF_RMW, EV_FENCE, EV_READ, EV_SYNC, EV_WRITE, event, location, mk_graph, po_thread, rank_of)
from minikvm.check.models._hb cimport rmw_succeeds
from minikvm.check.models._relation cimport (
    add_range, add_set, has, keep, next_in, put, relate, relation_at, row, words_for)
from minikvm.check.scratch cimport scratch
from minikvm.core.world cimport (
    MK_ACQ_REL, MK_ACQUIRE, MK_FULL, MK_MB_AFTER_ATOMIC, MK_MB_BEFORE_ATOMIC, MK_PLAIN, MK_RELEASE, MK_SEQ_CST, MK_SMP_MB, MK_SMP_RMB,
    MK_SMP_WMB)

cdef enum:
    RELATIONS = 17
    NEVER = 0x7fffffff


# ---- nodes ----

cdef inline bint locks(const event *e) noexcept nogil:
    """Does it take a spinlock, or try to?"""
    return e.flags & EF_RMW and (e.op == OP_LOCK or e.op == OP_TRYLOCK)


cdef int tags_of(const event *e, bint write) noexcept nogil:
    """One half's tags. A seq_cst access, which the kernel has not, is an acquire or a release; an RMW that fails orders nothing."""
    cdef bint rmw = e.flags & EF_RMW, lock = locks(e)
    cdef bint orders = not rmw or rmw_succeeds(e)
    cdef int tags = LK_WRITE if write else LK_READ
    if e.order == MK_PLAIN and not rmw:
        tags |= LK_PLAIN
    if rmw and not lock:
        tags |= LK_RMW
    if write:
        if e.order == MK_RELEASE or e.order == MK_ACQ_REL or e.order == MK_SEQ_CST:
            tags |= LK_RELEASE
        return tags
    if e.flags & EF_NORETURN:
        tags |= LK_NORETURN
    elif orders and (e.order == MK_ACQUIRE or e.order == MK_ACQ_REL or e.order == MK_SEQ_CST):
        tags |= LK_ACQUIRE
    if lock and orders:
        tags |= LK_LKR
    return tags


cdef bint unlocks(const mk_graph *g, const event *e) noexcept nogil:
    """Is it the store of a spin_unlock(): a release store to what its thread has locked?"""
    cdef const event *x
    cdef int32_t i
    if e.kind != EV_WRITE or e.order != MK_RELEASE:
        return False
    for i in range(<int32_t>e.index - 1, -1, -1):
        x = &g.ev[g.th[e.thread].ev[i]]
        if x.loc == e.loc and locks(x) and x.kind & EV_WRITE:
            return True
    return False


cdef int32_t add_node(kernel_graph *k, const mk_graph *g, int32_t id, bint write, int32_t n) noexcept nogil:
    cdef const event *e = &g.ev[id]
    cdef lk_node *x = &k.node[n]
    x.event = id
    x.loc = e.loc
    x.rank = e.rank if write else rank_of(g, e.rf)
    x.next_rmw = -1
    x.tags = tags_of(e, write)
    x.unlocks = unlocks(g, e)
    return n + 1


cdef int32_t make_nodes(kernel_graph *k, const mk_graph *g) noexcept nogil:
    cdef int32_t t, i, j, first, n = 0
    cdef const po_thread *th
    cdef const event *e
    for t in range(g.stride):
        th = &g.th[t]
        first = n
        for i in range(th.n):
            e = &g.ev[th.ev[i]]
            k.start[th.ev[i]] = n
            if e.kind & EV_READ:
                n = add_node(k, g, th.ev[i], False, n)
            if e.kind & EV_WRITE:
                n = add_node(k, g, th.ev[i], True, n)
        for j in range(first, n):
            k.node[j].first = first
            k.node[j].end = n
    return n


cdef inline int32_t writer(const kernel_graph *k, const mk_graph *g, int32_t id) noexcept nogil:
    """The node of an event's write."""
    return k.start[id] + (1 if g.ev[id].kind & EV_READ else 0)


# ---- program order ----

cdef void fences_of(kernel_graph *k, const mk_graph *g, int32_t t) noexcept nogil:
    """Of each access of a thread: what its fences put after it. From the thread's end: the next fence is the one that counts."""
    cdef const po_thread *th = &g.th[t]
    cdef const event *e
    cdef int32_t end = NEVER, mb = NEVER, wmb = NEVER, rmb = NEVER, after_atomic = NEVER, rmw = NEVER, after_lock = NEVER, i, p, x
    for i in range(th.n - 1, -1, -1):
        e = &g.ev[th.ev[i]]
        p = k.start[th.ev[i]]
        if e.kind == EV_FENCE:
            if e.op == MK_SMP_MB or e.op == FENCE_SEQ_CST:
                mb = p
            elif e.op == MK_SMP_WMB:
                wmb = p
            elif e.op == MK_SMP_RMB:
                rmb = p
            elif e.op == MK_MB_BEFORE_ATOMIC:
                mb = min(mb, rmw)           # [M]; fencerel(Before-atomic); [RMW]; po?; [M]
            elif e.op == MK_MB_AFTER_ATOMIC:
                after_atomic = p            # [M]; po?; [RMW]; fencerel(After-atomic); [M]
            elif e.op == FENCE_AFTER_SPINLOCK:
                after_lock = p              # [M]; po?; [LKW]; fencerel(After-spinlock); [M]
            continue
        if not e.kind & (EV_READ | EV_WRITE):
            continue
        if end == NEVER:
            end = k.node[p].end
        if locks(e):
            if e.kind & EV_WRITE:
                mb = min(mb, after_lock)
        elif e.flags & EF_RMW:
            rmw = p
            mb = min(mb, after_atomic)
        if e.order == MK_FULL and rmw_succeeds(e):
            mb = p + (2 if e.kind & EV_WRITE else 1)
        for x in range(p, p + (2 if e.kind & EV_READ and e.kind & EV_WRITE else 1)):
            add_range(row(&k.strong, x), min(mb, end), end)
            if k.node[x].tags & LK_WRITE:
                add_range(row(&k.wmb, x), min(wmb, end), end)
            add_range(row(&k.rmb, x), min(rmb, end), end)
            if k.node[x].tags & LK_ACQUIRE:  # acq-po; the halves of an RMW are not in po, those of a lock are
                add_range(row(&k.nonrw, x), x + (2 if not k.node[x].tags & LK_LKR and e.kind & EV_WRITE else 1), end)
        if e.order == MK_FULL and rmw_succeeds(e):
            mb = p


cdef void releases_of(kernel_graph *k, const mk_graph *g) noexcept nogil:
    """po-rel, and po; [UL]; (po | rf); [LKR]; po."""
    cdef int32_t w, x, y, limit
    cdef lk_node *u
    for w in range(k.n):
        u = &k.node[w]
        if u.tags & LK_RELEASE:
            limit = k.start[u.event]
            for x in range(u.first, limit):
                relate(&k.po_rel, x, w)
        if not u.unlocks:
            continue
        for y in range(w + 1, u.end):
            if k.node[y].tags & LK_LKR:
                for x in range(u.first, w):
                    add_range(row(&k.unlock, x), y + 1, u.end)
                    add_range(row(&k.to, x), y + 1, u.end)
                break
        y = next_in(row(&k.rf, w), 0, k.words)
        while y >= 0:
            if k.node[y].tags & LK_LKR:
                for x in range(u.first, w):
                    add_range(row(&k.unlock, x), y + 1, k.node[y].end)
            y = next_in(row(&k.rf, w), y + 1, k.words)


cdef void unlock_locks_of(kernel_graph *k, const mk_graph *g, int32_t t) noexcept nogil:
    """[M]; po; [UL]; (co | po); [LKW]; fencerel(After-unlock-lock); [M], of one thread's fences."""
    cdef const po_thread *th = &g.th[t]
    cdef const event *e
    cdef int32_t i, j, x, u, y, after
    for i in range(th.n):
        e = &g.ev[th.ev[i]]
        if e.kind != EV_FENCE or e.op != FENCE_AFTER_UNLOCK_LOCK:
            continue
        after = k.start[th.ev[i]]
        for j in range(i):
            e = &g.ev[th.ev[j]]
            if not (locks(e) and e.kind & EV_WRITE):
                continue
            y = writer(k, g, th.ev[j])
            for u in range(k.n):
                if k.node[u].unlocks and (has(row(&k.overwrite, u), y) or (k.node[u].first == k.node[y].first and u < y)):
                    for x in range(k.node[u].first, u):
                        add_range(row(&k.strong, x), after, k.node[y].end)


cdef void depend(kernel_graph *k, const mk_graph *g, int32_t id, int32_t via, uint64_t mask, bint addr, bint data) noexcept nogil:
    """Event *id* depends on earlier reads of its thread: to-w = rwdep, to-r = (addr; [R]) | (dep; [Marked]; rfi).

    They are those in the mask of *via*: id itself, or (carry-dep, linux-kernel.bell) a store whose value one of those reads got.
    """
    cdef const event *e = &g.ev[via]
    cdef int32_t distance, source, to, end = k.start[id] + (g.ev[id].kind & EV_READ != 0) + (g.ev[id].kind & EV_WRITE != 0), y
    for distance in range(64):
        if not mask >> distance:
            break
        if not mask >> distance & 1 or distance >= e.index:
            continue
        source = g.th[e.thread].ev[e.index - 1 - distance]
        if not g.ev[source].kind & EV_READ:
            continue
        y = g.ev[source].rf
        if y >= 0 and g.ev[y].thread == e.thread and g.ev[y].data:
            depend(k, g, id, y, g.ev[y].data, addr, data)
        source = k.start[source]
        for to in range(k.start[id], end):
            if addr:
                relate(&k.addr, source, to)
                relate(&k.to, source, to)
            if not k.node[to].tags & LK_WRITE:
                continue
            relate(&k.to, source, to)
            if (addr or data) and has(k.marked, to):
                y = next_in(row(&k.rf, to), 0, k.words)
                while y >= 0:
                    if k.node[y].first == k.node[to].first:
                        relate(&k.to, source, y)
                    y = next_in(row(&k.rf, to), y + 1, k.words)


cdef void dependencies(kernel_graph *k, const mk_graph *g) noexcept nogil:
    cdef int32_t id
    cdef const event *e
    for id in range(g.n):
        e = &g.ev[id]
        if e.addr | e.data | e.ctrl and e.kind & (EV_READ | EV_WRITE):
            depend(k, g, id, id, e.addr, True, False)
            depend(k, g, id, id, e.data, False, True)
            depend(k, g, id, id, e.ctrl, False, False)


cdef int32_t end_of(const kernel_graph *k, const mk_graph *g, int32_t t) noexcept nogil:
    """One after the last node of a thread."""
    cdef int32_t last
    if not g.th[t].n:
        return 0
    last = g.th[t].ev[g.th[t].n - 1]
    return k.start[last] + (g.ev[last].kind & EV_READ != 0) + (g.ev[last].kind & EV_WRITE != 0)


cdef bint sync_before(const mk_graph *g, int32_t x, int32_t a) noexcept nogil:
    """Is *x* before *a*, or a itself, in program order, starts and joins?"""
    cdef const event *e
    cdef int32_t i, t
    while True:
        t = g.ev[a].thread
        if g.ev[x].thread == t:
            return g.ev[x].index <= g.ev[a].index
        for i in range(<int32_t>g.ev[a].index, -1, -1):
            e = &g.ev[g.th[t].ev[i]]
            if e.kind == EV_SYNC and not e.flags & EF_CREATE and e.rf >= 0 and sync_before(g, x, e.rf):
                return True
        if g.th[t].creator < 0:
            return False
        a = g.th[t].creator


cdef void order_after(kernel_graph *k, const mk_graph *g, int32_t a, int32_t first, int32_t end) noexcept nogil:
    """Strong fences from all that is before *a* in program order, starts and joins to the nodes first..end-1."""
    cdef int32_t x
    for x in range(k.n):
        if sync_before(g, k.node[x].event, a):
            add_range(row(&k.strong, x), first, end)


cdef void threads_order(kernel_graph *k, const mk_graph *g) noexcept nogil:
    """Starting a thread and joining one: strong fences between what is before and what is after."""
    cdef int32_t i, t, end
    cdef const event *e
    cdef const po_thread *th
    for t in range(g.stride):
        th = &g.th[t]
        end = end_of(k, g, t)
        if th.n and th.creator >= 0:
            order_after(k, g, th.creator, k.start[th.ev[0]], end)
        for i in range(th.n):
            e = &g.ev[th.ev[i]]
            if e.kind == EV_SYNC and not e.flags & EF_CREATE and e.rf >= 0:
                order_after(k, g, e.rf, k.start[th.ev[i]], end)


# ---- communication ----

cdef void communication(kernel_graph *k, const mk_graph *g) noexcept nogil:
    """rf, co | fr, and its internal part: to-w = overwrite & int."""
    cdef int32_t i, j, x, y, w, before
    cdef const location *at
    cdef const event *e
    for j in range(g.ntouched):
        at = &g.loc[g.touched[j]]
        for i in range(at.nco - 2, -1, -1):
            x = writer(k, g, at.co[i])
            y = writer(k, g, at.co[i + 1])
            add_set(row(&k.overwrite, x), row(&k.overwrite, y), k.words)
            relate(&k.overwrite, x, y)
        for i in range(at.nreads):
            e = &g.ev[at.reads[i]]
            x = k.start[at.reads[i]]
            before = rank_of(g, e.rf) + 1
            if before < at.nco:
                y = writer(k, g, at.co[before])
                add_set(row(&k.overwrite, x), row(&k.overwrite, y), k.words)
                relate(&k.overwrite, x, y)
            if e.rf >= 0:
                w = writer(k, g, e.rf)
                relate(&k.rf, w, x)
                if g.ev[e.rf].thread != e.thread:
                    relate(&k.rfe, w, x)
                if e.kind & EV_WRITE:
                    k.node[w].next_rmw = x + 1


cdef void combine(kernel_graph *k) noexcept nogil:
    """fence = strong-fence | po-rel | acq-po | wmb | rmb, and the rest of to-w."""
    cdef int32_t x, words = k.words, y
    for x in range(k.n):
        keep(row(&k.wmb, x), k.is_write, words)
        add_set(row(&k.nonrw, x), row(&k.strong, x), words)
        add_set(row(&k.nonrw, x), row(&k.po_rel, x), words)
        add_set(row(&k.fence, x), row(&k.nonrw, x), words)
        add_set(row(&k.fence, x), row(&k.wmb, x), words)
        if has(k.r4rmb, x):
            memset(k.few, 0, words * sizeof(uint64_t))
            add_set(k.few, row(&k.rmb, x), words)
            keep(k.few, k.r4rmb, words)
            add_set(row(&k.fence, x), k.few, words)
        add_inside(row(&k.to, x), row(&k.overwrite, x), &k.node[x], words, True)
    for x in range(k.n):  # to-w: addr; [Plain]; wmb
        y = next_in(row(&k.addr, x), 0, words)
        while y >= 0:
            if not has(k.marked, y):
                add_set(row(&k.to, x), row(&k.wmb, y), words)
            y = next_in(row(&k.addr, x), y + 1, words)


cdef int kernel_base(kernel_graph *k, const mk_graph *g, int number, bint everything_marked) except -1 nogil:
    cdef int32_t most = 2 * g.n, words = words_for(most), i
    cdef size_t matrix = <size_t>most * words
    cdef size_t bytes = (RELATIONS * matrix + 4 * words) * sizeof(uint64_t) + most * sizeof(lk_node) + (g.n + 3 * most) * sizeof(int32_t)
    cdef uint64_t *memory = <uint64_t *>scratch(number, bytes + 64)
    cdef bint syncs = False, unlock_locks = False
    k.node = <lk_node *>memory
    k.start = <int32_t *>(k.node + most)
    k.order = k.start + g.n
    memory = <uint64_t *>((<size_t>(k.order + 3 * most) + 7) & ~<size_t>7)
    k.n = make_nodes(k, g)
    k.words = words = words_for(k.n)
    k.marked = memory
    k.is_write = memory + words
    k.r4rmb = memory + 2 * words
    k.few = memory + 3 * words
    memset(memory, 0, 4 * words * sizeof(uint64_t))
    memory += 4 * words
    for i in range(k.n):
        if everything_marked or not k.node[i].tags & LK_PLAIN:
            put(k.marked, i)
        if k.node[i].tags & LK_WRITE:
            put(k.is_write, i)
        elif not k.node[i].tags & LK_NORETURN:
            put(k.r4rmb, i)
    k.strong = relation_at(&memory, k.n)
    k.nonrw = relation_at(&memory, k.n)
    k.fence = relation_at(&memory, k.n)
    k.wmb = relation_at(&memory, k.n)
    k.rmb = relation_at(&memory, k.n)
    k.addr = relation_at(&memory, k.n)
    k.to = relation_at(&memory, k.n)
    k.unlock = relation_at(&memory, k.n)
    k.po_rel = relation_at(&memory, k.n)
    k.overwrite = relation_at(&memory, k.n)
    k.rf = relation_at(&memory, k.n)
    k.rfe = relation_at(&memory, k.n)
    k.cumul = relation_at(&memory, k.n)
    k.prop = relation_at(&memory, k.n)
    k.hb = relation_at(&memory, k.n)
    k.hbs = relation_at(&memory, k.n)
    k.pb = relation_at(&memory, k.n)
    communication(k, g)
    for i in range(g.stride):
        fences_of(k, g, i)
    for i in range(g.n):
        syncs |= g.ev[i].kind == EV_SYNC
        unlock_locks |= g.ev[i].kind == EV_FENCE and g.ev[i].op == FENCE_AFTER_UNLOCK_LOCK
    if unlock_locks:
        for i in range(g.stride):
            unlock_locks_of(k, g, i)
    if syncs:
        threads_order(k, g)
    releases_of(k, g)
    dependencies(k, g)
    combine(k)
    return 0
