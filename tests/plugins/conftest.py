"""Plugins for the tests: as files, and as installed distributions made of a dist-info folder."""

import sys
import textwrap

import pytest

from minikvm.plugins import Manager

STRATEGY = """
from minikvm.kinds import Strategy

class {cls}(Strategy):
    '''{summary}'''

    name = "{name}"

    def dispatch(self, vm, request, targets):
        return False
"""


@pytest.fixture
def strategy_text():
    """The text of a module with one small strategy."""

    def text(name, cls="Some", summary="A strategy for a test."):
        return STRATEGY.format(name=name, cls=cls, summary=summary)

    return text


@pytest.fixture
def plugin_file(tmp_path):
    """Write a plugin's text to a file of its own; returns the path."""

    def write(text, name="plugin_under_test.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def load(plugin_file):
    """Load a plugin from a text; returns the manager."""

    def load(text, **options):
        return Manager([str(plugin_file(text))], no_plugins=True, **options)

    return load


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a distribution with one plugin module under an entry point; it is gone after the test."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def install(distribution, text, version="1.0", entry=None, value=None):
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[minikvm]\n{entry or distribution} = {value or module}\n")
        return site / f"{module}.py"

    yield install
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]
