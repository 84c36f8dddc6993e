"""The registry: what the configuration loader and the VM ask the manager."""

import sys

import pytest
from pydantic import ValidationError

from minikvm import pluginload
from minikvm.plugins import Manager, NotFound, PluginError

OPTIONS = """
from minikvm.kinds import Options, Strategy

class Batched(Options):
    batch: int = 8

class Mine(Strategy):
    '''First line.

    More.
    '''

    name = "mine"
    Options = Batched
    requires = frozenset({"acknowledges"})

    def __init__(self, options=None):
        super().__init__(options)
        if self.options.batch == 13:
            raise RuntimeError("unlucky")

    def dispatch(self, vm, request, targets):
        return False
"""


@pytest.fixture
def manager(load):
    return load(OPTIONS)


@pytest.fixture
def builtin(tmp_path, monkeypatch):
    """A package of built-in strategies of the test's own."""
    folder = tmp_path / "builtins_of_the_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(pluginload.BUILTIN_PACKAGES, "strategy", "builtins_of_the_test")

    def write(module, text):
        (folder / f"{module}.py").write_text(text)

    yield write
    for name in [name for name in sys.modules if name.startswith("builtins_of_the_test")]:
        del sys.modules[name]


def test_a_registered_class_is_described(manager, tmp_path):
    item = manager.get("strategy", "mine")
    assert (item.summary, item.capabilities, item.location) == ("First line.", {"acknowledges"}, str(tmp_path / "plugin_under_test.py"))


def test_an_unknown_name_gives_the_nearest_and_all(manager):
    with pytest.raises(NotFound, match=r"unknown strategy 'mime'; did you mean mine\? \(there are: .*mine.*\)"):
        manager.get("strategy", "mime")


def test_the_options_model_is_the_classes(manager):
    assert set(manager.options_model("strategy", "mine").model_fields) == {"batch"}


def test_an_instance_gets_its_options(manager):
    assert manager.create("strategy", "mine", {"batch": 2}).options.batch == 2


def test_unknown_options_are_refused(manager):
    with pytest.raises(ValidationError, match="bach"):
        manager.create("strategy", "mine", {"bach": 2})


def test_an_exception_of_the_plugins_constructor_names_the_plugin(manager):
    with pytest.raises(PluginError, match=r"strategy mine .*plugin_under_test.*unlucky"):
        manager.create("strategy", "mine", {"batch": 13})


def test_kvms_requests_are_known_with_their_traits():
    manager = Manager(no_plugins=True)
    assert "TLB_FLUSH" in manager.names("request") and manager.request_traits("TLB_FLUSH") == {"wait", "no_wakeup"}


def test_a_plugins_request_is_known_with_its_traits(load):
    manager = load("""
        from minikvm.hookspecs import hookimpl
        from minikvm.kinds import RequestDef
        @hookimpl
        def minikvm_requests():
            return [RequestDef("MY_GATE", 50, wait=True, gate=True)]
    """)
    assert manager.request_traits("MY_GATE") == {"wait", "gate"}


def test_a_builtin_is_listed_without_being_imported(builtin):
    builtin("never_imported", "raise SystemExit")
    assert Manager(no_plugins=True).names("strategy") == ("never-imported",)


def test_a_builtin_is_imported_when_it_is_asked_for(builtin, strategy_text):
    builtin("some_one", strategy_text("some-one"))
    assert Manager(no_plugins=True).get("strategy", "some-one").plugin == "minikvm"


def test_a_module_with_an_underscore_is_no_builtin(builtin, strategy_text):
    builtin("_shared", strategy_text("shared"))
    assert Manager(no_plugins=True).names("strategy") == ()


@pytest.mark.parametrize(
    ("text", "cause"), [("1/0", "ZeroDivisionError"), ("import sys; sys.exit(1)", "SystemExit"), ("", "it holds none")]
)
def test_a_broken_builtin_is_an_error(builtin, text, cause):
    builtin("broken", text)
    with pytest.raises(PluginError, match=cause):
        Manager(no_plugins=True).get("strategy", "broken")


def test_a_builtin_module_must_be_named_as_its_class(builtin, strategy_text):
    builtin("one_name", strategy_text("another-name"))
    with pytest.raises(PluginError, match="must hold one strategy named 'one-name'"):
        Manager(no_plugins=True).get("strategy", "one-name")


def test_a_plugin_with_a_builtins_name_clashes(builtin, load, strategy_text):
    builtin("mine", strategy_text("mine"))
    with pytest.raises(PluginError, match="comes twice"):
        load(strategy_text("mine"))


@pytest.mark.parametrize("kind", list(pluginload.BUILTIN_PACKAGES))
def test_every_builtin_of_minikvm_is_sound_and_has_a_summary(kind):
    assert all(item.summary for item in Manager(no_plugins=True).all(kind))


@pytest.mark.parametrize("hook", ["vm_started", "vm_stopped", "violation"])
def test_an_exception_in_a_notification_names_the_plugin(load, hook):
    manager = load(f"from minikvm.hookspecs import hookimpl\n@hookimpl\ndef minikvm_{hook}():\n    raise RuntimeError('deaf')\n")
    arguments = {"vm_started": (None,), "vm_stopped": (None, None), "violation": (None, None)}[hook]
    with pytest.raises(PluginError, match=rf"plugin_under_test\.py.*minikvm_{hook}: RuntimeError: deaf"):
        getattr(manager, hook)(*arguments)
