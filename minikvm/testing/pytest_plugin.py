"""pytest fixtures for plugin authors, loaded by pytest itself wherever minikvm is installed.

``run_vm``: run a configuration (a dict, YAML text or a path) with the given plugins, and return the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from minikvm.live.figures import RunReport


@pytest.fixture
def run_vm() -> Callable[..., RunReport]:
    """Run a VM and return its report.

    Example::

        def test_my_strategy_holds(run_vm):
            report = run_vm({"vm": {"vcpus": 4}, "strategy": "mine", "workload": [{"request": "TLB_FLUSH", "count": 100}]},
                            plugins=["my_strategy.py"])
            assert report.exit_code == 0, report.violations
    """

    def run(config: Any, plugins: Iterable[str] = ()) -> RunReport:
        import yaml

        from minikvm.config import load, loads
        from minikvm.live import VM
        from minikvm.plugins import Manager

        manager = Manager(plugins)
        if isinstance(config, dict):
            parsed = loads(yaml.safe_dump(config), "<test>", registry=manager)
        elif isinstance(config, str) and "\n" in config:
            parsed = loads(config, "<test>", registry=manager)
        else:
            parsed = load(config, registry=manager)
        with VM(parsed, manager=manager) as vm:
            return vm.run()

    return run
