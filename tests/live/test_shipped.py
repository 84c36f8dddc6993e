"""The configurations that are shipped run, and the largest is small enough for a laptop."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
MEASURED = """
import json, resource, sys
from minikvm import VM
from minikvm.config.overrides import load_with
from minikvm.plugins import Manager

plugins = Manager(no_plugins=True)
with VM(load_with(sys.argv[1], [("duration", "1s")], registry=plugins), plugins) as vm:
    report = vm.run()
    vcpus = len(vm.vcpus)
print(json.dumps({"exit_code": report.exit_code, "vcpus": vcpus, "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


@pytest.mark.parametrize("path", CONFIGS, ids=[path.stem for path in CONFIGS])
def test_a_shipped_configuration_runs_without_a_violation(path):
    impatient = ["--duration", "500ms", "--set", "watchdog.suspect_ms=100"]  # the watchdog's four properties need that long
    command = [sys.executable, "-I", "-m", "minikvm", "run", str(path), *impatient, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr or [v["sentence"] for v in json.loads(done.stdout)["violations"]]
    assert json.loads(done.stdout)["totals"]["calls"] > 0


@pytest.mark.skipif(
    any(sanitizer in Path("/proc/self/maps").read_text() for sanitizer in ("libasan", "libtsan")),
    reason="a sanitizer's shadow memory is counted too",
)
def test_1024_vcpus_start_run_and_stop_in_less_than_1_gib():
    big = next(path for path in CONFIGS if path.stem == "big")
    done = subprocess.run([sys.executable, "-I", "-c", MEASURED, str(big)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    assert (measured["exit_code"], measured["vcpus"]) == (0, 1024)
    assert measured["peak_kib"] < 1024 * 1024
