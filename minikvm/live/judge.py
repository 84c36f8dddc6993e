"""What can be judged at the end of a run, and the sentences on what its calls found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from minikvm.core.vcpu import Mode

if TYPE_CHECKING:
    from minikvm.live.build import Built
    from minikvm.live.watchdog import Watchdog

Counts = dict[str, tuple[int, int]]
"""Property -> (times checked, times violated)."""


def all_checks(built: Built, watchdog: Watchdog, watchdog_bad: dict[str, int], final: Counts) -> Counts:
    """How often each property was checked, and violated: by the calls, by the watchdog, and at the end."""
    checks: Counts = dict(built.core.checks())
    for name, checked in watchdog.checked.items():
        checks[name] = (checked, watchdog_bad.get(name, 0))
    # What was seen to come to an end holds as well: handled requests, woken sleepers, entries that were tried again, calls.
    kinds = [built.core.kind(kind) for kind in built.kinds]
    ended = {
        "P1": sum(n["handled"] for n in kinds), "P3": sum(n["woken"] for n in kinds), "P5": built.core.counters()["aborted_entries"],
        "P7": sum(n["calls"] - n["aborted_calls"] for n in kinds),
    }
    for name, count in ended.items():
        checks[name] = (checks[name][0] + count, checks[name][1])
    for name in ("P6", "P8"):
        more = final.get(name, (0, 0))
        checks[name] = (checks[name][0] + more[0], checks[name][1] + more[1])
    checks["P9"] = (sum(n["ipis"] for n in kinds), sum(n["excess_ipis"] for n in kinds))
    return checks


def final_checks(built: Built) -> tuple[Counts, list[tuple[str, int | None, str]]]:
    """P8 by conservation (made = handled + coalesced + cleared + pending) and P6 by the last payloads, when all is quiet.

    Returns {property: (checked, violated)} and (property, vCPU, sentence) for each violation.
    """
    core = built.core
    found: list[tuple[str, int | None, str]] = []
    checked = {"P6": 0, "P8": 0}
    for kind, requests in built.kinds.items():
        if not requests[0].has_bit:
            continue
        n = core.kind(kind)
        pending = sum(vcpu.requests >> kind & 1 for vcpu in core.table)
        checked["P8"] += 1
        if n["made"] != n["handled"] + n["coalesced"] + n["cleared"] + pending:
            ended = n["handled"] + n["coalesced"] + n["cleared"] + pending
            found.append((
                "P8", None, f"{requests[0].name}: {n['made']} were made, but {n['handled']} handled + {n['coalesced']} coalesced + "
                f"{n['cleared']} cleared by the requester + {pending} pending = {ended}"))
        if requests[0].gate or requests[0].sticky or n["deferred"] or n["aborted_calls"] or core.nr_found:
            continue  # where a call missed a target, its payload was written and no bit followed
        for idx in built.vcpus:
            made, seen = core.payload_of(kind, idx)
            if core.table[idx].requests >> kind & 1 or not made:
                continue
            checked["P6"] += 1
            if seen != made:
                found.append((
                    "P6", idx, f"vCPU {idx} handled {requests[0].name} with payload {seen}, though payload {made} was written "
                    "before the bit was set"))
    return {name: (checked[name], sum(prop == name for prop, _, _ in found)) for name in checked}, found


def sentence_of(found: dict[str, Any], request: str) -> str:
    """One sentence on a violation that a call found."""
    vcpu = f"vCPU {found['vcpu']}"
    if found["property"] == "P2":
        state = f"mode {Mode(found['mode']).name}, cpu {found['cpu']}"
        entry = f"guest entry {found['epoch'] >> 2}, which had missed the request ({state})"
        return f"{found['who']}: the waiting call {request} returned while {vcpu} was still in {entry}"
    if found["property"] == "P6":
        old = f"a payload older than {found['expected']}, which was written before the bit was set"
        return f"{found['who']}: {vcpu} handled {request} with {old}"
    what = "is a target and was not touched" if found["expected"] else "is no target and was touched"
    return f"{found['who']}: {vcpu} {what} by the call {request}"
