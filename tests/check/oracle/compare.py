"""The explorer's graphs in the oracle's terms, and what to print when the two differ."""
from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from .axioms import MODELS
from .graphs import UNSEEN, candidates, load, outcome


def canonical(graph):
    """As oracle.Graph.canonical, of a graph that minikvm.check.explore gave."""
    place = {}
    for t, events in enumerate(graph.threads):
        place.update({(t, i): (t, k) for k, i in enumerate(i for i, e in enumerate(events) if e.kind not in UNSEEN)})
    threads = tuple(tuple((e.kind, e.loc, e.rval, e.wval, place.get(e.rf, e.rf), e.blocked) for e in events if e.kind not in UNSEEN)
                    for events in graph.threads)
    return threads, tuple((loc, tuple(place[w] for w in order)) for loc, order in sorted(graph.co.items()) if order)


class Expected(NamedTuple):
    complete: set
    blocked: set
    outcomes: Counter


def expected(source, model, names, found=None):
    """What the axioms of a model say of a RandomProgram. names: as outcome() takes them. found: its candidates, where they are there."""
    program = load(source.text, source.init)
    graphs = [g for g in (candidates(program) if found is None else found) if MODELS[model](g)]
    complete = [g for g in graphs if not g.blocked]
    return Expected({g.canonical() for g in complete}, {g.canonical() for g in graphs if g.blocked},
                    Counter(outcome(program, g, names) for g in complete))


def show(canonical_graph):
    """One graph for people: an event a line."""
    threads, co = canonical_graph
    lines = []
    for t, events in enumerate(threads):
        for i, (kind, loc, rval, wval, rf, blocked) in enumerate(events):
            read = "" if rval is None else f" reads {rval}" + (f" from {rf}" if rf is not None else "")
            wrote = "" if wval is None else f" writes {wval}"
            lines.append(f"    ({t}, {i}) {kind} {loc or ''}{read}{wrote}{' and waits' if blocked else ''}")
    return "\n".join([*lines, *(f"    co {loc}: {' '.join(map(str, order))}" for loc, order in co)])


def difference(source, model, ours, theirs):
    """A message: the program, the model, the graphs that only one side has. ours: the oracle's set, theirs: the explorer's."""
    parts = [f"{model}: {source.text}", f"init {source.init}, seed {source.seed}; oracle {len(ours)} graphs, explorer {len(theirs)}"]
    for title, graphs in (("only the oracle has", ours - theirs), ("only the explorer has", theirs - ours)):
        for k, graph in enumerate(sorted(graphs, key=repr)[:4]):
            parts.append(f"  {title} ({k + 1} of {len(graphs)}):\n{show(graph)}")
    return "\n".join(parts)
