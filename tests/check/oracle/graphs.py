"""Execution graphs, and all of those that a program has when no memory model forbids any: the candidates that models choose from.

A write is named by (thread, place in the thread); INIT is each location's initial write. A graph may have no cycle in program order and
reads-from: it can be grown event by event, each read from a write that is there already. Coherence orders come last.
"""
from __future__ import annotations

from itertools import permutations, product
from typing import NamedTuple

from .statements import INIT, Node, parse


class TooBig(Exception):
    """More candidates than the caller wants to look at."""


UNSEEN = ("F", "SPAWN", "JOIN")
"""Events that a graph's canonical form leaves out: the values say which were passed."""


class Program(NamedTuple):
    roots: tuple     # a Node for each thread
    init: dict       # initial values that are not 0
    spawned: set     # threads that do not run from the start

    def initial(self, loc):
        return self.init.get(loc, 0)


class Graph(NamedTuple):
    threads: tuple   # of tuples of Event
    rf: tuple        # the same shape: INIT, (thread, place), or None for what does not read
    co: tuple        # of (location, names of its writes in coherence order), by location
    blocked: bool

    def canonical(self):
        """Equal iff two graphs are the same. Places are counted without the UNSEEN events."""
        place = {}
        for t, events in enumerate(self.threads):
            kept = [i for i, e in enumerate(events) if e.kind not in UNSEEN]
            place.update({(t, i): (t, k) for k, i in enumerate(kept)})
        threads = tuple(tuple((e.kind, e.loc, e.rval, e.wval, place.get(rf, rf), e.blocked)
                              for e, rf in zip(events, rfs, strict=True) if e.kind not in UNSEEN)
                        for events, rfs in zip(self.threads, self.rf, strict=True))
        return threads, tuple((loc, tuple(place[w] for w in order)) for loc, order in self.co if order)


def load(text, init=None, order="relaxed"):
    threads = parse(text, order)
    spawned = {s.args[0] for statements in threads for s in statements if s.op == "SPAWN"}
    return Program(tuple(Node(s) for s in threads), dict(init or {}), spawned)


def running(program, nodes):
    """Numbers of the threads that have begun, whether they have ended or not."""
    begun = {e.statement.args[0] for node in nodes for e in node.history if e.kind == "SPAWN"}
    return [t for t in range(len(nodes)) if t not in program.spawned or t in begun]


def stuck(program, nodes, t):
    """Does the thread, if it has not ended, wait for what may never be?"""
    event = nodes[t].event
    return event is None or nodes[t].waits_for is not None or (event.kind == "JOIN" and not joinable(program, nodes, event))


def joinable(program, nodes, event):
    target = event.statement.args[0]
    return target in running(program, nodes) and nodes[target].event is None


def writes_at(nodes, loc):
    """Names and values of the writes to a location, initial one excluded."""
    return [((t, i), e.wval) for t, node in enumerate(nodes) for i, e in enumerate(node.history) if e.wval is not None and e.loc == loc]


def extended(nodes, rfs, t, result, rf):
    return (*nodes[:t], nodes[t].after(result), *nodes[t + 1:]), (*rfs[:t], (*rfs[t], rf), *rfs[t + 1:])


def successors(program, nodes, rfs):
    """The state with one event more. What does not read can come at once: it only gives reads more to choose from."""
    threads = [t for t in running(program, nodes) if nodes[t].event is not None]
    for t in threads:
        node = nodes[t]
        if node.event.kind in ("R", "RMW") or (node.event.kind == "JOIN" and not joinable(program, nodes, node.event)):
            continue
        results = range(node.event.statement.args[0]) if node.event.kind == "CHOOSE" else (None,)
        return [extended(nodes, rfs, t, r, None) for r in results]
    found = []
    for t in threads:
        node = nodes[t]
        if node.event.kind != "JOIN":
            loc = node.event.loc
            for name, value in [(INIT, program.initial(loc)), *writes_at(nodes, loc)]:
                if node.satisfied(value):
                    found.append(extended(nodes, rfs, t, value, name))
    return found


def grow(program, limit=None):
    """Every (threads, reads-from) in which each thread has ended or stands before an await."""
    start = program.roots, ((),) * len(program.roots)
    seen, todo, ends = {start}, [start], []
    while todo:
        nodes, rfs = todo.pop()
        if all(stuck(program, nodes, t) for t in running(program, nodes)):
            ends.append((nodes, rfs))
        for state in successors(program, nodes, rfs):
            if state not in seen:
                seen.add(state)
                todo.append(state)
        if limit is not None and len(seen) > limit:
            raise TooBig
    return ends


def locations(nodes):
    found = {e.loc for n in nodes for e in n.history if e.loc}
    return sorted(found | {n.event.loc for n in nodes if n.event is not None and n.event.loc})


def plausible(accesses, order):
    """Quick look at one location: coherence per thread, and RMWs right behind their source. Models ask again, by their own axioms."""
    rank = {INIT: -1, **{w: k for k, w in enumerate(order)}}
    newest = {}
    for name, event, rf in accesses:  # in program order, thread after thread
        seen = newest.get(name[0], -1)
        if rf is not None:
            if rank[rf] < seen:
                return False
            seen = rank[rf]
        if event.wval is not None:
            if rank[name] <= seen or (rf is not None and rank[name] != rank[rf] + 1):
                return False
            seen = rank[name]
        newest[name[0]] = seen
    return True


def any_order(accesses, order):
    """Instead of `plausible`: nothing is left out."""
    return True


def coherence_orders(nodes, rfs, loc, keep):
    accesses = [((t, i), e, rfs[t][i]) for t, n in enumerate(nodes) for i, e in enumerate(n.history) if e.loc == loc]
    names = [name for name, e, _ in accesses if e.wval is not None]
    return [order for order in permutations(names) if keep(accesses, order)]


def finish(program, nodes, rfs, co):
    """The graph of a state and coherence orders; an await at a thread's end reads the last value. None: it would not wait for more."""
    last = {loc: order[-1] if order else INIT for loc, order in co}
    threads, reads = [n.history for n in nodes], list(rfs)
    unended = [t for t in running(program, nodes) if nodes[t].event is not None]
    for t in unended:
        node = nodes[t]
        if node.event.kind == "JOIN":
            continue
        name = last[node.event.loc]
        value = program.initial(node.event.loc) if name == INIT else nodes[name[0]].history[name[1]].wval
        if node.satisfied(value):
            return None
        threads[t] = (*threads[t], node.event._replace(kind="R", rval=value, blocked=True))
        reads[t] = (*reads[t], name)
    return Graph(tuple(threads), tuple(reads), co, bool(unended))


def candidates(program, limit=None, keep=plausible):
    """All graphs, of which memory models choose."""
    found = []
    for nodes, rfs in grow(program, limit):
        locs = locations(nodes)
        for orders in product(*(coherence_orders(nodes, rfs, loc, keep) for loc in locs)):
            graph = finish(program, nodes, rfs, tuple(zip(locs, orders, strict=True)))
            if graph is not None:
                found.append(graph)
                if limit is not None and len(found) > limit:
                    raise TooBig
    return found


def outcome(program, graph, names):
    """Final values: of "1:a" (a register of thread 1) and "x" (a location)."""
    values = []
    for name in names:
        thread, _, register = name.partition(":")
        if register:
            node = program.roots[int(thread)]
            for e in graph.threads[int(thread)]:
                if not e.blocked:
                    node = node.after(e.rval)
            values.append(node.registers.get(register, 0))
        else:
            order = dict(graph.co).get(name, ())
            values.append(graph.threads[order[-1][0]][order[-1][1]].wval if order else program.initial(name))
    return tuple(values)
