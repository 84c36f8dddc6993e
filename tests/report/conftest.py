"""Reports, verdicts and schedules to show: made by hand, with numbers that are told apart in the output. They are no measurements."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from minikvm.report import Schedule, print_counterexample, print_verdict, read_schedule, render, schedule_of

Json = dict[str, Any]
SAMPLES = Path(__file__).parent / "samples"
PROPERTY_NAMES = ("seen", "wait", "awake", "walk", "progress", "payload", "deadlock", "targets", "economy", "race")


def counters(**changed: int | Json) -> Json:
    names = (
        "calls", "targets", "bits_set", "coalesced", "ipis", "woken", "deferred", "stale_ipis", "sends", "visited", "handled", "cleared",
        "pending",
    )
    zeros: Json = dict.fromkeys(names, 0)
    return zeros | {"skipped": {"outside": 0, "self": 0, "not_loaded": 0, "exiting": 0}} | changed


def latency(*values: int, count: int = 0) -> Json:
    found: tuple[int | None, ...] = values or (None,) * 5
    return {"count": count} | dict(zip(("p50", "p90", "p99", "p99.9", "max"), found, strict=True))


def totals(**changed: int | Json) -> Json:
    names = ("entries", "exits", "aborted_entries", "blocks", "walks", "migrations", "preemptions", "ipis_handled", "spurious_exits")
    return counters() | dict.fromkeys(names, 0) | changed


def properties(checked: int, *not_checked: str) -> list[Json]:
    rows = []
    for n, name in enumerate(PROPERTY_NAMES, start=1):
        times = 0 if f"P{n}" in not_checked else checked
        rows.append({"id": f"P{n}", "name": name, "checked": times, "violations": 0, "status": "holds" if times else "not checked"})
    return rows


@pytest.fixture
def report() -> Json:
    """A good run: two request kinds, nothing violated, P4, P9 and P10 not checked."""
    flush = counters(
        calls=20_000, targets=80_000, bits_set=79_000, coalesced=1_000, ipis=41_234, woken=6_789, stale_ipis=321, sends=20_000,
        visited=80_000, handled=79_000, skipped={"outside": 30_111, "self": 222, "not_loaded": 1_333, "exiting": 0},
    )
    gate = counters(
        calls=500, targets=4_000, bits_set=4_000, ipis=3_500, sends=500, visited=4_000, cleared=4_000,
        skipped={"outside": 444, "self": 55, "not_loaded": 1, "exiting": 0},
    )
    both = {name: flush[name] + gate[name] for name in flush if name != "skipped"}
    skipped = {name: flush["skipped"][name] + gate["skipped"][name] for name in flush["skipped"]}
    return {
        "schema": "minikvm.report/1", "minikvm": "0.1.0",
        "run": {
            "vm": "quickstart", "engine": "threads", "vcpus": 8, "pcpus": 4, "strategy": "upstream", "backend": "futex", "loop": "x86",
            "injectors": ["stale-cpu", "delay"],
        },
        "config": {"vm": {"name": "quickstart", "vcpus": 8}},
        "host": {
            "sockets": 1, "cores": 2, "threads": 2, "nodes": 1, "discovered": False, "cpus": 2, "machine": "x86_64", "kernel": "6.1.0",
            "python": "3.12.1",
        },
        "seed": 7, "started": "2026-01-02T03:04:05+00:00", "elapsed_s": 2.345, "ended": "finished", "exit_code": 0,
        "requests": [
            {"request": "TLB_FLUSH", "flags": ["wait"], "latency_ns": {
                "call": latency(12_300, 45_600, 789_000, 1_230_000, 2_000_000_000, count=20_000),
                "handling": latency(901, 5_020, 67_800, 912_000, 3_450_000, count=79_000)}} | flush,
            {"request": "MASTERCLOCK_UPDATE", "flags": [], "latency_ns": {
                "call": latency(111, 222, 333, 444, 555, count=500), "handling": latency()}} | gate,
        ],
        "totals": totals(
            entries=123_456, exits=123_455, aborted_entries=2_345, blocks=6_800, walks=77, migrations=654, preemptions=4_321,
            ipis_handled=44_734, spurious_exits=19,
        ) | both | {"skipped": skipped},
        "properties": properties(5_000, "P4", "P9", "P10"),
        "violations": [],
        "economy": {
            "reference": "linear", "visited": 84_000, "visited_linear": 164_000, "ipis": 44_734, "ipis_linear": 44_734, "sends": 20_500,
            "sends_linear": 20_500, "saved_percent": {"visited": 48.78, "ipis": 0.0, "sends": 0.0},
        },
        "injected": {"stale-cpu": 1_002, "delay": 33}, "errors": [],
    }


@pytest.fixture
def empty(report: Json) -> Json:
    """A run that was interrupted before its first call."""
    return report | {
        "ended": "interrupted", "exit_code": 130, "elapsed_s": 0.0, "requests": [], "totals": totals(), "properties": properties(0),
        "economy": {
            "reference": "linear", "visited": 0, "visited_linear": 0, "ipis": 0, "ipis_linear": 0, "sends": 0, "sends_linear": 0,
            "saved_percent": {"visited": None, "ipis": None, "sends": None},
        },
        "injected": {},
    }


@pytest.fixture
def huge(report: Json) -> Json:
    """The same run, each counter 10**15 and each duration days long."""
    big = 10**15

    def grown(part: Json) -> Json:
        return {name: big if isinstance(value, int) else grown(value) if isinstance(value, dict) else value for name, value in part.items()}

    return report | {"requests": [grown(row) for row in report["requests"]], "totals": grown(report["totals"]), "elapsed_s": 1e6}


@pytest.fixture
def violated(report: Json) -> Json:
    """A run that violated P2 three times, with two violations kept, each with a dump of three vCPUs."""

    def dump(vcpu: int) -> Json:
        return {
            "vcpu": vcpu, "mode": "IN_GUEST_MODE", "cpu": vcpu - 1, "requests": ["TLB_FLUSH"] if vcpu else [],
            "slot": vcpu if vcpu else None, "wait": not vcpu, "epoch": 40 + vcpu,
            "last_points": ["enter_guest.mode", "enter_guest.last_check"],
        }

    rows = [dict(row) for row in report["properties"]]
    rows[1] |= {"violations": 3, "status": "violated"}
    found = [
        {
            "property": "P2", "sentence": f"a TLB_FLUSH call returned while vCPU {vcpu} was still in entry {40 + vcpu}.", "vcpu": vcpu,
            "at_s": 1.5, "dump": [dump(n) for n in range(3)],
        }
        for vcpu in (2, 1)
    ]
    return report | {"ended": "violation", "exit_code": 1, "properties": rows, "violations": found}


@pytest.fixture
def printed() -> Callable[..., str]:
    """``printed(report, width=80, encoding="utf-8", verbose=False)``: the text without colours, as a pipe gets it."""

    def run(report: Json, width: int = 80, encoding: str = "utf-8", verbose: bool = False) -> str:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding)
        render(report, Console(file=stream, width=width), verbose=verbose)
        stream.flush()
        return raw.getvalue().decode(encoding)

    return run


@pytest.fixture
def sc() -> Schedule:
    """v1-bitmap breaks P1 by interleaving alone: 18 steps of a vCPU, a task and an empty pCPU."""
    return read_schedule(SAMPLES / "v1-bitmap-sc-P1.json")


@pytest.fixture
def tso() -> Schedule:
    """A loop without its entry barrier breaks P1: the store of the mode waits in the store buffer from step 2 to step 9."""
    return read_schedule(SAMPLES / "no-entry-barrier-tso-P1.json")


@pytest.fixture
def lkmm() -> Schedule:
    """linear breaks P1: step 11 reads an old vcpu.cpu, and does not see step 4."""
    return read_schedule(SAMPLES / "linear-lkmm-P1.json")


@pytest.fixture(params=["sc", "tso", "lkmm"])
def any_schedule(request: pytest.FixtureRequest) -> Schedule:
    """Each of the three."""
    found: Schedule = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def long_schedule(sc: Schedule) -> Schedule:
    """200 steps of six threads, with the 151st marked."""
    data = sc.model_dump(mode="json")
    names = {0: "vCPU 0", 1: "vCPU 1", 2: "task on pCPU 2", 3: "pCPU 0", 4: "vCPU 2", 5: "task on pCPU 3"}
    others = {0: [0, 1, 0, 4], 2: [2, 2, 5, 2], 3: [3, 3, 3, 3]}
    rows = []
    for at in range(200):
        turn, first = at // 17, at - at % 17
        row = dict(data["rows"][at % 17])
        row |= {"step": at + 1, "thread": others[row["thread"]][turn % 4], "marked": at == 150}
        row["reads_from"] = row["reads_from"] and first + row["reads_from"]
        rows.append(row)
    threads = [{"id": id, "name": name, "kind": "vcpu" if name.startswith("vCPU") else "initiator"} for id, name in names.items()]
    return schedule_of(data | {"rows": rows, "threads": threads})


@pytest.fixture
def hostile(sc: Schedule) -> Schedule:
    """Every text of the schedule tries to be something else."""
    attack = "\x1b]0;owned\x07\"'><img src=x onerror='window.owned=1'><script>window.owned=1</script></text></svg>&amp;[red]\ud800"
    data = sc.model_dump(mode="json") | dict.fromkeys(("minikvm", "file", "strategy", "loop", "model", "sentence", "config"), attack)
    data["injectors"] = [attack]
    data["threads"] = [thread | {"name": attack} for thread in data["threads"]]
    data["rows"] = [row | {"text": attack, "place": attack, "remark": attack} for row in data["rows"]]
    return schedule_of(data)


@pytest.fixture
def verdict() -> Json:
    """upstream holds, v1-bitmap is violated, linear has benign races; one cell is not exhausted."""
    found: Json = json.loads((SAMPLES / "verdict.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def drawn() -> Callable[..., str]:
    """``drawn(schedule, width=80, encoding="utf-8")``: its drawing without colours, as a pipe gets it."""

    def run(schedule: Schedule | Json, width: int = 80, encoding: str = "utf-8", **extra: Any) -> str:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding)
        print_counterexample(Console(file=stream, width=width), schedule, **extra)
        stream.flush()
        return raw.getvalue().decode(encoding)

    return run


@pytest.fixture
def told() -> Callable[..., str]:
    """``told(verdict, width=80, encoding="utf-8")``: its text without colours, as a pipe gets it."""

    def run(verdict: Json, width: int = 80, encoding: str = "utf-8") -> str:
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding=encoding)
        print_verdict(Console(file=stream, width=width), verdict)
        stream.flush()
        return raw.getvalue().decode(encoding)

    return run
