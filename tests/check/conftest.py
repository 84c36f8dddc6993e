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

ROOT = Path(__file__).parents[2]
BUILD = "from setuptools import setup; setup()"


@pytest.fixture(scope="session")
def known_bugs(tmp_path_factory):
    """The folder from which minikvm_known_bugs can be imported; built here, unless it is installed."""
    spec = importlib.util.find_spec("minikvm_known_bugs")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parents[1]
    folder = shutil.copytree(ROOT / "plugins/minikvm-known-bugs", tmp_path_factory.mktemp("plugins") / "minikvm-known-bugs")
    subprocess.run([sys.executable, "-c", BUILD, "-q", "build_ext", "--inplace"], cwd=folder, check=True, capture_output=True, timeout=600)
    return folder


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
def check(minikvm):
    """The verdict of `minikvm check FILE ...`. A call that was made before is not made again."""
    made = {}

    def check(file, *options):
        if (file, options) not in made:
            done = minikvm("check", file, "--json", *options)
            assert done.returncode in (0, 1), f"exit code {done.returncode}\n{done.stderr}"
            made[file, options] = json.loads(done.stdout)
        return made[file, options]

    return check
