"""VMs for the tests of the live room: from keyword arguments to a configuration, to a run, to its report."""

import threading

import pytest
import yaml

from minikvm import VM
from minikvm.config import loads
from minikvm.plugins import Manager

PATIENCE_MS = 100
"""watchdog.suspect_ms where a violation is expected; a false alarm needs more than that, so small is safe."""


@pytest.fixture(scope="session")
def manager():
    """The built-in plugins, loaded once."""
    return Manager(no_plugins=True)


@pytest.fixture
def manager_with(tmp_path):
    """A manager that also has the plugins of a module's text."""

    def load(text):
        path = tmp_path / "plugins_under_test.py"
        path.write_text(text, encoding="utf-8")
        return Manager([str(path)])

    return load


@pytest.fixture(scope="session")
def config(manager):
    """A small VM; every argument is a section of the YAML file and replaces the one here."""

    def build(plugins=None, **sections):
        data = {
            "vm": {"vcpus": 4}, "host": {"sockets": 1, "cores": 4, "threads": 1}, "guest": {"enter_us": 50},
            "workload": [{"request": "TLB_FLUSH", "targets": "all", "wait": True, "from": {"pcpu": 0}, "count": 20}],
            "watchdog": {"suspect_ms": PATIENCE_MS}, "seed": 1,
        }
        data.update(sections)
        return loads(yaml.safe_dump(data), registry=plugins or manager)

    return build


@pytest.fixture(scope="session")
def run(manager, config):
    """Run such a VM to its end; returns the report as a dict."""

    def run(plugins=None, **sections):
        with VM(config(plugins, **sections), plugins or manager) as vm:
            return vm.run().as_dict()

    return run


@pytest.fixture(autouse=True)
def no_thread_left():
    """Every test of a VM ends with the threads that it began with."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert left == [], f"threads that outlived the VM: {left}"
