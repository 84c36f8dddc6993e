"""For all tests: Ctrl-C works in what they start; ThreadSanitizer's reports name the functions."""

import importlib
import pkgutil
import signal
from importlib.machinery import ExtensionFileLoader
from pathlib import Path

from hypothesis import settings

import minikvm

settings.register_profile("minikvm", deadline=None)  # a slow machine is no failure
settings.load_profile("minikvm")


def pytest_configure():
    # A shell without job control starts a background job with SIGINT ignored, and every child inherits that: Ctrl-C would do nothing.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "libtsan" in Path("/proc/self/maps").read_text():
        # Its symbolizer looks only once, at the first report, which files are loaded: the functions of later ones would have no names,
        # neither in reports nor for tests/tsan.supp.
        for module in pkgutil.walk_packages(minikvm.__path__, "minikvm."):
            if isinstance(module.module_finder.find_spec(module.name).loader, ExtensionFileLoader):
                importlib.import_module(module.name)
