"""A build that cannot be says so in one sentence."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from setuptools import Distribution

from minikvm import _build_ext

BUILD = "from setuptools import setup; setup()"


@pytest.fixture
def refuse(root, monkeypatch, tmp_path):
    """Start a build that is to be refused; returns the last line that it wrote."""

    def refuse(**environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-c", BUILD, "-q", "build_ext", "--build-temp", tmp_path, "--build-lib", tmp_path]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]

    return refuse


def test_another_operating_system_is_refused(monkeypatch):
    command = _build_ext.build_ext(Distribution({"name": "any"}))
    monkeypatch.setattr(_build_ext, "sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(SystemExit, match=r"^minikvm runs on Linux only \(.*\); this is darwin$"):
        command.finalize_options()


def test_an_unknown_build_profile_is_refused_with_those_that_are_known(refuse):
    assert "MINIKVM_BUILD=fast: expected one of release, coverage, tsan, asan" in refuse(MINIKVM_BUILD="fast")


def test_a_free_threaded_interpreter_is_refused(root):
    code = "import sys; sys._is_gil_enabled = lambda: False\nimport minikvm"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1 and "minikvm needs an interpreter with the GIL" in done.stderr
