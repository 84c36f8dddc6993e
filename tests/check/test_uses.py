"""Plugins that say what a check must know beforehand (`uses`), and plugins that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from minikvm.check.cells import Checker
from minikvm.config import loads
from minikvm.pluginload import PluginError
from minikvm.plugins import Manager

ROOT = Path(__file__).parents[2]
SEED = ROOT / "configs/seed-wait-1vcpu-2entries.yaml"
PLUGINS = '''
from minikvm.kinds import REQUEST_WAIT, Injector, Strategy


class Mover(Injector):
    """Moves the target after the read of its cpu, as stale-cpu does."""

    name = "mover"
    points = ("kick.cpu_read",)
    uses = frozenset({"migrate"})

    def at(self, vm, point, vcpu):
        vm.migrate(vcpu)


class SecretMover(Injector):
    """The same, and does not say so."""

    name = "secret-mover"
    points = ("kick.cpu_read",)

    def at(self, vm, point, vcpu):
        vm.migrate(vcpu)


class Barriers(Strategy):
    """A membarrier, and then as the kernel."""

    name = "barriers"
    uses = frozenset({"membarrier"})

    def dispatch(self, vm, request, targets):
        vm.membarrier()
        return vm.make_vcpus_request_mask(request, targets)


class SecretBarriers(Strategy):
    """The same, and does not say so."""

    name = "secret-barriers"

    def dispatch(self, vm, request, targets):
        vm.membarrier()
        return vm.make_vcpus_request_mask(request, targets)
'''


@pytest.fixture(scope="module")
def explored(tmp_path_factory):
    """The cell of a strategy with an injector, under sc."""
    path = tmp_path_factory.mktemp("uses") / "uses.py"
    path.write_text(PLUGINS)
    manager = Manager([str(path)])

    def explored(strategy, injector=None):
        text = SEED.read_text().replace("injectors: [stale-cpu]", f"injectors: [{injector or ''}]")
        checker = Checker(loads(text, registry=manager), manager, str(SEED), text, strategies=[strategy], models=["sc"])
        (cell,) = checker.run()
        return cell

    return explored


@pytest.mark.parametrize("strategy", ["v1-bitmap", "upstream"])
def test_an_injector_of_a_plugin_that_moves_vcpus_is_explored_as_stale_cpu_is(explored, strategy):
    built_in, plugin = explored(strategy, "stale-cpu"), explored(strategy, "mover")
    assert (plugin.executions, plugin.blocked, set(plugin.violations)) == (built_in.executions, built_in.blocked, set(built_in.violations))
    assert plugin.blocked > explored(strategy).blocked  # all end with a guest that rests


def test_an_injector_that_moves_vcpus_and_does_not_say_so_is_an_error_that_names_the_attribute(explored):
    with pytest.raises(PluginError, match=r'injector secret-mover: calls migrate\(\).*uses = frozenset\(\{"migrate"\}\)'):
        explored("upstream", "secret-mover")


def test_a_strategy_of_a_plugin_may_use_membarriers(explored):
    cell = explored("barriers")
    assert (cell.exhausted, set(cell.violations)) == (True, set())


def test_a_strategy_that_uses_membarriers_and_does_not_say_so_is_an_error_that_names_the_attribute(explored):
    with pytest.raises(PluginError, match=r'strategy secret-barriers.*calls membarrier\(\).*uses = frozenset\(\{"membarrier"\}\)'):
        explored("secret-barriers")


def test_the_command_says_it_in_one_line_and_ends_with_3(minikvm, tmp_path):
    (tmp_path / "uses.py").write_text(PLUGINS)
    done = minikvm("check", SEED, "-p", str(tmp_path / "uses.py"), "--set", "injectors=[secret-mover]", "--model", "sc", "--jobs", "2")
    assert (done.returncode, "Traceback" in done.stderr) == (3, False)
    assert "injector secret-mover: calls migrate() and does not say so" in done.stderr
