"""One sdist, one wheel made from it, one bare environment with that wheel: built once, for all tests of a run."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINUTES = 60
# The tests run in an environment of their own; what is built and installed here must not see it.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MINIKVM_BUILD")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.packaging)


@pytest.fixture(scope="session")
def root():
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def call():
    """Run a command to its end and return what it wrote; a failure shows all of it."""

    def call(*command, cwd=None, code=0, **environment):
        clean = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        done = subprocess.run([str(part) for part in command], cwd=cwd, env=clean | environment, capture_output=True, text=True,
                              timeout=15 * MINUTES, check=False)
        assert done.returncode == code, f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    return call


@pytest.fixture(scope="session")
def sdist(call, once):
    """The .tar.gz of the project."""
    code = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"
    return next(once("sdist", lambda folder: call(sys.executable, "-c", code, folder, cwd=ROOT)).glob("minikvm-*.tar.gz"))


@pytest.fixture(scope="session")
def unpacked(sdist, tmp_path_factory):
    """The sdist's tree."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder)  # our own archive
    return next(folder.glob("minikvm-*"))


@pytest.fixture(scope="session")
def wheel(call, sdist, once):
    """The wheel that the sdist gives, and nothing but the sdist."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w"]
    return next(once("wheel", lambda folder: call(*command, folder, sdist, cwd=folder)).glob("minikvm-*.whl"))


class Environment:
    """A virtual environment: its folder, its commands."""

    def __init__(self, folder, call):
        self.folder = folder
        self.call = call
        call(sys.executable, "-m", "venv", folder)

    def run(self, command, *arguments, **options):
        return self.call(self.folder / "bin" / command, *arguments, **{"cwd": self.folder, **options})

    def install(self, *arguments):
        return self.run("pip", "install", "-q", "--disable-pip-version-check", *arguments)


@pytest.fixture(scope="session")
def bare(call, wheel, tmp_path_factory):
    """An environment with the wheel and what it depends on."""
    environment = Environment(tmp_path_factory.mktemp("bare"), call)
    environment.install(wheel)
    return environment


@pytest.fixture(scope="session")
def authors(call, wheel, tmp_path_factory):
    """A plugin author's environment: the wheel, a compiler's front end, pytest."""
    environment = Environment(tmp_path_factory.mktemp("authors"), call)
    environment.install(wheel, "setuptools>=77", "cython>=3.1,<4", "pytest>=8")
    return environment


@pytest.fixture
def core_only(call, unpacked, tmp_path):
    """An editable install of the project with the core's extensions only: the others take a minute more, and change nothing here."""
    tree = tmp_path / "tree"
    unpacked.rename(tree)
    for source in (tree / "minikvm").rglob("*.pyx"):
        if source.parent.name != "core":
            source.unlink()
    environment = Environment(tmp_path / "editable", call)
    environment.install("setuptools>=77", "cython>=3.1,<4")
    environment.install("--no-build-isolation", "-e", tree)
    yield environment
    tree.rename(unpacked)
