"""Execution graphs as Python objects: for tests, for models written in Python, for counterexamples."""
from libc.stdint cimport int32_t
from minikvm.check.graph cimport (
    EF_AWAIT, EF_BLOCKED, EF_CREATE, EF_PENDING, EF_RMW, EV_CHOOSE, EV_FENCE, EV_READ, EV_SYNC, EV_WRITE, INIT, TH_JOINING, event, mk_graph)

from minikvm.check.execution import Event, Graph, Note

ORDERS = ("plain", "relaxed", "acquire", "release", "acq_rel", "sc", "full")


cdef str kind_of(const event *e):
    if e.kind & EV_READ:
        return "RMW" if e.kind & EV_WRITE or e.flags & EF_PENDING else "R"
    if e.kind == EV_WRITE:
        return "W"
    if e.kind == EV_FENCE:
        return "F"
    if e.kind == EV_CHOOSE:
        return "CHOOSE"
    return "SPAWN" if e.flags & EF_CREATE else "JOIN"


cdef object place(const mk_graph *g, int32_t id):
    return "init" if id == INIT else (g.ev[id].thread, g.ev[id].index)


cdef object event_view(const mk_graph *g, const event *e, tuple loc_names):
    return Event(
        kind=kind_of(e),
        loc=None if e.loc < 0 else loc_names[e.loc] if e.loc < len(loc_names) else str(e.loc),
        order=ORDERS[e.order],
        op=e.op,
        rval=e.rval if e.kind & (EV_READ | EV_CHOOSE) else None,
        wval=e.wval if e.kind & EV_WRITE else None,
        rf=place(g, e.rf) if e.kind & (EV_READ | EV_SYNC) and not e.flags & EF_CREATE else None,
        rmw=bool(e.flags & EF_RMW),
        awaits=bool(e.flags & EF_AWAIT),
        blocked=bool(e.flags & EF_BLOCKED),
        operand=e.operand,
        expected=e.expected,
        addr=e.addr, data=e.data, ctrl=e.ctrl,
        name=e.name.decode() if e.name != NULL else "",
        file=e.file.decode() if e.file != NULL else "",
        line=e.line,
    )


cdef object graph_view(const mk_graph *g, tuple loc_names):
    """The whole graph, copied."""
    cdef int32_t t, i, l
    threads = []
    notes = []
    for t in range(g.stride):
        threads.append(tuple([event_view(g, &g.ev[g.th[t].ev[i]], loc_names) for i in range(g.th[t].n)]))
        notes.append(tuple([Note(g.th[t].notes[i].pos, g.th[t].notes[i].kind, g.th[t].notes[i].subject, g.th[t].notes[i].a,
                                 g.th[t].notes[i].b) for i in range(g.th[t].nnotes)]))
    co = {}
    init = {}
    for l in range(g.nlocs):
        name = loc_names[l] if l < len(loc_names) else str(l)
        init[name] = g.loc[l].init
        if g.loc[l].nco:
            co[name] = tuple([place(g, g.loc[l].co[i]) for i in range(g.loc[l].nco)])
    joining = tuple([t for t in range(g.stride) if g.th[t].status == TH_JOINING])
    return Graph(threads=tuple(threads), co=co, init=init, notes=tuple(notes), joining=joining)
