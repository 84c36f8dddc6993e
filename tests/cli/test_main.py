"""The group: help, version, where -p may stand, and what each exit code means."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import minikvm

COMMANDS = [["run"], ["validate"], ["schema"], ["plugins"], ["plugins", "list"], ["plugins", "show"], ["new"]]


@pytest.mark.parametrize("command", [[], *COMMANDS], ids=" ".join)
def test_every_help_has_an_example(invoke, command):
    result = invoke(*command, "--help")
    assert result.exit_code == 0 and "Example" in result.output and "minikvm " in result.output


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != ["new"]], ids=" ".join)
def test_every_command_but_new_takes_the_plugin_options(invoke, command):
    output = invoke(*command, "--help").output
    assert all(option in output for option in ("--plugin", "--no-plugins", "--strict-plugins"))


def test_help_shows_how_to_complete_in_a_shell(invoke):
    assert "_MINIKVM_COMPLETE=bash_source minikvm" in invoke("--help").output


def test_version(invoke):
    assert invoke("--version").output == f"minikvm {minikvm.__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["-p", "parts", "plugins", "list"], ["plugins", "-p", "parts", "list"], ["plugins", "list", "-p", "parts"]]
)
def test_a_plugin_may_be_named_before_or_after_the_command(invoke, parts, arguments):
    result = invoke(*(parts if argument == "parts" else argument for argument in arguments))
    assert "test-strategy" in result.output


def test_help_imports_nothing_but_click():
    code = "import sys; from minikvm.cli.main import cli; cli(['--help'], standalone_mode=False); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert {"pydantic", "pluggy", "yaml", "rich"} & set(done.stderr.split()) == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command"),
        (["run"], "Missing argument"),
        (["run", "x.yaml", "--set", "seed"], "expected KEY.PATH=VALUE"),
        (["run", "x.yaml", "--set", "a..b=1"], "expected KEY.PATH=VALUE"),
        (["-p", "nowhere.py", "plugins", "list"], "there is no such file"),
        (["-p", "no_such_module_anywhere", "plugins", "list"], "neither a .py file nor an installed plugin"),
        (["plugins", "show", "nothing-like-it"], "there is no plugin 'nothing-like-it'"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_message(invoke, arguments, message):
    result = invoke(*arguments)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.stderr and result.stdout == ""


def test_the_exit_code_reaches_the_shell(call):
    assert call("nonsense")[0] == 2


def test_a_plugin_that_raises_is_exit_code_3_with_its_traceback(call, tmp_path):
    (tmp_path / "bad.py").write_text("def f():\n    raise RuntimeError('no such device')\nf()\n")
    code, _, err = call("-p", "bad.py", "plugins", "list")
    assert code == 3
    assert 'bad.py", line 2, in f' in err and err.splitlines()[-1].startswith("minikvm: error: plugin bad.py failed to load: RuntimeError")


def test_the_traceback_of_a_plugin_has_no_frames_of_the_machinery(call, tmp_path):
    (tmp_path / "bad.py").write_text("1/0\n")
    _, _, err = call("-p", "bad.py", "plugins", "list")
    assert "pluginload" not in err and "importlib" not in err


def test_a_plugin_that_breaks_a_rule_is_exit_code_3_and_one_sentence(call, tmp_path):
    (tmp_path / "bad.py").write_text("from minikvm.kinds import Strategy\nclass Wrong(Strategy):\n    pass\n")
    code, _, err = call("-p", "bad.py", "plugins", "list")
    assert code == 3 and len(err.splitlines()) == 1 and "class Wrong" in err and "bad.py" in err


def test_a_reader_that_goes_away_is_no_traceback(start):
    read, write = os.pipe()
    os.close(read)
    process = start("plugins", "list", "--json", stdout=write)
    os.close(write)
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 141


def test_a_defect_of_minikvm_is_not_taken_for_a_violation(invoke, monkeypatch):
    monkeypatch.setattr("minikvm.plugins.Manager.all", lambda self, kind=None: 1 / 0)
    result = invoke("plugins", "list")
    assert result.exit_code == 70 and "ZeroDivisionError" in result.stderr and "a defect of minikvm" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(call, shell):
    code, out, _ = call(env=os.environ | {"_MINIKVM_COMPLETE": f"{shell}_source", "PYTHONPATH": os.pathsep.join(sys.path)})
    assert (code == 0 and "_MINIKVM_COMPLETE" in out) or "complete" in out


def test_a_strategys_name_is_completed_with_the_plugins_named_before(invoke, parts):
    words = f"minikvm -p {parts} run x.yaml --strategy test-"
    result = invoke(env={"_CLI_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "6"}, prog_name="cli")
    assert "test-strategy" in result.output


def test_a_reader_that_goes_away_during_the_help_is_no_traceback(start):
    read, write = os.pipe()
    os.close(read)
    process = start("--help", stdout=write)
    os.close(write)
    assert process.communicate(timeout=60)[1] == "" and process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_exit_code_2_and_a_sentence(start):
    with open("/dev/full", "w", encoding="utf-8") as full:
        process = start("schema", "--no-plugins", stdout=full)
        stderr = process.communicate(timeout=30)[1]
    assert (process.returncode, stderr) == (2, "minikvm: error: the output cannot be written: No space left on device\n")
