"""``minikvm run``: what reaches the VM, what is printed, and how a run ends early."""

import json
import signal

import pytest


@pytest.fixture
def run(invoke, config, parts, fake_vm, monkeypatch):
    """Run the small configuration with a VM whose run() does *body*: (exit code, stdout, stderr)."""

    def run(*arguments, body="pass"):
        monkeypatch.setattr("minikvm.live.VM", None, raising=False)  # put back after the test what the plugin replaces
        result = invoke("-p", parts, "-p", fake_vm(body), "run", config, "--json", *arguments)
        return result.exit_code, result.stdout, result.stderr

    return run


def test_a_fine_run_prints_the_report_and_exits_with_0(run):
    code, out, err = run()
    assert (code, json.loads(out)["exit_code"], err) == (0, 0, "")


def test_a_violation_is_the_reports_exit_code(run):
    assert run(body="return Report(1, self.config)")[0] == 1


def test_seed_and_strategy_replace_those_of_the_file(run, tmp_path):
    other = tmp_path / "other.py"
    text = "from minikvm.kinds import Strategy\nclass S(Strategy):\n    name='other'\n    def dispatch(self, vm, request, targets): ...\n"
    other.write_text(text)
    report = json.loads(run("--seed", "7", "--strategy", "other", "-p", other)[1])
    assert (report["seed"], report["strategy"]) == (7, "other")


def test_set_replaces_any_value(run):
    assert json.loads(run("--set", "vm.vcpus=3", "--set", "host.cores=4")[1])["vcpus"] == 3


@pytest.mark.parametrize(
    ("arguments", "parts_of_message"),
    [
        (["--seed", "many"], ["seed", "many"]),
        (["--strategy", "test-stratgy"], ["test-stratgy", "did you mean test-strategy?"]),
        (["--duration", "soon"], ["duration", "soon"]),
        (["--set", "vm.vcpu=3"], ["vcpu", "did you mean vcpus?"]),
        (["--set", "workload.7.count=3"], ["workload.7.count", "indices"]),
        (["--set", "vm.vcpus=[1"], ["--set vm.vcpus"]),
        (["--set", "strategy.bach=3"], ["bach", "did you mean batch?"]),
    ],
)
def test_a_wrong_value_on_the_command_line_is_exit_code_2_and_says_which(run, arguments, parts_of_message):
    code, out, err = run(*arguments)
    assert code == 2 and out == "" and "Traceback" not in err and all(part in err for part in parts_of_message)


def test_a_missing_file_is_exit_code_2(invoke):
    result = invoke("run", "nowhere.yaml")
    assert result.exit_code == 2 and "nowhere.yaml" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_the_report_so_far_and_130(start, config, parts, fake_vm, number):
    body = "print('running', flush=True)\ntime.sleep(60)"
    process = start("-p", parts, "-p", fake_vm(body), "run", config, "--json")
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["exit_code"], err) == (130, 130, "\nminikvm: interrupted\n")


def test_a_vm_that_handles_the_interrupt_itself_has_its_report_printed_once(run):
    body = "try:\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    return self.report"
    code, out, _ = run(body=body)
    assert code == 130 and json.loads(out)["exit_code"] == 130


def test_a_plugins_exception_prints_the_report_so_far_its_traceback_and_is_3(run):
    body = "try:\n    {}['lost']\nexcept KeyError as error:\n    raise PluginError('strategy x failed', 'x') from error"
    code, out, err = run(body=body)
    assert code == 3 and json.loads(out) and "KeyError: 'lost'" in err and err.splitlines()[-1] == "minikvm: error: strategy x failed"


def test_no_progress_bar_where_stderr_is_no_terminal(run):
    body = "self.progress(dict(calls_done=1, calls_total=3, elapsed_s=1.0, duration_s=None, rate=1.0, phase='running'))"
    assert run(body=body)[2] == ""


def test_without_json_the_text_report_is_rendered(invoke, config, parts, fake_vm, monkeypatch):
    seen = []
    monkeypatch.setattr("minikvm.report.text.render", lambda report, console, verbose: seen.append((report["exit_code"], verbose)))
    monkeypatch.setattr("minikvm.live.VM", None, raising=False)  # put back after the test what the plugin replaces
    assert invoke("-p", parts, "-p", fake_vm("pass"), "run", config, "-v").exit_code == 0
    assert seen == [(0, True)]
