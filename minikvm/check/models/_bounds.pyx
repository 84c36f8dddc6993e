"""Between what plain accesses certainly take place. linux-kernel.cat, "Plain accesses and data races" (Linux 6.3 and later):
  xbstar = (hb U pb)*          vis = cumul-fence*; rfe?; [Marked]; ((strong-fence; [Marked]; xbstar) U (xbstar & int))
  w-pre-bounded = [Marked]; (addr U fence)?                w-post-bounded = fence?; [Marked]; (rf; rmw)*
  r-pre-bounded = [Marked]; (addr U nonrw-fence U rmb)?    r-post-bounded = (nonrw-fence U rmb)?; [Marked]
  ww-vis = fence U (strong-fence; xbstar; w-pre-bounded) U (w-post-bounded; vis; w-pre-bounded)
  wr-vis = fence U (strong-fence; xbstar; r-pre-bounded) U (w-post-bounded; vis; r-pre-bounded)
  rw-xbstar = fence U (r-post-bounded; xbstar; w-pre-bounded)
"""
from libc.stdint cimport int32_t, uint64_t
from libc.string cimport memset
from minikvm.check.models._kernel cimport LK_NORETURN, add_inside, kernel_graph
from minikvm.check.models._relation cimport acyclic, add_image, add_set, has, keep, next_in, put, relation, relation_at, row
from minikvm.check.scratch cimport SCRATCH_BOUNDS, scratch


cdef enum:
    MATRICES = 8


cdef void transitive(const relation *r) noexcept nogil:
    """Make it reflexive and transitive (Warshall)."""
    cdef int32_t i, j
    for i in range(r.n):
        put(row(r, i), i)
    for j in range(r.n):
        for i in range(r.n):
            if has(row(r, i), j):
                add_set(row(r, i), row(r, j), r.words)


cdef int bounds_of(bounds *b, kernel_graph *k) except -1 nogil:
    cdef int32_t x, y, words = k.words, n = k.n
    cdef uint64_t *memory = <uint64_t *>scratch(SCRATCH_BOUNDS, (MATRICES * <size_t>n * words + 3 * words) * sizeof(uint64_t))
    cdef relation xb
    b.xbstar = relation_at(&memory, n)
    b.vis = relation_at(&memory, n)
    b.w_pre = relation_at(&memory, n)
    b.r_pre = relation_at(&memory, n)
    b.ww_vis = relation_at(&memory, n)
    b.wr_vis = relation_at(&memory, n)
    b.rw_xbstar = relation_at(&memory, n)
    xb = relation_at(&memory, n)
    b.known = memory
    b.few = memory + words
    b.more = memory + 2 * words
    memset(memory, 0, 3 * words * sizeof(uint64_t))
    for x in range(n):
        add_set(row(&xb, x), row(&k.hb, x), words)
        add_set(row(&xb, x), row(&k.pb, x), words)
    if not acyclic(&xb, &b.xbstar, k.order, k.order + n):
        memset(b.xbstar.rows, 0, <size_t>n * words * sizeof(uint64_t))
        for x in range(n):
            add_set(row(&b.xbstar, x), row(&xb, x), words)
        transitive(&b.xbstar)
    for x in range(n):
        memset(b.few, 0, words * sizeof(uint64_t))  # cumul-fence*; rfe?; [Marked]
        memset(b.more, 0, words * sizeof(uint64_t))
        add_set(b.few, row(&k.cumul, x), words)
        add_image(b.few, row(&k.cumul, x), &k.rfe)
        keep(b.few, k.marked, words)
        add_image(b.more, b.few, &k.strong)
        keep(b.more, k.marked, words)
        add_image(row(&b.vis, x), b.more, &b.xbstar)
        y = next_in(b.few, 0, words)
        while y >= 0:
            add_inside(row(&b.vis, x), row(&b.xbstar, y), &k.node[y], words, True)
            y = next_in(b.few, y + 1, words)
        if not has(k.marked, x):
            continue
        put(row(&b.w_pre, x), x)
        add_set(row(&b.w_pre, x), row(&k.addr, x), words)
        add_set(row(&b.r_pre, x), row(&b.w_pre, x), words)
        add_set(row(&b.w_pre, x), row(&k.fence, x), words)
        add_set(row(&b.r_pre, x), row(&k.nonrw, x), words)
        if has(k.r4rmb, x):  # [R4rmb]; fencerel(Rmb); [~Noreturn]
            y = next_in(row(&k.rmb, x), 0, words)
            while y >= 0:
                if not k.node[y].tags & LK_NORETURN:
                    put(row(&b.r_pre, x), y)
                y = next_in(row(&k.rmb, x), y + 1, words)
    return 0


cdef void ask(bounds *b, const kernel_graph *k, int32_t x) noexcept nogil:
    """Fill in the rows of ww-vis, wr-vis and rw-xbstar of a node."""
    cdef int32_t y, z, words = k.words
    if has(b.known, x):
        return
    put(b.known, x)
    memset(b.few, 0, words * sizeof(uint64_t))
    memset(b.more, 0, words * sizeof(uint64_t))
    put(b.few, x)                          # w-post-bounded
    add_set(b.few, row(&k.fence, x), words)
    keep(b.few, k.marked, words)
    y = next_in(b.few, 0, words)
    while y >= 0:
        z = k.node[y].next_rmw
        while z >= 0 and not has(b.few, z):
            put(b.few, z)
            z = k.node[z].next_rmw
        y = next_in(b.few, y + 1, words)
    add_image(b.more, row(&k.strong, x), &b.xbstar)
    add_image(b.more, b.few, &b.vis)
    add_set(row(&b.ww_vis, x), row(&k.fence, x), words)
    add_image(row(&b.ww_vis, x), b.more, &b.w_pre)
    add_set(row(&b.wr_vis, x), row(&k.fence, x), words)
    add_image(row(&b.wr_vis, x), b.more, &b.r_pre)
    memset(b.few, 0, words * sizeof(uint64_t))  # r-post-bounded
    memset(b.more, 0, words * sizeof(uint64_t))
    if not k.node[x].tags & LK_NORETURN:
        add_set(b.few, row(&k.rmb, x), words)
        keep(b.few, k.r4rmb, words)
    add_set(b.few, row(&k.nonrw, x), words)
    put(b.few, x)
    keep(b.few, k.marked, words)
    add_image(b.more, b.few, &b.xbstar)
    add_set(row(&b.rw_xbstar, x), row(&k.fence, x), words)
    add_image(row(&b.rw_xbstar, x), b.more, &b.w_pre)
