"""The report's figures belong together."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minikvm.plugins import Manager
from minikvm.report.model import Report
from tests.examples import examples

NAMES = Manager(no_plugins=True).names("strategy")
RARE = {"name": "preempt", "probability": 0.05}


@st.composite
def lines(draw):
    """A workload line for four vCPUs on four pCPUs."""
    request = draw(st.sampled_from(["EVENT", "TLB_FLUSH", "CLOCK_UPDATE", "HV_TLB_FLUSH", "PMU"]))
    kind = draw(st.sampled_from(["pcpu", "vcpu", "irq"]))
    return {
        "request": request, "wait": False if kind == "irq" else draw(st.booleans()), "no_wakeup": draw(st.booleans()),
        "targets": draw(st.one_of(st.just("all"), st.lists(st.integers(0, 3), min_size=1, unique=True), st.just({"random": 2}))),
        "from": {kind: draw(st.integers(0, 3))}, "count": draw(st.integers(1, 30)),
    }


@st.composite
def machines(draw):
    return {
        "strategy": draw(st.sampled_from(NAMES)), "loop": draw(st.sampled_from(["x86", "arm64"])), "seed": draw(st.integers(0, 2**31)),
        "guest": {"enter_us": draw(st.sampled_from([1, 50, 500])), "halt_ratio": draw(st.sampled_from([0, 0.5])), "halt_us": 100,
                  "walk_ratio": draw(st.sampled_from([0, 0.3])), "fastpath_ratio": draw(st.sampled_from([0, 0.5]))},
        "injectors": draw(st.sampled_from([[], [RARE], ["late-ipi"], ["spurious-wakeup"]])),
        "workload": draw(st.lists(lines(), min_size=1, max_size=4)),
    }


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(sections=machines())
def test_every_request_made_is_handled_coalesced_cleared_or_pending(run, sections):
    report = run(**sections)
    assert [v["sentence"] for v in report["violations"]] == []
    for row in report["requests"]:
        made = row["bits_set"] + row["coalesced"]
        assert made == row["handled"] + row["coalesced"] + row["cleared"] + row["pending"], row
        # deferred-flush marks a descheduled vCPU instead; at its next load several marks become one request.
        assert row["targets"] - row["deferred"] <= made <= row["targets"], row
        assert row["latency_ns"]["call"]["count"] == row["calls"], row
        assert row["latency_ns"]["handling"]["count"] <= row["handled"], row
    made_calls = sum(one["count"] for one in sections["workload"])
    assert report["totals"]["calls"] == made_calls


def test_upstream_accounts_for_every_target(run):
    report = run(strategy="upstream", guest={"enter_us": 50, "halt_ratio": 0.3, "halt_us": 200, "walk_ratio": 0.1}, workload=[
        {"request": "EVENT", "targets": "all", "from": {"pcpu": 0}, "every": "200us", "count": 200},
        {"request": "TLB_FLUSH", "targets": "all", "wait": True, "from": {"vcpu": 2}, "every": "200us", "count": 200}])
    for row in report["requests"]:
        skipped = row["skipped"]
        # A vCPU in the guest is asked for an IPI; two of one pCPU would share one, so IPIs are at most what is left.
        asked = row["targets"] - row["woken"] - sum(skipped.values())
        assert 0 <= row["ipis"] <= asked, row


@pytest.mark.parametrize(("strategy", "visited"), [("upstream", 3), ("upstream-linear", 40), ("linear", 40)])
def test_the_walk_costs_what_it_should(run, strategy, visited):
    line = {"request": "EVENT", "targets": [3, 7, 30], "from": {"pcpu": 0}, "count": 10}
    report = run(strategy=strategy, vm={"vcpus": 40}, workload=[line])
    assert report["economy"]["visited"] == 10 * visited
    assert report["economy"]["visited_linear"] == 10 * 40


@pytest.mark.parametrize("sections", [{}, {"strategy": "broadcast", "injectors": ["lost-ipi"]}], ids=["fine", "violated"])
def test_the_report_is_of_the_documented_form(run, sections):
    Report.model_validate(run(**sections))
