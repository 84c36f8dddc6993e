"""The Python code of the pages: what is a plugin loads and keeps every property of a small VM (or breaks one, where it says so)."""

import pytest

from minikvm import VM
from minikvm.config import loads
from minikvm.plugins import Manager

SMALL = """
vm: {{vcpus: 4, holes: "1"}}
host: {{sockets: 1, cores: 4, threads: 1}}
placement: {{migrate: 0}}
guest: {{enter_us: 200, halt_ratio: 0.2, halt_us: 300}}
{selection}
workload:
  - {{request: TLB_FLUSH, targets: all, wait: true, every: 500us, count: 100}}
  - {{request: EVENT, targets: {{random: 1}}, from: {{pcpu: 1}}, every: 500us, count: 100}}
duration: 10s
"""
SELECT = {
    "strategy": "strategy: {}", "backend": "backend: {}", "loop": "loop: {}",
    "injector": "injectors: [{{name: {}, probability: 0.2}}]",
}
BROKEN = {"no_wait.py": 1}


@pytest.fixture
def run(tmp_path):
    """Load a block as a plugin file and run a small VM with each class that it brings; the reports."""

    def run(block):
        path = tmp_path / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
        manager = Manager([str(path)], no_plugins=True)
        brought = [item for kind in SELECT for item in manager.all(kind) if item.plugin == str(path)]
        for item in brought:
            text = SMALL.format(selection=SELECT[item.kind].format(item.name))
            with VM(loads(text, registry=manager), manager=manager) as vm:
                yield vm.run()

    return run


def test_a_plugin_that_a_page_shows_runs_as_it_says(python_file, run):
    reports = list(run(python_file))
    assert [report.exit_code for report in reports] == [BROKEN.get(python_file.file, 0)] * len(reports), python_file.text
    assert reports and all(report.as_dict()["totals"]["entries"] > 0 for report in reports)


def test_a_script_that_a_page_shows_runs(python_script, workplace):
    with VM(loads(SMALL.format(selection="strategy: upstream"))) as vm:
        report = vm.run().as_dict()
    exec(compile(python_script.text, str(python_script), "exec"), {"report": report})
