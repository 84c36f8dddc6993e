"""Two abstract machines that run a program step by step: one memory that all see at once (SC), and x86's store buffers (TSO).

A state holds the graph so far; its memory is the end of each location's coherence order. Equal states are looked at once.
"""
from __future__ import annotations

from .graphs import TooBig, extended, finish, joinable, running
from .statements import INIT, RMWS

DRAINS = ("mb", "sc", "before_atomic", "after_atomic")


def append(co, loc, name):
    """Coherence orders as a sorted tuple of (location, writes)."""
    orders = dict(co)
    orders[loc] = (*orders.get(loc, ()), name)
    return tuple(sorted(orders.items()))


def value_of(program, nodes, loc, name):
    return program.initial(loc) if name == INIT else nodes[name[0]].history[name[1]].wval


def run(program, steps, limit=None):
    """Every graph at which a machine stops. steps(program, state) -> the states that may be next."""
    threads = len(program.roots)
    start = program.roots, ((),) * threads, (), ((),) * threads
    seen, todo, graphs = {start}, [start], set()
    while todo:
        state = todo.pop()
        nexts = steps(program, state)
        for other in nexts:
            if other not in seen:
                seen.add(other)
                todo.append(other)
        if not nexts:
            nodes, rfs, co, _ = state
            blocked = {n.event.loc: () for n in nodes if n.event is not None and n.event.loc is not None}
            graphs.add(finish(program, nodes, rfs, tuple(sorted({**blocked, **dict(co)}.items()))))
        if limit is not None and len(seen) > limit:
            raise TooBig
    assert None not in graphs, "a machine stopped although an await could go on"
    return graphs


def sc_steps(program, state):
    nodes, rfs, co, buffers = state
    nexts = []
    for t in running(program, nodes):
        node = nodes[t]
        if node.event is None:
            continue
        event, name = node.event, (t, len(node.history))
        if event.kind == "CHOOSE":
            nexts += [(*extended(nodes, rfs, t, r, None), co, buffers) for r in range(event.statement.args[0])]
        elif event.kind in ("F", "SPAWN") or (event.kind == "JOIN" and joinable(program, nodes, event)):
            nexts.append((*extended(nodes, rfs, t, None, None), co, buffers))
        elif event.kind == "W":
            nexts.append((*extended(nodes, rfs, t, None, None), append(co, event.loc, name), buffers))
        elif event.kind != "JOIN":
            nexts += read(program, state, t, dict(co).get(event.loc, (INIT,))[-1])
    return nexts


def read(program, state, t, source):
    """A read or RMW that sees the write `source`; none if it would go on waiting."""
    nodes, rfs, co, buffers = state
    event = nodes[t].event
    value = value_of(program, nodes, event.loc, source)
    if not nodes[t].satisfied(value):
        return []
    after = extended(nodes, rfs, t, value, source)
    if after[0][t].history[-1].wval is not None:
        co = append(co, event.loc, (t, len(nodes[t].history)))
    return [(*after, co, buffers)]


def tso_steps(program, state):
    nodes, rfs, co, buffers = state
    nexts = []
    for t in running(program, nodes):
        node, mine = nodes[t], buffers[t]
        if mine:
            loc, name = mine[0]
            nexts.append((nodes, rfs, append(co, loc, name), (*buffers[:t], mine[1:], *buffers[t + 1:])))
        if node.event is None:
            continue
        event, name = node.event, (t, len(node.history))
        if event.kind == "CHOOSE":
            nexts += [(*extended(nodes, rfs, t, r, None), co, buffers) for r in range(event.statement.args[0])]
        elif event.kind == "F":
            if not (mine and event.statement.order in DRAINS):
                nexts.append((*extended(nodes, rfs, t, None, None), co, buffers))
        elif event.kind in ("SPAWN", "JOIN"):
            if not mine and (event.kind == "SPAWN" or (joinable(program, nodes, event) and not buffers[event.statement.args[0]])):
                nexts.append((*extended(nodes, rfs, t, None, None), co, buffers))
        elif event.kind == "W" and event.statement.order == "sc":  # an xchg
            if not mine:
                nexts.append((*extended(nodes, rfs, t, None, None), append(co, event.loc, name), buffers))
        elif event.kind == "W":
            longer = (*mine, (event.loc, name))
            nexts.append((*extended(nodes, rfs, t, None, None), co, (*buffers[:t], longer, *buffers[t + 1:])))
        elif event.statement.op in RMWS or event.statement.op == "LOCK":
            if not mine:
                nexts += read(program, state, t, dict(co).get(event.loc, (INIT,))[-1])
        else:
            own = [name for loc, name in mine if loc == event.loc]
            nexts += read(program, state, t, own[-1] if own else dict(co).get(event.loc, (INIT,))[-1])
    return nexts


def sc_machine(program, limit=None):
    return run(program, sc_steps, limit)


def tso_machine(program, limit=None):
    return run(program, tso_steps, limit)


