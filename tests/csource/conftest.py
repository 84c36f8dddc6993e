"""The shipped C forms and their Cython twins; the command line, with a cache of compiled C files of the session's own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from minikvm.plugins import Manager


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Where this session's C files are compiled to."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def manager():
    return Manager(no_plugins=True)


@pytest.fixture
def start(tmp_path):
    """Start `minikvm ARGUMENT...` in the test's folder; keywords are environment variables."""

    def start(*arguments, cwd=tmp_path, **environment):
        line = [sys.executable, "-m", "minikvm", *map(str, arguments)]
        return subprocess.Popen(line, cwd=cwd, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@pytest.fixture
def call(start):
    """The same, run to its end: (exit code, stdout, stderr)."""

    def call(*arguments, **options):
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err

    return call


@pytest.fixture
def refused(call):
    """What a command that is to end with exit code 2 writes to stderr."""

    def refused(*arguments, **options):
        code, out, err = call(*arguments, **options)
        assert (code, "Traceback" in err) == (2, False), f"exit code {code}\n{out}{err}"
        return err

    return refused
