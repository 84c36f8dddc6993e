"""The soak: ten million requests under everything that is benign, and VMs by the hundred; nothing breaks, nothing grows.

MINIKVM_SOAK_REQUESTS sets another total.
"""

import os
import threading
import time
from pathlib import Path

import pytest
import yaml

from minikvm import VM
from minikvm.config import loads
from minikvm.plugins import Manager

pytestmark = pytest.mark.soak

REQUESTS = int(os.environ.get("MINIKVM_SOAK_REQUESTS", "10000000"))
RUNS = 60
STARTS = 200
MARGIN_KIB = 6 * 1024
"""What RSS may differ by without being a leak: the C library keeps some of what threads freed (arenas)."""
PLUGINS = Manager(no_plugins=True)
STRATEGIES = PLUGINS.names("strategy")
BACKENDS = PLUGINS.names("backend")
CHANCES = {"stale-cpu": 0.002, "preempt": 0.0005, "delay": 0.002, "spurious-wakeup": 0.001, "spurious-ipi": 0.0005, "late-ipi": 0.02}
CHAOS = [{"name": n, "probability": CHANCES.get(n, 0.05)} for n in PLUGINS.names("injector") if PLUGINS.get("injector", n).cls.benign]


def memory_kib():
    """Resident set of this process."""
    for row in Path("/proc/self/status").read_text().splitlines():
        if row.startswith("VmRSS:"):
            return int(row.split()[1])
    raise AssertionError("no VmRSS in /proc/self/status")


def threads():
    """Threads of this process, once those that were joined are gone from the system too; at most 5 s."""
    for _ in range(500):
        if len(os.listdir("/proc/self/task")) <= threading.active_count():
            break
        time.sleep(0.01)
    return len(os.listdir("/proc/self/task"))


def vm_of(strategy, backend, seed, calls, vcpus):
    """Many targets a call: from tasks, interrupts and vCPUs, waiting and not."""
    # v1-bitmap loses kicks under stale-cpu: tests/live/test_matrix.py
    chaos = [i for i in CHAOS if not (strategy == "v1-bitmap" and i["name"] == "stale-cpu")]
    data = {
        "vm": {"vcpus": vcpus}, "host": {"sockets": 2, "cores": 8, "threads": 1},
        "strategy": strategy, "backend": backend, "injectors": chaos,
        "placement": {"migrate": 0.2, "timeslice_us": 1000},
        "guest": {"enter_us": 200, "halt_ratio": 0.3, "halt_us": 2000, "walk_ratio": 0.05, "walk_us": 10, "fastpath_ratio": 0.1},
        "workload": [
            {"request": "CLOCK_UPDATE", "targets": "all", "from": {"pcpu": 0}, "count": calls},
            {"request": "PMU", "targets": "all", "no_wakeup": True, "from": {"irq": 9}, "count": calls},
            {"request": "EVENT", "targets": {"random": vcpus // 2}, "no_wakeup": True, "from": {"pcpu": 5}, "count": calls},
            {"request": "TLB_FLUSH", "targets": "all", "wait": True, "from": {"pcpu": 12}, "count": calls // 8},
            {"request": "HV_TLB_FLUSH", "targets": {"random": 8}, "wait": True, "from": {"vcpu": 3}, "count": calls // 8},
        ],
        "watchdog": {"suspect_ms": 2000}, "seed": seed,
    }
    return loads(yaml.safe_dump(data), registry=PLUGINS)


def flat(samples):
    """Mean of the first third, mean of the last third, after a warm-up."""
    samples = samples[len(samples) // 6:]
    third = len(samples) // 3
    return sum(samples[:third]) / third, sum(samples[-third:]) / third


def test_ten_million_requests_under_chaos_break_nothing_and_leave_nothing(capsys):
    vcpus = 256
    calls = max(8, round(REQUESTS / RUNS / (vcpus * 2.6)))
    made = calls_made = seed = 0
    rss, tasks = [], []
    injected = dict.fromkeys((i["name"] for i in CHAOS), 0)
    while made < REQUESTS:
        strategy, backend = STRATEGIES[seed % len(STRATEGIES)], BACKENDS[seed % len(BACKENDS)]
        seed += 1
        with VM(vm_of(strategy, backend, seed, calls, vcpus), PLUGINS) as vm:
            report = vm.run().as_dict()
        where = f"{strategy} on {backend}, seed {seed}"
        assert report["exit_code"] == 0, f"{where}: {[v['sentence'] for v in report['violations']]}"
        made += report["totals"]["bits_set"] + report["totals"]["coalesced"]
        calls_made += report["totals"]["calls"]
        for name, count in report["injected"].items():
            injected[name] += count
        rss.append(memory_kib())
        tasks.append(threads())  # of the settled process: join() returns a moment before the system's thread is gone
    first, last = flat(rss)
    with capsys.disabled():
        print(f"\nsoak: {made:,} requests in {calls_made:,} calls, {seed} VMs, 0 violations; "
              f"RSS {first / 1024:.1f} -> {last / 1024:.1f} MiB, {tasks[-1]} threads; "
              f"injected: {', '.join(f'{n} {c:,}' for n, c in injected.items())}")
    assert set(tasks) == {tasks[0]}, f"threads grew: {tasks}"
    assert last - first < MARGIN_KIB, f"RSS grew from {first:.0f} to {last:.0f} KiB"
    assert all(injected.values()), f"an injector never struck: {injected}"


def test_hundreds_of_vms_in_one_process_leave_no_thread_and_no_memory(capsys):
    rss = []
    before = threading.active_count()
    for seed in range(STARTS):
        with VM(vm_of(STRATEGIES[seed % len(STRATEGIES)], BACKENDS[seed % len(BACKENDS)], seed, 8, 32), PLUGINS) as vm:
            assert vm.run().exit_code == 0
        rss.append(memory_kib())
        assert threading.active_count() == before
    first, last = flat(rss)
    with capsys.disabled():
        print(f"\nsoak: {STARTS} VMs started and stopped, RSS {first / 1024:.1f} -> {last / 1024:.1f} MiB")
    assert last - first < MARGIN_KIB, f"RSS grew from {first:.0f} to {last:.0f} KiB"
