"""An order of an execution's steps that a person can follow.

sc: an interleaving. tso: an interleaving in which the arrival of a buffered store in memory is a step of its own. rc11, lkmm: an order that
respects program order and reads-from, and coherence as far as it goes; a read of an old value then stands after the newer write.
Among the possible orders, one with few context switches is taken: the thread that runs goes on for as long as it can.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field

from minikvm.check.execution import Event, Graph

Node = tuple[int, int, str]
"""(thread, index, "run"), or (thread, index, "flush") for the arrival of a buffered store."""


@dataclass
class Order:
    """Steps in the order of the drawing, and what no order can hide."""

    steps: list[Node]
    switches: int
    unseen: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    """A read -> the newest write before it in this order that it did not see."""


def writes(event: Event) -> bool:
    """Does it write?"""
    return event.wval is not None


def drains(event: Event) -> bool:
    """Does it empty a store buffer? Fences that are more than a compiler's, and locked instructions, also those that fail."""
    return event.rmw or (event.kind == "F" and event.op in (0, 3, 4, 19))


class _Edges:
    def __init__(self) -> None:
        self.after: dict[Node, set[Node]] = defaultdict(set)
        self.waits: dict[Node, int] = defaultdict(int)

    def add(self, a: Node, b: Node) -> None:
        if a != b and b not in self.after[a]:
            self.after[a].add(b)
            self.waits[b] += 1


def _visible(place: tuple[int, int], event: Event, buffered: bool) -> Node:
    """The step at which a write is in memory."""
    return (*place, "flush" if buffered and not event.rmw else "run")


def _program_order(graph: Graph, edges: _Edges, buffered: bool) -> list[Node]:
    nodes: list[Node] = []
    for t, events in enumerate(graph.threads):
        last_flush: Node | None = None
        for i, event in enumerate(events):
            run = (t, i, "run")
            nodes.append(run)
            if i:
                edges.add((t, i - 1, "run"), run)
            if not buffered:
                continue
            if drains(event) and last_flush is not None:
                edges.add(last_flush, run)
            if writes(event) and not event.rmw:
                flush = (t, i, "flush")
                nodes.append(flush)
                edges.add(run, flush)
                if last_flush is not None:
                    edges.add(last_flush, flush)
                last_flush = flush
    return nodes


def _newer(graph: Graph, event: Event) -> list[tuple[int, int]]:
    """The writes that come after the event's source in coherence."""
    order = [place for place in graph.co.get(event.loc or "", ()) if isinstance(place, tuple)]
    return order if event.rf == "init" else order[order.index(event.rf) + 1 :]  # type: ignore[arg-type]


def _memory(graph: Graph, hard: _Edges, soft: _Edges, buffered: bool, strong: bool) -> None:
    """Reads-from is always kept; coherence and from-reads are, where the model is strong, and else where it is possible."""
    place: tuple[int, int]
    for t, events in enumerate(graph.threads):
        for i, event in enumerate(events):
            run = (t, i, "run")
            if isinstance(event.rf, tuple):
                source = graph.event(event.rf)
                own = event.rf[0] == t
                node = (*event.rf, "run") if own or event.kind in ("JOIN", "SPAWN") else _visible(event.rf, source, buffered)
                hard.add(node, run)
            if event.rf is not None and event.kind in ("R", "RMW"):
                for place in _newer(graph, event)[:1]:
                    if place != (t, i):
                        (hard if strong else soft).add(run, _visible(place, graph.event(place), buffered))
    for order in graph.co.values():
        places = [p for p in order if isinstance(p, tuple)]
        for a, b in itertools.pairwise(places):
            (hard if strong else soft).add(_visible(a, graph.event(a), buffered), _visible(b, graph.event(b), buffered))


def _closing(nodes: list[Node], edges: _Edges, soft: _Edges) -> list[Node]:
    """A topological order: hard edges always, of soft ones as few broken as a greedy choice breaks, and few switches."""
    waits = {node: edges.waits[node] for node in nodes}
    softly = {node: soft.waits[node] for node in nodes}
    ready = [node for node in nodes if not waits[node]]
    found: list[Node] = []
    current = -1
    while ready:
        # A store arrives as soon as it may; else the running thread goes on; a thread that breaks nothing comes first.
        node = min(ready, key=lambda n: (softly[n] > 0, n[2] != "flush", n[0] != current, n[0], n[1]))
        ready.remove(node)
        found.append(node)
        if node[2] == "run":
            current = node[0]
        for after in edges.after[node]:
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)
        for after in soft.after[node]:
            softly[after] -= 1
    return found


def _unseen(graph: Graph, steps: list[Node]) -> dict[tuple[int, int], tuple[int, int]]:
    at = {(t, i): n for n, (t, i, what) in enumerate(steps) if what == "run"}
    found = {}
    for t, events in enumerate(graph.threads):
        for i, event in enumerate(events):
            if event.kind in ("R", "RMW") and event.rf is not None:
                newer = [p for p in _newer(graph, event) if p != (t, i) and at[p] < at[t, i]]
                if newer:
                    found[t, i] = newer[-1]
    return found


def linearise(graph: Graph, model: str) -> Order:
    """An order of the graph's steps. Every event is one step; under tso a store that arrives later than it is issued is two."""
    buffered = model == "tso"
    strong = model in ("sc", "tso")
    hard, soft = _Edges(), _Edges()
    nodes = _program_order(graph, hard, buffered)
    _memory(graph, hard, soft, buffered, strong)
    steps = _closing(nodes, hard, soft)
    kept: list[Node] = []
    for node in steps:
        if node[2] == "flush" and kept and kept[-1] == (node[0], node[1], "run"):
            continue  # issued and there: one step
        kept.append(node)
    runs = [node[0] for node in kept if node[2] == "run"]
    switches = sum(a != b for a, b in itertools.pairwise(runs))
    return Order(kept, switches, {} if strong else _unseen(graph, kept))


FULL, WRITES, READS = (0, 3, 4, 19), (1, 17), (2, 16)


def missing_barrier(graph: Graph, read: tuple[int, int], write: tuple[int, int]) -> tuple[str, tuple[int, int], tuple[int, int]] | None:
    """(barrier, after this event, before that one): what would have forbidden the read to miss the write; None: no one barrier."""
    reader, writer = read[0], write[0]
    for i in range(read[1] - 1, -1, -1):  # a message that came earlier than what it announces: MP
        rf = graph.threads[reader][i].rf
        if not isinstance(rf, tuple) or rf[0] != writer or rf[1] <= write[1]:
            continue
        between = graph.threads[writer][write[1] + 1 : rf[1]]
        released = graph.event(rf).order in ("release", "acq_rel", "full", "sc")
        if not released and not any(e.kind == "F" and e.op in FULL + WRITES for e in between):
            return "smp_wmb()", write, rf
        return "smp_rmb()", (reader, i), read
    for i in range(read[1] - 1, -1, -1):  # a store that is not yet seen when the read is done: SB
        event = graph.threads[reader][i]
        if event.kind == "F" and event.op in FULL:
            break
        if writes(event):
            return "smp_mb()", (reader, i), read
    for i in range(write[1] + 1, len(graph.threads[writer])):
        event = graph.threads[writer][i]
        if event.kind == "F" and event.op in FULL:
            break
        if event.kind == "R":
            return "smp_mb()", write, (writer, i)
    return None
