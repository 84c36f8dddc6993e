"""The whole live VM, without bounds: calls per second of each strategy, and what a world and a strategy in Python add."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from measure import Row

from minikvm import VM
from minikvm.config import VMConfig, loads
from minikvm.plugins import Manager

HERE = Path(__file__).resolve().parent
STRATEGIES = ("linear", "upstream", "upstream-linear", "broadcast", "locked", "sampled", "cluster", "pv-window",
              "deferred-flush", "asymmetric")
NEVER = "injectors: [{name: delay, probability: 0}, {name: preempt, probability: 0}]"
CONFIG = """
vm: {{name: bench, vcpus: 8}}
host: {{sockets: 1, cores: 4, threads: 1}}
strategy: {strategy}
{injectors}
guest: {{enter_us: 200, halt_ratio: 0.1, halt_us: 500}}
workload:
  - {{request: TLB_FLUSH, targets: all, wait: true, from: {{pcpu: 0}}, count: {count}}}
  - {{request: CLOCK_UPDATE, targets: "1-3,6", from: {{pcpu: 2}}, count: {count}}}
duration: 60s
"""


class Failed(Exception):
    """A run of the VM did not end well."""


def config_of(strategy: str, count: int, injectors: str = "") -> VMConfig:
    """The quickstart's VM, whose initiators do not wait between their calls."""
    return loads(CONFIG.format(strategy=strategy, count=count, injectors=injectors), "<benchmark>")


def call_ns(config: VMConfig, manager: Manager) -> float:
    """One run: wall nanoseconds for one call of the workload."""
    with VM(config, manager) as vm:
        vm.run()
        assert vm.report is not None
        report = vm.report.as_dict()
    if report["exit_code"]:
        raise Failed(f"a run with {config.strategy} ended with {report['ended']}")
    return float(report["elapsed_s"]) * 1e9 / float(report["totals"]["calls"])


def rows(quick: bool) -> Iterator[Row]:
    """Each strategy beside `upstream`; then the injected world, and the same strategy in Python, beside the bare and the compiled one."""
    rounds, count = (3, 300) if quick else (7, 1000)
    manager = Manager([str(HERE / "python_strategy.py")])
    base = config_of("upstream", count)
    pairs = [(f"{name} (other: upstream)", config_of(name, count)) for name in STRATEGIES]
    pairs.append(("upstream in the injected world, injectors that never act", config_of("upstream", count, NEVER)))
    pairs.append(("upstream written in Python", config_of("upstream-in-python", count)))
    for what, config in pairs:
        took = [(call_ns(config, manager), call_ns(base, manager)) for _ in range(rounds)]
        yield Row("live: wall time of a call", what, statistics.median(a for a, _ in took), statistics.median(b for _, b in took),
                  statistics.median(a / b for a, b in took), None, rounds=rounds)
