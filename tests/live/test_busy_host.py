"""A host with more to do than CPUs: threads of the VM wait for a CPU for longer than a timeslice of the VM's own."""

import os
import subprocess

import pytest


@pytest.fixture
def busy():
    """Five processes for each CPU that only compute, beside the VM."""
    hogs = [subprocess.Popen(["sh", "-c", "echo; while :; do :; done"], stdout=subprocess.PIPE) for _ in range(5 * os.cpu_count())]
    for hog in hogs:
        hog.stdout.read(1)  # it runs
    yield
    for hog in hogs:
        hog.kill()
        hog.communicate()


def test_vcpus_that_share_a_pcpu_take_it_from_each_other_only_when_they_have_had_it(run, busy):
    line = {"request": "TLB_FLUSH", "targets": "all", "from": {"pcpu": 1}, "every": "100ms", "count": 8}
    report = run(vm={"vcpus": 2}, host={"sockets": 1, "cores": 2, "threads": 1}, placement={"pins": {0: 0, 1: 0}, "timeslice_us": 200},
                 guest={"enter_us": "forever"}, workload=[line], duration="1s", watchdog={"suspect_ms": 10000})
    totals = report["totals"]
    assert [v["sentence"] for v in report["violations"]] == []
    assert totals["aborted_entries"] < totals["entries"] / 4, totals
