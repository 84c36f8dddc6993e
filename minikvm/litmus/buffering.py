"""May a test have executions with load buffering, which the explorer does not look at? Decided before anything runs, on the safe side.

Such an execution has a cycle of program order and reads-from: in each of some threads a read and a later write, the write read by the next
thread's read. Under lkmm it is forbidden when each of these reads is in ppo before its write: then the cycle is one of hb; and by coherence
when all are of one location. So a test has none if there is no other such cycle with at least one read that nothing is certain to order
before its write.
"""

from __future__ import annotations

from dataclasses import dataclass

from minikvm.litmus.thread import Access

Segment = tuple[int, int, int]
"""Thread, number of the read, number of the write."""


@dataclass(frozen=True)
class Buffering:
    """possible: may there be executions with load buffering? threads: those of one cycle of accesses that would be needed."""

    possible: bool
    threads: tuple[int, ...] = ()


def _reads(access: Access) -> bool:
    return access.kind in ("R", "RMW")


def _writes(access: Access) -> bool:
    return access.kind in ("W", "RMW")


def _together(a: Access, b: Access) -> bool:
    """Can both be in one execution? Not in different arms of one if."""
    arms = dict(a.branch)
    return all(arms.get(number, arm) == arm for number, arm in b.branch)


def _certain(fence: Access, a: Access, b: Access) -> bool:
    """Is the fence there whenever both are?"""
    arms = {*a.branch, *b.branch}
    return all(arm in arms for arm in fence.branch)


def _full(access: Access) -> bool:
    return access.kind == "RMW" and access.order == "full" and not access.fails


def _orders(accesses: list[Access], i: int, j: int) -> bool:
    """Is access i in ppo before access j, whatever happens? A part of linux-kernel.cat's ppo that does not hang on values."""
    a, b = accesses[i], accesses[j]
    if i in b.after:
        return True
    if a.kind != "W" and a.order == "acquire" and not a.fails:
        return True
    if _writes(b) and b.order == "release" and not b.fails:
        return True
    if a.loc is not None and a.loc == b.loc and _writes(b):
        return True  # overwrite & int
    if _full(a) or _full(b):
        return True
    return any(_certain(x, a, b) and _separates(x, a, b) for x in accesses[i + 1:j])


def _separates(x: Access, a: Access, b: Access) -> bool:
    """Does it order what is before it against what is after it?"""
    if x.kind != "F":
        return _full(x)
    return x.order == "mb" or (x.order == "rmb" and a.kind == b.kind == "R") or (x.order == "wmb" and a.kind == b.kind == "W")


def _ordered(accesses: list[Access]) -> set[tuple[int, int]]:
    """Pairs in program order of which the first is certainly in hb before the second. hb is of marked accesses."""
    marked = [i for i, access in enumerate(accesses) if access.kind != "F" and access.order != "plain"]
    found: set[tuple[int, int]] = set()
    for at, j in enumerate(marked):
        for i in reversed(marked[:at]):
            a, b = accesses[i], accesses[j]
            # A step in the middle of a chain has to be there whenever its ends are. An RMW is no such step: what is before its write need
            # not be before its read.
            through = (k for k in marked[:at] if k > i and (i, k) in found and (k, j) in found and accesses[k].kind != "RMW"
                       and _certain(accesses[k], a, b))
            if _orders(accesses, i, j) or any(True for _ in through):
                found.add((i, j))
    return found


def load_buffering(threads: list[list[Access]]) -> Buffering:
    """Look for a cycle. threads: the accesses and fences of each, in program order."""
    segments: list[Segment] = []
    loose: set[Segment] = set()
    for t, accesses in enumerate(threads):
        ordered = _ordered(accesses)
        for j, b in enumerate(accesses):
            for i, a in enumerate(accesses[: j + (b.kind == "RMW")]):
                if _reads(a) and _writes(b) and _together(a, b):
                    segments.append((t, i, j))
                    if i != j and (i, j) not in ordered:
                        loose.add((t, i, j))
    if not loose:
        return Buffering(False)
    readers: dict[tuple[int, str | None], list[Segment]] = {}
    follows: dict[Segment, list[Segment]] = {}
    for segment in segments:
        readers.setdefault((segment[0], threads[segment[0]][segment[1]].loc), []).append(segment)
    for segment in segments:
        t, _, w = segment
        loc = threads[t][w].loc
        near = (found for (u, at), found in readers.items() if u != t and (loc is None or at is None or at == loc))
        follows[segment] = [other for found in near for other in found]
    for start in sorted(loose):
        cycle = _way_back(start, follows, {segment for segment in segments if _one_location(threads, segment)})
        if cycle is not None:
            return Buffering(True, tuple(dict.fromkeys(t for t, _, _ in cycle)))
    return Buffering(False)


def _one_location(threads: list[list[Access]], segment: Segment) -> bool:
    t, i, j = segment
    return threads[t][i].loc is not None and threads[t][i].loc == threads[t][j].loc


def _way_back(start: Segment, follows: dict[Segment, list[Segment]], one_location: set[Segment]) -> list[Segment] | None:
    """A cycle through *start*; not one within one location: coherence forbids that."""
    first: tuple[Segment, bool] = (start, start not in one_location)
    came: dict[tuple[Segment, bool], tuple[Segment, bool]] = {}
    queue = [first]
    for segment, leaves in queue:
        for other in follows[segment]:
            if other == start and leaves:
                cycle: list[tuple[Segment, bool]] = [(segment, leaves)]
                while cycle[-1] != first:
                    cycle.append(came[cycle[-1]])
                return [found for found, _ in reversed(cycle)]
            state = (other, leaves or other not in one_location)
            if state != first and state not in came:
                came[state] = (segment, leaves)
                queue.append(state)
    return None


__all__ = ["Buffering", "load_buffering"]
