"""The command `minikvm check`, and the packages of plugins/ that it is tried on."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli

ROOT = Path(__file__).parents[2]
BUILD = "from setuptools import setup; setup()"
RUN_EACH = """
import contextlib, io, sys
from minikvm.cli.main import cli
for file in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            cli.main(["run", file, "-p", "minikvm_known_bugs", "--duration", "200ms"], prog_name="minikvm")
        except SystemExit as ended:
            code = ended.code
    print(file, code, flush=True)
"""


@pytest.fixture(scope="session")
def known_bugs(once):
    """The folder from which minikvm_known_bugs can be imported; built here, unless it is installed."""
    spec = importlib.util.find_spec("minikvm_known_bugs")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parents[1]

    def make(folder):
        shutil.copytree(ROOT / "plugins/minikvm-known-bugs", folder, dirs_exist_ok=True)
        command = [sys.executable, "-c", BUILD, "-q", "build_ext", "--inplace"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)

    return once("known-bugs", make)


@pytest.fixture(scope="session")
def minikvm(known_bugs, tmp_path_factory):
    """`minikvm COMMAND FILE ...` with the known bugs plugged in: the completed process."""
    folder = tmp_path_factory.mktemp("minikvm")

    def run(command, file, *options):
        line = [sys.executable, "-m", "minikvm", command, str(file), "-p", "minikvm_known_bugs", *options]
        environment = {**os.environ, "PYTHONPATH": str(known_bugs)}
        return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False)

    return run


@pytest.fixture(scope="session")
def check(known_bugs, tmp_path_factory):
    """The verdict of `minikvm check FILE ...`, in this process. A call that was made before is not made again."""
    made = {}
    folder = tmp_path_factory.mktemp("check")

    def check(file, *options):
        if (file, options) not in made:
            line = ["check", str(file), "-p", "minikvm_known_bugs", "--json", "--out", str(folder), *options]
            with pytest.MonkeyPatch.context() as patch:
                patch.syspath_prepend(str(known_bugs))
                done = CliRunner().invoke(cli, line, prog_name="minikvm")
            assert done.exit_code in (0, 1), f"minikvm {' '.join(line)}: exit code {done.exit_code}\n{done.stderr}"
            made[file, options] = json.loads(done.stdout)
        return made[file, options]

    return check


@pytest.fixture(scope="session")
def run_codes(known_bugs):
    """name -> exit code of `minikvm run configs/bugs/NAME.yaml` for a moment, one after the other in one process of their own."""
    environment = {**os.environ, "PYTHONPATH": str(known_bugs)}
    files = sorted(map(str, (ROOT / "configs/bugs").glob("*.yaml")))
    line = [sys.executable, "-c", RUN_EACH, *files]
    done = subprocess.run(line, env=environment, cwd=known_bugs, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"exit code {done.returncode} after {done.stdout}\n{done.stderr}"
    return {Path(line.split()[0]).stem: int(line.split()[1]) for line in done.stdout.splitlines()}
