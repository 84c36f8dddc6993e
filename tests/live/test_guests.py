"""What vCPUs, pCPUs and initiators do in a running VM, one behaviour a test."""

import pytest

from minikvm import VM


def line(request="EVENT", **more):
    return {"request": request, "targets": "all", "from": {"pcpu": 0}, "count": 20, **more}


@pytest.fixture
def fine(run):
    """Run; the report of a run without violations."""

    def fine(**sections):
        report = run(**sections)
        assert [v["sentence"] for v in report["violations"]] == []
        assert report["exit_code"] == 0
        return report

    return fine


@pytest.mark.parametrize("initiator", [{"pcpu": 1}, {"irq": 1}, {"vcpu": 1}], ids=["task", "interrupt", "vcpu"])
def test_each_kind_of_initiator_makes_its_calls(fine, initiator):
    assert fine(workload=[line(**{"from": initiator})])["totals"]["calls"] == 20


def test_an_interrupt_on_an_idle_pcpu_makes_its_calls(fine):
    report = fine(vm={"vcpus": 1}, placement={"pins": {0: 0}}, workload=[line(**{"from": {"irq": 3}})])
    assert report["totals"]["calls"] == 20


def test_several_initiators_of_one_pcpu_take_turns(fine):
    report = fine(workload=[line(), line("TLB_FLUSH", wait=True), line("CLOCK_UPDATE"), line("PMU", **{"from": {"irq": 0}})])
    assert [row["calls"] for row in report["requests"]] == [20] * 4


def test_initiators_are_spread_over_pcpus(fine):
    assert fine(workload=[line(initiators=3)])["totals"]["calls"] == 60


def test_two_vcpus_that_flush_each_other_do_not_deadlock(fine):
    report = fine(workload=[line("TLB_FLUSH", wait=True, count=200, targets=[1 - i], **{"from": {"vcpu": i}}) for i in (0, 1)])
    assert report["totals"]["calls"] == 400


def test_more_vcpus_than_pcpus_all_run(fine, config, manager):
    report = fine(vm={"vcpus": 12}, host={"sockets": 1, "cores": 2, "threads": 1}, placement={"timeslice_us": 300},
                  workload=[line("TLB_FLUSH", wait=True, every="1ms", count=30)])
    assert report["totals"]["preemptions"] > 0


def test_one_vcpu_on_one_pcpu_serves_its_own_task(fine):
    report = fine(vm={"vcpus": 1}, host={"sockets": 1, "cores": 1, "threads": 1}, workload=[line("TLB_FLUSH", wait=True)])
    assert report["totals"]["calls"] == 20


def test_more_pcpus_than_the_host_has_cpus(fine):
    report = fine(vm={"vcpus": 20}, host={"sockets": 2, "cores": 32, "threads": 1}, workload=[line("TLB_FLUSH", wait=True)])
    assert report["totals"]["calls"] == 20


def test_a_pinned_vcpu_never_migrates(fine):
    report = fine(placement={"pins": {0: 0, 1: 1, 2: 2, 3: 3}, "migrate": 1}, injectors=[{"name": "stale-cpu", "probability": 1}],
                  workload=[line(every="1ms")])
    assert report["totals"]["migrations"] == 0


def test_holes_are_never_targets(fine):
    report = fine(vm={"vcpus": 6, "holes": "1,4"}, workload=[line(), line("PMU", targets={"random": 2})])
    assert {row["request"]: row["targets"] for row in report["requests"]} == {"EVENT": 20 * 4, "PMU": 20 * 2}


def test_behind_a_closed_gate_no_vcpu_is_in_the_guest(fine):
    report = fine(workload=[line("MCLOCK_INPROGRESS", wait=True, hold="200us", every="1ms")])
    row = report["requests"][0]
    assert row["cleared"] == row["bits_set"] == 20 * 4 and row["handled"] == row["pending"] == 0
    assert {p["id"]: p["checked"] for p in report["properties"]}["P2"] >= 2 * 20 * 4


def test_two_requesters_of_the_gate_on_vcpus_that_share_pcpus_do_not_deadlock(fine):
    report = fine(vm={"vcpus": 5}, placement={"timeslice_us": 200}, strategy="v1-bitmap", loop="arm64",
                  injectors=[{"name": "preempt", "probability": 0.2}, {"name": "late-ipi", "probability": 1}],
                  workload=[line("MCLOCK_INPROGRESS", wait=True, **{"from": {"vcpu": i}}) for i in (1, 4)])
    assert report["totals"]["calls"] == 40


@pytest.mark.parametrize("initiator", [{"pcpu": 0}, {"vcpu": 0}])
def test_after_vm_dead_every_vcpu_parks_and_the_run_ends(config, manager, initiator):
    with VM(config(workload=[line("VM_DEAD", count=2, every="5ms", **{"from": initiator})]), manager) as vm:
        report = vm.run().as_dict()
        assert {vcpu.requests for vcpu in vm.vcpus} == {1 << 1}
    assert (report["exit_code"], report["requests"][0]["handled"], report["requests"][0]["pending"]) == (0, 0, 4)


@pytest.mark.parametrize("strategy", ["upstream", "linear", "v1-bitmap", "broadcast"])
@pytest.mark.parametrize("loop", ["x86", "arm64"])
def test_a_request_without_action_kicks_and_leaves_no_bit(fine, strategy, loop):
    report = fine(strategy=strategy, loop=loop, workload=[line("OUTSIDE_GUEST_MODE", every="1ms")])
    row = report["requests"][0]
    assert row["bits_set"] == row["handled"] == row["pending"] == 0
    assert row["ipis"] > 0


def test_sleepers_without_a_timer_are_woken_by_requests(fine):
    report = fine(guest={"enter_us": 20, "halt_ratio": 1, "halt_us": "forever"}, workload=[line(every="1ms", count=50)])
    assert report["totals"]["woken"] > 0 and report["totals"]["pending"] == 0


def test_sleepers_keep_what_must_not_wake_them(fine):
    report = fine(guest={"enter_us": 20, "halt_ratio": 1, "halt_us": "forever"}, workload=[line(every="1ms", count=50, no_wakeup=True)])
    assert report["totals"]["woken"] == 0 and report["totals"]["pending"] > 0


def test_walks_happen_and_are_waited_for(fine):
    report = fine(guest={"enter_us": 20, "walk_ratio": 1, "walk_us": 200}, workload=[line("TLB_FLUSH", wait=True, every="500us", count=50)])
    assert report["totals"]["walks"] > 0


def test_fast_path_exits_do_not_keep_a_request_waiting(fine):
    calls = [line(every="1ms"), line("TLB_FLUSH", wait=True, **{"from": {"vcpu": 1}})]
    report = fine(guest={"enter_us": 20, "fastpath_ratio": 1}, workload=calls)
    assert report["totals"]["pending"] == 0


def test_the_same_seed_draws_the_same_targets(config, manager):
    def handled(seed):
        sections = {"vm": {"vcpus": 64}, "workload": [line("HV_TLB_FLUSH", targets={"random": 1}, count=1, no_wakeup=False)], "seed": seed}
        with VM(config(**sections), manager) as vm:
            vm.run()
            core = vm._built.core
            return [idx for idx in range(64) if core.payload_of(next(iter(vm._built.kinds)), idx)[0]]

    assert handled(7) == handled(7)
    assert len({tuple(handled(seed)) for seed in range(6)}) > 1


def test_a_call_from_python_reaches_its_targets_only(config, manager):
    with VM(config(), manager) as vm:
        vm.request("TLB_FLUSH", targets=[1, 3], wait=True)
        row = vm.report.as_dict()["requests"][0] if vm.report.as_dict()["requests"][0]["calls"] else vm.report.as_dict()["requests"][1]
    assert (row["calls"], row["targets"], row["bits_set"] + row["coalesced"]) == (1, 2, 2)


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ({"targets": [9]}, IndexError, "no vCPU 9"), ({"targets": [-1]}, IndexError, "no vCPU -1"), ({"pcpu": 4}, IndexError, "no pCPU 4"),
])
def test_a_wrong_call_from_python_is_an_error_that_says_so(config, manager, arguments, error, message):
    with VM(config(), manager) as vm, pytest.raises(error, match=message):
        vm.request("TLB_FLUSH", **arguments)


def test_an_unknown_request_from_python_is_a_value_error(config, manager):
    with VM(config(), manager) as vm, pytest.raises(ValueError, match="TLB_FLSH"):
        vm.request("TLB_FLSH")
