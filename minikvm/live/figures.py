"""The report of a run: the native VM's counters as the dict that minikvm.report documents (schema minikvm.report/1)."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import minikvm
from minikvm.config import as_data
from minikvm.config.model import Host
from minikvm.core.requests import FLAGS, Request
from minikvm.core.vcpu import Mode
from minikvm.properties import PROPERTIES

if TYPE_CHECKING:
    from minikvm.config.model import VMConfig
    from minikvm.live.build import Built

SCHEMA = "minikvm.report/1"
SUMMED = ("calls", "targets", "bits_set", "coalesced", "ipis", "woken", "deferred", "stale_ipis", "sends", "visited", "handled", "cleared")
SKIPPED = ("outside", "self", "not_loaded", "exiting")
VCPU_TOTALS = ("entries", "exits", "aborted_entries", "blocks", "walks", "migrations", "preemptions", "ipis_handled", "spurious_exits")
EXIT_CODES = {"finished": 0, "duration": 0, "violation": 1, "plugin-error": 3, "interrupted": 130}


@dataclass
class RunReport:
    """What a run did. ``as_dict()`` is the documented form."""

    data: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 fine, 1 a property was violated, 3 a plugin failed, 130 interrupted."""
        return int(self.data["exit_code"])

    @property
    def violations(self) -> list[dict[str, Any]]:
        """The violations, in the order found."""
        return list(self.data["violations"])

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able data."""
        return self.data


def flags_of(request: Request) -> list[str]:
    """The names of a request's flags."""
    return [name for name, flag in FLAGS.items() if request.flags & flag]


def requests_of(built: Built) -> list[dict[str, Any]]:
    """A row for each kind of request that the run made, in the order of the workload."""
    rows = []
    for kind, requests in built.kinds.items():
        counters = built.core.kind(kind)
        first = requests[0]
        names = list(dict.fromkeys(request.name for request in requests))
        flags = sorted({flag for request in requests for flag in flags_of(request)}, key=list(FLAGS).index)
        rows.append({
            "request": "+".join(names), "flags": flags, **{name: counters[name] for name in SUMMED},
            "skipped": {name: counters[name] for name in SKIPPED},
            "pending": pending_of(built, kind) if first.has_bit else 0,
            "latency_ns": {"call": built.core.latency(kind, False).quantiles(), "handling": built.core.latency(kind, True).quantiles()},
        })
    return rows


def pending_of(built: Built, kind: int) -> int:
    """vCPUs whose request bit is still set."""
    return sum(vcpu.requests >> kind & 1 for vcpu in built.core.table)


def totals_of(built: Built, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All kinds together, and what the vCPUs did."""
    counters = built.core.counters()
    return {
        **{name: sum(row[name] for row in rows) for name in (*SUMMED, "pending")},
        "skipped": {name: sum(row["skipped"][name] for row in rows) for name in SKIPPED},
        **{name: counters[name] for name in VCPU_TOTALS},
    }


def economy_of(built: Built) -> dict[str, Any] | None:
    """What the strategy saved against `linear`, which would have looked at every vCPU and sent one mask a call."""
    sums = dict.fromkeys(("calls", "visited", "visited_linear", "ipis", "ipis_linear", "sends"), 0)
    for kind in built.kinds:
        counters = built.core.kind(kind)
        for name in sums:
            sums[name] += counters[name]
    if not sums["calls"]:
        return None

    def saved(used: int, reference: int) -> float | None:
        return round(100.0 * (reference - used) / reference, 2) if reference else None

    return {
        "reference": "linear", **{name: sums[name] for name in ("visited", "visited_linear", "ipis", "ipis_linear", "sends")},
        "sends_linear": None,
        "saved_percent": {
            "visited": saved(sums["visited"], sums["visited_linear"]), "ipis": saved(sums["ipis"], sums["ipis_linear"]), "sends": None,
        },
    }


def dump_of(built: Built) -> list[dict[str, Any]]:
    """Every vCPU as it is now: for a violation."""
    core = built.core
    slots = {holder: pcpu for pcpu in range(built.topology.nr_pcpus) if (holder := core.slot(pcpu)[1]) is not None}
    out = []
    for idx in built.vcpus:
        seen = core.thread(built.vcpu_thread[idx])
        out.append({
            "vcpu": idx, "mode": Mode(seen["mode"]).name, "cpu": seen["cpu"], "requests": built.registry.describe(seen["requests"]),
            "slot": slots.get(seen["number"]), "wait": bool(seen["wait"]), "epoch": seen["epoch"], "last_points": seen["last_points"],
        })
    return out


def host_of(config: VMConfig, built: Built) -> dict[str, Any]:
    """The topology of the run, and the machine under it."""
    topology = built.topology
    sockets = topology.nr_sockets
    threads = max(topology.thread_of) + 1
    return {
        "sockets": sockets, "cores": max(1, topology.nr_pcpus // (sockets * threads)), "threads": threads, "nodes": topology.nr_nodes,
        "discovered": not isinstance(config.host, Host), "cpus": len(os.sched_getaffinity(0)), "machine": platform.machine(),
        "kernel": platform.release(), "python": platform.python_version(),
    }


def property_rows(checks: dict[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """A row for each property of the protocol; those that a live run cannot check are "not checked"."""
    rows = []
    for known in PROPERTIES.values():
        checked, violations = checks.get(known.id, (0, 0))
        status = "violated" if violations else "holds" if checked else "not checked"
        rows.append({"id": known.id, "name": known.name, "checked": checked, "violations": violations, "status": status})
    return rows


def report_of(
    config: VMConfig, built: Built, *, started: str, elapsed_s: float, ended: str, checks: dict[str, tuple[int, int]],
    violations: list[dict[str, Any]], errors: list[dict[str, Any]],
) -> RunReport:
    """The whole report."""
    rows = requests_of(built)
    return RunReport({
        "schema": SCHEMA, "minikvm": minikvm.__version__,
        "run": {
            "vm": config.vm.name, "engine": config.vm.engine, "vcpus": len(built.vcpus), "pcpus": len(built.used),
            "strategy": config.strategy.name, "backend": config.backend.name, "loop": config.loop.name, "injectors": built.injectors,
        },
        "config": as_data(config), "host": host_of(config, built), "seed": config.seed, "started": started, "elapsed_s": elapsed_s,
        "ended": ended, "exit_code": EXIT_CODES[ended], "requests": rows, "totals": totals_of(built, rows),
        "properties": property_rows(checks), "violations": violations, "economy": economy_of(built),
        "injected": injected_of(built), "errors": errors,
    })


def injected_of(built: Built) -> dict[str, int]:
    """How often each injector acted, by name; two of one name are added up."""
    counts: dict[str, int] = {}
    for name, count in zip(built.injectors, built.core.injected(), strict=True):
        counts[name] = counts.get(name, 0) + count
    return counts
