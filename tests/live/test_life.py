"""How a VM begins and ends: whatever happens, no thread is left, and what was done is reported."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import yaml

from minikvm import VM
from minikvm.config import ConfigError
from minikvm.live.vm import VMError
from minikvm.pluginload import PluginError
from minikvm.plugins import Manager

LONG = {"request": "EVENT", "targets": "all", "from": {"pcpu": 0}, "every": "2ms"}
PARTS = '''
from minikvm.hookspecs import hookimpl
from minikvm.kinds import Backend, Injector, Loop, Strategy


class BadStrategy(Strategy):
    """Raises in its third call."""

    name = "bad-strategy"
    calls = 0

    def dispatch(self, vm, request, targets):
        type(self).calls += 1
        if self.calls >= 3:
            raise RuntimeError("the strategy broke")
        return vm.make_all_cpus_request(request)


class BadInjector(Injector):
    """Raises when it is asked."""

    name = "bad-injector"
    points = ("kick.made",)

    def at(self, vm, point, vcpu):
        raise RuntimeError("the injector broke")


class BadBackend(Backend):
    """Raises when it is to ring."""

    name = "bad-backend"
    capabilities = frozenset({"acknowledges", "interrupts-sleep"})

    def ring(self, vm, pcpu):
        raise RuntimeError("the back end broke")

    def wait(self, vm, pcpu, timeout_ns):
        import time

        time.sleep(0.0005)


class BadLoop(Loop):
    """Raises in its hundredth pass."""

    name = "bad-loop"
    passes = 0

    def enter(self, vm, vcpu):
        type(self).passes += 1
        if self.passes >= 100:
            raise RuntimeError("the loop broke")
        return vm.vcpu_enter_guest(vcpu)
'''
BAD_HOOK = '''
from minikvm.hookspecs import hookimpl


@hookimpl
def minikvm_vm_started(vm):
    raise RuntimeError("the hook broke")
'''
BREAKS = {
    "strategy": ({"strategy": "bad-strategy"}, "the strategy broke"),
    "injector": ({"injectors": [{"name": "bad-injector", "probability": 1}]}, "the injector broke"),
    "backend": ({"backend": "bad-backend"}, "the back end broke"),
    "loop": ({"loop": "bad-loop"}, "the loop broke"),
}


@pytest.fixture
def written(tmp_path):
    """A small configuration without an end, as a file."""

    def written(**sections):
        data = {"vm": {"vcpus": 4}, "host": {"sockets": 1, "cores": 4, "threads": 1}, "workload": [LONG], "duration": "60s"}
        data.update(sections)
        path = tmp_path / "vm.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return str(path)

    return written


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "parts.py"
    path.write_text(PARTS, encoding="utf-8")
    return str(path)


@pytest.fixture
def process(written):
    """Start ``minikvm run --json`` as a process of its own; ended by force after the test if need be."""
    started = []

    def process(*arguments, descriptors=None, **sections):
        command = [sys.executable, "-I", "-m", "minikvm", "run", written(**sections), "--json", *arguments]
        if descriptors is not None:  # not by a shell's ulimit: dash crashes under ThreadSanitizer
            fewer = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors},) * 2)"
            command = [sys.executable, "-I", "-c", f"{fewer}; os.execv(sys.argv[1], sys.argv[1:])", *command]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield process
    for one in started:
        if one.poll() is None:
            one.kill()
        one.communicate()


@pytest.fixture
def running(process):
    """The same, once its vCPU threads run."""

    def running(*arguments, **sections):
        one = process(*arguments, **sections)
        end = time.monotonic() + 30
        while len(os.listdir(f"/proc/{one.pid}/task")) < 6:
            assert one.poll() is None and time.monotonic() < end, one.communicate()
            time.sleep(0.02)
        time.sleep(0.1)
        return one

    return running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("backend", ["futex", "signal", "spin"])
def test_a_signal_ends_the_process_with_130_and_the_report_so_far(running, number, backend):
    one = running("--backend", backend)
    one.send_signal(number)
    out, err = one.communicate(timeout=30)
    report = json.loads(out)
    assert (one.returncode, report["ended"], report["exit_code"]) == (130, "interrupted", 130), err
    assert report["totals"]["calls"] > 0
    assert "Traceback" not in err


def test_a_second_ctrl_c_ends_the_process_too(running):
    one = running()
    one.send_signal(signal.SIGINT)
    one.send_signal(signal.SIGINT)
    _out, err = one.communicate(timeout=30)
    assert one.returncode == 130, err


@pytest.mark.parametrize("part", BREAKS)
def test_a_plugins_exception_is_exit_code_3_with_its_traceback_and_the_report_so_far(process, plugin, part):
    sections, message = BREAKS[part]
    one = process("-p", plugin, **sections)
    out, err = one.communicate(timeout=30)
    assert one.returncode == 3, err
    assert f"RuntimeError: {message}" in err and "parts.py" in err
    report = json.loads(out)
    assert (report["ended"], report["exit_code"]) == ("plugin-error", 3)
    assert message in report["errors"][0]["message"]


@pytest.mark.parametrize("part", BREAKS)
def test_a_plugins_exception_leaves_no_thread(config, plugin, part):
    sections, message = BREAKS[part]
    plugins = Manager([plugin])
    with pytest.raises(Exception, match=message), VM(config(plugins, workload=[LONG], duration="60s", **sections), plugins) as vm:
        vm.run()
    assert [t.name for t in threading.enumerate() if t.name.startswith("vcpu")] == []


def test_a_hooks_exception_is_exit_code_3_and_names_it(process, tmp_path):
    path = tmp_path / "hook.py"
    path.write_text(BAD_HOOK, encoding="utf-8")
    one = process("-p", str(path))
    _out, err = one.communicate(timeout=30)
    assert one.returncode == 3, err
    assert "the hook broke" in err


def test_a_run_ends_by_its_duration_and_says_so(run):
    report = run(workload=[LONG], duration="200ms")
    assert (report["ended"], report["exit_code"]) == ("duration", 0)


def test_a_run_whose_calls_are_made_ends_before_its_duration(run):
    assert run(duration="60s")["ended"] == "finished"


@pytest.mark.parametrize("initiator", [{"pcpu": 0}, {"irq": 0}, {"vcpu": 0}])
@pytest.mark.parametrize("guest", [{"enter_us": 50}, {"enter_us": "forever"}, {"enter_us": 50, "halt_ratio": 1, "halt_us": "forever"}],
                         ids=["short", "forever", "asleep"])
def test_a_call_due_long_after_the_duration_does_not_keep_the_vm(run, initiator, guest):
    begun = time.monotonic()
    line = {"request": "EVENT", "targets": "all", "from": initiator, "every": "60s", "count": 5}
    report = run(workload=[line], duration="200ms", guest=guest)
    assert report["ended"] == "duration"
    assert time.monotonic() - begun < 15, "the VM waited for a call that was due after 60 s (or for the drain's limit of 30 s)"


def test_a_vcpu_that_halts_for_ever_still_makes_its_calls(run):
    report = run(workload=[{"request": "TLB_FLUSH", "targets": "all", "from": {"vcpu": 2}, "every": "2ms", "count": 20}],
                 guest={"enter_us": 50, "halt_ratio": 1, "halt_us": "forever"})
    assert report["totals"]["calls"] == 20


def test_a_second_run_is_an_error_that_says_so(config, manager):
    with VM(config(), manager) as vm:
        vm.run()
        with pytest.raises(VMError, match="run already"):
            vm.run()


def test_a_vm_outside_a_with_statement_is_an_error_that_says_so(config, manager):
    with pytest.raises(VMError, match="with statement"):
        VM(config(), manager).run()


def test_a_vm_cannot_be_entered_twice(config, manager):
    with VM(config(), manager) as vm, pytest.raises(VMError, match="started already"):
        vm.__enter__()


def test_there_is_no_report_before_the_start_and_one_after_the_end(config, manager):
    vm = VM(config(), manager)
    assert vm.report is None
    with vm:
        assert vm.report.as_dict()["totals"]["calls"] == 0
        vm.run()
    assert vm.report.as_dict()["totals"]["calls"] == 20


def test_an_exception_in_the_with_block_passes_through_and_ends_every_thread(config, manager):
    with pytest.raises(ZeroDivisionError), VM(config(), manager):
        raise ZeroDivisionError
    assert [t.name for t in threading.enumerate() if t.name.startswith("vcpu")] == []


def test_a_strategy_that_needs_what_the_back_end_lacks_is_a_configuration_error(config, manager_with):
    plugins = manager_with('from minikvm.kinds import Strategy\nclass S(Strategy):\n    """Needs much."""\n    name = "needy"\n'
                           '    requires = frozenset({"interrupts-spin"})\n    def dispatch(self, vm, request, targets): ...\n')
    with pytest.raises(ConfigError, match="needy needs it"), VM(config(plugins, strategy="needy", backend="futex"), plugins):
        pass


@pytest.mark.parametrize(("backend", "work"), [("futex", "spin"), ("eventfd", "spin"), ("spin", "sleep"), ("membarrier", "sleep")])
def test_work_that_the_back_end_cannot_interrupt_is_a_configuration_error(config, manager, backend, work):
    vm = VM(config(backend=backend, guest={"work": work}), manager)
    with pytest.raises(ConfigError, match=f"guest.work: got {work}, expected .* guest that {work}s"), vm:
        pass


def test_no_memory_for_the_kick_masks_at_start_is_exit_code_2_and_a_clear_message(process):
    one = process(injectors=[{"name": "mask-alloc-failure", "when": "start"}])
    out, err = one.communicate(timeout=30)
    assert one.returncode == 2, (out, err)
    assert "Traceback" not in err
    assert "kick mask" in err.lower() and ("ENOMEM" in err or "memory" in err.lower())


HALF_OPEN = """
from minikvm.kinds import Backend


class HalfOpen(Backend):
    \"""Has no third doorbell.\"""

    name = "half-open"
    capabilities = frozenset({"acknowledges", "interrupts-sleep"})
    doors = []
    closed = []

    def open(self, doorbell):
        self.doors.append(doorbell)
        if doorbell.pcpu == 2:
            raise OSError("no more doorbells")

    def close(self, doorbell):
        self.closed.append(doorbell.pcpu)

    def ring(self, vm, doorbell): ...
    def wait(self, vm, doorbell, timeout_ns): ...
"""


@pytest.fixture
def half_open(config, manager_with):
    """A back end whose third doorbell could not be opened: its class, after the VM that was not to be."""
    plugins = manager_with(HALF_OPEN)
    with pytest.raises(PluginError, match="backend half-open failed to open: OSError: no more doorbells"):
        VM(config(plugins, backend="half-open"), plugins).__enter__()
    return plugins.get("backend", "half-open").cls


def test_only_the_doorbells_that_were_opened_are_closed(half_open):
    assert sorted(half_open.closed) == [0, 1]


@pytest.mark.parametrize("pcpu", [0, 1, 2])
def test_no_doorbell_outlives_its_slot(half_open, pcpu):
    with pytest.raises(RuntimeError, match=f"the doorbell of pCPU {pcpu} is closed"):
        half_open.doors[pcpu].pending  # noqa: B018 (a read of freed memory is what must not happen)


def test_a_host_without_another_thread_is_a_configuration_error_and_leaves_none(config, manager, monkeypatch):
    start, started = threading.Thread.start, []

    def fail_the_third(thread):
        started.append(thread)
        if len(started) == 3:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail_the_third)
    with pytest.raises(ConfigError, match=r"vm\.vcpus: got 4, expected no more vCPUs than the host has threads .*can't start new thread"):
        VM(config(), manager).__enter__()


def test_a_host_without_file_descriptors_is_exit_code_2_and_a_clear_message(process):
    one = process(descriptors=30, backend="eventfd", host={"sockets": 1, "cores": 40, "threads": 1})
    _, stderr = one.communicate(timeout=30)
    assert one.returncode == 2, stderr
    assert "backend: got eventfd, expected a back end for which the host has a doorbell a pCPU, 40 in all" in stderr
    assert "Too many open files" in stderr and "Traceback" not in stderr


def test_a_vm_that_did_not_start_has_nothing_to_report(config, manager_with):
    plugins = manager_with(HALF_OPEN)
    vm = VM(config(plugins, backend="half-open"), plugins)
    with pytest.raises(PluginError):
        vm.__enter__()
    assert vm.report is None
