"""For all tests: Ctrl-C works in what they start; ThreadSanitizer's reports name the functions; what is expensive is made once."""

import fcntl
import importlib
import os
import pkgutil
import signal
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

import pytest
from hypothesis import settings

import minikvm
from tests.examples import examples

settings.register_profile(
    "minikvm",
    deadline=None,  # a slow machine is no failure
    max_examples=examples(100),
    # As in Hypothesis's own profile for CI: a run there tells what a change broke, the same each time. tox -e fuzz looks for what is new.
    derandomize="CI" in os.environ and examples(1) == 1,
)
settings.load_profile("minikvm")


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        # A process of pytest-xdist has a thread that waits for its next order and holds nothing. What the tests fork never meets it.
        config.addinivalue_line("filterwarnings", "ignore:This process .* is multi-threaded:DeprecationWarning")
    # A shell without job control starts a background job with SIGINT ignored, and every child inherits that: Ctrl-C would do nothing.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "libtsan" in Path("/proc/self/maps").read_text():
        # Its symbolizer looks only once, at the first report, which files are loaded: the functions of later ones would have no names,
        # neither in reports nor for tests/tsan.supp.
        for module in pkgutil.walk_packages(minikvm.__path__, "minikvm."):
            if isinstance(module.module_finder.find_spec(module.name).loader, ExtensionFileLoader):
                importlib.import_module(module.name)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory, request):
    """A folder of this test run, the same one in all processes of pytest-xdist (each of which is a session for pytest)."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base  # a process of pytest-xdist has a folder in the run's


@pytest.fixture(scope="session")
def once(session_folder):
    """once(name, make) -> a folder that make(folder) has filled: by the first process that asks, while the others wait.

    If make fails, so does every test that asks: each process tries for itself, and shows the error.
    """

    def once(name, make):
        folder, done = session_folder / name, session_folder / f"{name}.done"
        with (session_folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                folder.mkdir(exist_ok=True)
                make(folder)
                done.touch()
        return folder

    return once
