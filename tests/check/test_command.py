"""`minikvm check` as a person runs it: verdicts, exit codes, files, interruptions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli

ROOT = Path(__file__).parents[2]
SEED = ROOT / "configs/seed-wait-1vcpu-2entries.yaml"
LARGE = ["check.initiators=3", "check.entries=2", "check.vcpus=2"]

CLOCKY = '''
from minikvm.kinds import Strategy

class Clocky(Strategy):
    """Depends on a global: another order at every second call."""

    name = "clocky"
    calls = 0

    def dispatch(self, vm, request, targets):
        Clocky.calls += 1
        order = list(vm.vcpus) if Clocky.calls % 2 else list(reversed(list(vm.vcpus)))
        for vcpu in order:
            vm.make_request(request, vcpu)
        return False
'''
BROKEN = '''
from minikvm.kinds import Strategy

class Broken(Strategy):
    """Raises."""

    name = "broken"

    def dispatch(self, vm, request, targets):
        raise ZeroDivisionError("on purpose")
'''
LAZY = '''
from minikvm.kinds import Strategy

class Lazy(Strategy):
    """Makes the request and kicks nobody."""

    name = "lazy"

    def dispatch(self, vm, request, targets):
        for vcpu in vm.vcpus:
            vm.make_request(request, vcpu)
        return False
'''

MARKER = '''
from pathlib import Path

from minikvm.kinds import Injector

Path("started").touch()


class Nobody(Injector):
    """Is asked at no point of a check: the file is only there to be imported."""

    name = "nobody"
    points = ("kick.begin",)

    def at(self, vm, point, vcpu):
        return None
'''


@pytest.fixture
def command(tmp_path, monkeypatch):
    """Run `minikvm check ...` in an empty folder, in this process: a start of Python costs more than most checks."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments, code):
        done = CliRunner().invoke(cli, ["check", *map(str, arguments)], prog_name="minikvm")
        assert done.exit_code == code, f"exit code {done.exit_code}, expected {code}\n{done.stdout}\n{done.stderr}"
        return done

    return command


@pytest.fixture
def process(tmp_path):
    """The same as a process of its own."""

    def process(*arguments, code):
        line = [sys.executable, "-I", "-m", "minikvm", "check", *map(str, arguments)]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, f"exit code {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        return done

    return process


@pytest.fixture
def plugin(tmp_path):
    """A plugin file with this text."""

    def plugin(text):
        path = tmp_path / "my_strategy.py"
        path.write_text(text, encoding="utf-8")
        return path

    return plugin


def cpu_seconds(process):
    """What a process has used so far; of one that has ended, enough."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 1e9
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def large():
    return [word for setting in LARGE for word in ("--set", setting)]


def test_a_strategy_that_holds_ends_with_0(process):
    done = process(SEED, "--strategy", "upstream", "--model", "sc,tso", code=0)
    assert re.search(r"holds \(\d+ executions, exhausted\)", done.stdout)
    assert "robust: TSO shows nothing that SC lacks" in done.stdout


def test_a_violation_ends_with_1_and_leaves_a_schedule_that_the_verdict_names(process, tmp_path):
    done = process(SEED, "--strategy", "v1-bitmap", "--model", "sc", code=1)
    assert "counterexample-v1-bitmap-sc-P1.json" in done.stdout
    assert json.loads((tmp_path / "counterexample-v1-bitmap-sc-P1.json").read_text())["property"] == "P1"


def test_the_counterexample_names_places_in_the_source(command, tmp_path):
    command(SEED, "--strategy", "v1-bitmap", "--model", "sc", code=1)
    rows = json.loads((tmp_path / "counterexample-v1-bitmap-sc-P1.json").read_text())["rows"]
    places = {row["text"]: row["place"] for row in rows}
    file, _, line = places["reads vcpu0->cpu (plain)"].rpartition(":")
    assert "v.cpu" in (ROOT / file).read_text().splitlines()[int(line) - 1]


def test_under_lkmm_the_counterexample_says_what_a_read_did_not_see(command, tmp_path):
    command(SEED, "--strategy", "linear", "--model", "lkmm", "--property", "P1", code=1)
    rows = json.loads((tmp_path / "counterexample-linear-lkmm-P1.json").read_text())["rows"]
    missed = [row["missed"] for row in rows if row["missed"]]
    assert missed and all("step" in one and "between" in one["missing"] for one in missed)


def test_a_budget_that_ends_first_is_said_and_ends_with_4(command):
    done = command(ROOT / "configs/quickstart.yaml", "--model", "sc", *large(), "--budget-executions", "500", code=4)
    assert "not exhausted" in done.stdout and "exhausted)" not in done.stdout.replace("not exhausted", "")


def test_a_budget_of_seconds_holds(command):
    started = time.monotonic()
    command(ROOT / "configs/quickstart.yaml", "--model", "sc", *large(), "--budget-seconds", "1", code=4)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((SEED, "--strategy", "upstraem"), "did you mean upstream?"),
        ((SEED, "--model", "scc"), "unknown model 'scc'"),
        ((SEED, "--loop", "risc"), "unknown loop 'risc'"),
        ((SEED, "--property", "P99"), "'P99' is no property"),
        (("nowhere.yaml",), "nowhere.yaml"),
        ((), "Missing argument 'FILE'"),
        ((SEED, "--random", "5", "--jobs", "2"), "--random does not go with --jobs"),
        (("--replay", "nowhere.json"), "nowhere.json"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said_and_ends_with_2(command, arguments, said):
    done = command(*arguments, code=2)
    assert said in done.stderr and "Traceback" not in done.stderr


def test_a_strategy_in_python_is_checked(command, plugin):
    done = command(SEED, "-p", plugin(LAZY), "--strategy", "lazy", "--model", "sc", "--property", "P1", code=1)
    assert "although TLB_FLUSH is pending for it" in " ".join(done.stdout.split())


def test_a_plugin_that_depends_on_more_than_it_reads_is_a_fault_of_the_plugin(command, plugin):
    done = command(ROOT / "configs/seed-wait.yaml", "-p", plugin(CLOCKY), "--strategy", "clocky", "--model", "sc", code=3)
    assert "did something else" in done.stderr and "with the same values" in done.stderr


def test_a_plugin_that_raises_ends_with_3_and_its_exception(command, plugin):
    done = command(SEED, "-p", plugin(BROKEN), "--strategy", "broken", "--model", "sc", code=3)
    assert "ZeroDivisionError: on purpose" in done.stderr


def test_the_json_verdict_fits_its_schema(command):
    from minikvm.report.checkverdict import verdict_of

    done = command(SEED, "--strategy", "upstream,v1-bitmap", "--json", code=1)
    verdict = verdict_of(json.loads(done.stdout))
    assert [(cell.strategy, cell.model) for cell in verdict.cells] == [
        (strategy, model) for strategy in ("upstream", "v1-bitmap") for model in ("sc", "tso", "rc11", "lkmm")
    ]


def test_two_processes_find_what_one_finds(command):
    config = ROOT / "configs/seed-wait-walk.yaml"
    alone, together = (
        json.loads(command(config, "--strategy", "v1-bitmap", "--model", "sc", "--json", *more, code=1).stdout)["cells"][0]
        for more in ((), ("--jobs", "2"))
    )
    for name in ("executions", "blocked", "exhausted"):
        assert alone[name] == together[name]
    assert {p: v["verdict"] for p, v in alone["properties"].items()} == {p: v["verdict"] for p, v in together["properties"].items()}


def test_a_replay_runs_the_same_steps_again(command):
    command(SEED, "--strategy", "v1-bitmap", "--model", "tso", code=1)
    done = command("--replay", "counterexample-v1-bitmap-tso-P2.json", code=1)
    assert "P2 is violated again" in done.stdout


@pytest.mark.parametrize("said", [("--property", "P2"), ("--set", "check.entries=1", "--set", "guest.enter_us=forever")])
def test_a_replay_knows_what_the_command_line_had_changed(command, said):
    command(str(SEED), "--strategy", "v1-bitmap", "--model", "sc", *said, code=1)
    done = command("--replay", "counterexample-v1-bitmap-sc-P2.json", code=1)
    assert "steps; P2 is violated again" in done.output


def test_a_replay_under_another_strategy_says_where_they_part(command):
    command(SEED, "--strategy", "v1-bitmap", "--model", "sc", code=1)
    done = command("--replay", "counterexample-v1-bitmap-sc-P1.json", "--strategy", "upstream", code=0)
    text = " ".join(done.stdout.split())
    assert "part at step" in text and "does not violate P1" in text


def test_html_draws_the_counterexample(command, tmp_path):
    command(SEED, "--strategy", "v1-bitmap", "--model", "sc", "--property", "P1", "--html", "race.html", code=1)
    assert "<svg" in (tmp_path / "race.html").read_text()


def test_an_interrupted_check_prints_what_it_has_and_can_go_on(command, tmp_path):
    config = ROOT / "configs/quickstart.yaml"
    options = ["--model", "sc", "--set", "check.initiators=1", "--json"]
    whole = json.loads(command(config, *options, code=0).stdout)["cells"][0]
    (tmp_path / "marker.py").write_text(MARKER)
    line = [sys.executable, "-I", "-m", "minikvm", "check", str(config), "-p", "marker.py", *options, "--checkpoint", "far.json"]
    process = subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    # Not by the clock, which goes on where the process does not get a CPU: it explores when it has worked for a while since its imports.
    while process.poll() is None and not (tmp_path / "started").exists():
        time.sleep(0.02)
    started = cpu_seconds(process)
    while process.poll() is None and cpu_seconds(process) < started + 0.4:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    if process.returncode == 0:
        pytest.skip("the machine was too fast: the check was over before it was interrupted")
    assert process.returncode == 130, err
    first = json.loads(out)["cells"][0]
    assert not first["exhausted"] and first["executions"] < whole["executions"]
    again = json.loads(command(config, *options, "--resume", "far.json", code=0).stdout)["cells"][0]
    assert (again["executions"], again["blocked"], again["exhausted"]) == (whole["executions"], whole["blocked"], True)


def test_a_checkpoint_of_something_else_is_refused(command, tmp_path):
    config = ROOT / "configs/quickstart.yaml"
    command(config, "--model", "sc", *large(), "--budget-executions", "200", "--checkpoint", "far.json", code=4)
    done = command(config, "--model", "tso", *large(), "--resume", "far.json", code=2)
    assert "far.json is a checkpoint of something else" in done.stderr


def test_quickstart_is_exhausted_in_every_model_that_it_names(process):
    verdict = json.loads(process(ROOT / "configs/quickstart.yaml", "--json", "--jobs", "2", code=0).stdout)
    assert [(cell["model"], cell["exhausted"]) for cell in verdict["cells"]] == [("sc", True), ("tso", True), ("lkmm", True)]
