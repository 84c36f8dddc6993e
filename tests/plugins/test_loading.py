"""Loading: files, modules, installed distributions; what is broken, left out, or clashes."""

import pytest

from minikvm.plugins import Manager, NotFound, PluginError

BROKEN = "raise RuntimeError('no such device')"
ABI = "raise ImportError('built for ABI 1, core has 2: rebuild the plugin')"


def test_a_file_without_hooks_brings_the_classes_it_defines(load, strategy_text):
    assert "mine" in load(strategy_text("mine")).names("strategy")


def test_a_file_with_hooks_brings_what_they_return(load, strategy_text):
    hook = "from minikvm.hookspecs import hookimpl\n@hookimpl\ndef minikvm_strategies():\n    return [Second]\n"
    manager = load(strategy_text("first", "First") + strategy_text("second", "Second") + hook)
    assert {"first", "second"} & set(manager.names("strategy")) == {"second"}


def test_a_file_that_only_listens_still_brings_its_classes(load, strategy_text):
    hook = "from minikvm.hookspecs import hookimpl\n@hookimpl\ndef minikvm_vm_started(vm):\n    pass\n"
    assert "mine" in load(strategy_text("mine") + hook).names("strategy")


def test_classes_that_a_file_imports_are_not_its_own(load, plugin_file, strategy_text, monkeypatch, tmp_path):
    plugin_file(strategy_text("elsewhere", "Elsewhere"), "other_module_of_the_test.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = "from other_module_of_the_test import Elsewhere\n" + strategy_text("here", "Here")
    assert {"elsewhere", "here"} & set(load(text).names("strategy")) == {"here"}


def test_a_class_with_an_underscore_is_a_base_and_not_registered(load, strategy_text):
    text = strategy_text("base", "_Base") + "\nclass Mine(_Base):\n    name = 'mine'\n"
    assert {"base", "mine"} & set(load(text).names("strategy")) == {"mine"}


def test_two_files_of_one_name_do_not_meet(tmp_path, strategy_text):
    files = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "plugin.py")
        files[-1].write_text(strategy_text(name))
    assert {"one", "two"} <= set(Manager(map(str, files), no_plugins=True).names("strategy"))


def test_a_file_named_twice_is_loaded_once(plugin_file, strategy_text):
    path = str(plugin_file(strategy_text("mine")))
    assert "mine" in Manager([path, path], no_plugins=True).names("strategy")


def test_a_missing_file_is_not_found_and_the_nearest_name_is_given(plugin_file, strategy_text):
    path = plugin_file(strategy_text("mine"), "my_strategy.py")
    with pytest.raises(NotFound, match=r"did you mean my_strategy\.py\?"):
        Manager([str(path.with_name("my_stratgy.py"))], no_plugins=True)


def test_a_folder_is_no_plugin_file(tmp_path):
    with pytest.raises(NotFound, match="this is a folder"):
        Manager([f"{tmp_path}/"], no_plugins=True)


def test_a_name_of_nothing_is_not_found():
    with pytest.raises(NotFound, match=r"neither a \.py file nor an installed plugin"):
        Manager(["no_such_module_anywhere"], no_plugins=True)


def test_a_module_that_lacks_another_one_is_broken_and_not_merely_missing(install):
    install("needs-more", "import no_such_module_anywhere")
    with pytest.raises(PluginError, match="no_such_module_anywhere"):
        Manager(["needs_more"], no_plugins=True)


@pytest.mark.parametrize("text", ["def f(:", "\0", "x = 1", "import sys; sys.exit(0)", BROKEN])
def test_a_file_that_fails_or_brings_nothing_is_an_error_that_names_it(load, text):
    with pytest.raises(PluginError, match=r"plugin_under_test\.py failed to load"):
        load(text)


def test_an_error_keeps_the_plugins_own_exception(load):
    with pytest.raises(PluginError) as caught:
        load(BROKEN)
    assert isinstance(caught.value.__cause__, RuntimeError) and caught.value.needs_traceback


def test_a_plugin_built_for_another_core_is_told_so_in_a_sentence(load):
    with pytest.raises(PluginError, match="built for ABI 1, core has 2: rebuild the plugin") as caught:
        load(ABI)
    assert not caught.value.needs_traceback


def test_an_interrupt_while_a_plugin_loads_is_not_the_plugins_failure(load):
    with pytest.raises(KeyboardInterrupt):
        load("raise KeyboardInterrupt")


HOOK = "from minikvm.hookspecs import hookimpl\n@hookimpl\ndef {}:\n    return {}\n"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (HOOK.format("minikvm_strategy()", "[]"), "no hook minikvm_strategy; did you mean minikvm_strategies?"),
        (HOOK.format("minikvm_strategies()", "int"), "returned <class 'int'>, expected a list"),
        (HOOK.format("minikvm_strategies()", "[int]"), "class int"),
        (HOOK.format("minikvm_strategies(vm)", "[]"), "vm"),
        (HOOK.format("minikvm_requests()", "['MY_SCAN']"), "expected minikvm.kinds.RequestDef"),
        ("def minikvm_strategies():\n    return []\n", "lacks the mark @hookimpl"),
    ],
)
def test_a_wrong_hook_is_refused_with_the_cause(load, text, cause):
    with pytest.raises(PluginError) as caught:
        load(text)
    assert cause in str(caught.value)


def test_an_installed_plugin_is_found_with_distribution_and_version(install, strategy_text):
    file = install("my-dist", strategy_text("mine"), version="2.1", entry="my-entry")
    item = Manager().get("strategy", "mine")
    assert (item.plugin, item.distribution, item.version, item.location) == ("my-entry", "my-dist", "2.1", str(file))


def test_an_entry_point_may_name_the_class_itself(install, strategy_text):
    install("my-dist", strategy_text("mine"), value="my_dist:Some")
    assert "mine" in Manager().names("strategy")


def test_a_broken_installed_plugin_is_a_warning_with_its_name_and_cause(install):
    install("bad-dist", BROKEN)
    (warning,) = Manager().warnings
    assert "bad-dist 1.0" in warning and "RuntimeError: no such device" in warning


def test_a_broken_plugin_leaves_the_others_alone(install, strategy_text):
    install("bad-dist", BROKEN)
    install("good-dist", strategy_text("mine"))
    assert "mine" in Manager().names("strategy")


def test_a_plugin_with_one_wrong_class_brings_none_of_its_classes(install, strategy_text):
    install("half-dist", strategy_text("good", "Good") + strategy_text("bad name", "Bad"))
    assert "good" not in Manager().names("strategy")


@pytest.mark.parametrize("options", [{"strict": True}, {"plugins": ["bad-dist"]}])
def test_a_broken_installed_plugin_is_an_error_when_strict_or_asked_for(install, options):
    install("bad-dist", BROKEN)
    with pytest.raises(PluginError, match=r"bad-dist 1\.0"):
        Manager(**options)


@pytest.mark.parametrize("name", ["my-entry", "my-dist", "My_Dist"])
def test_no_and_a_name_leaves_a_plugin_out(install, strategy_text, name):
    install("my-dist", strategy_text("mine"), entry="my-entry")
    assert "mine" not in Manager([f"no:{name}"]).names("strategy")


@pytest.mark.parametrize(
    ("kind", "name"), [("strategy", "upstream"), ("backend", "futex"), ("injector", "stale-cpu"), ("loop", "x86"), ("model", "lkmm")],
)
def test_no_and_a_built_ins_name_leaves_it_out(kind, name):
    manager = Manager([f"no:{name}"], no_plugins=True)
    assert name not in manager.names(kind) and not manager.warnings
    with pytest.raises(NotFound, match=f"{kind} '{name}' is left out by -p no:{name}"):
        manager.get(kind, name)


def test_a_plugin_may_stand_in_for_a_built_in_that_is_left_out(plugin_file, strategy_text):
    file = plugin_file(strategy_text("upstream"))
    manager = Manager(["no:upstream", str(file)], no_plugins=True)
    assert manager.get("strategy", "upstream").location == str(file) and not manager.left_out("strategy", "upstream")


def test_leaving_out_what_is_not_there_is_a_warning(install, strategy_text):
    install("my-dist", strategy_text("mine"))
    assert any("no:my-dits" in warning and "did you mean my-dist?" in warning for warning in Manager(["no:my-dits"]).warnings)


def test_asking_for_a_plugin_and_leaving_it_out_is_refused(install, strategy_text):
    install("my-dist", strategy_text("mine"))
    with pytest.raises(NotFound, match="at the same time"):
        Manager(["my-dist", "no:my-dist"])


def test_without_plugins_no_installed_one_is_loaded(install, strategy_text):
    install("my-dist", strategy_text("mine"))
    assert "mine" not in Manager(no_plugins=True).names("strategy")


def test_without_plugins_one_that_is_named_is_loaded_all_the_same(install, strategy_text):
    install("my-dist", strategy_text("mine"))
    assert "mine" in Manager(["my-dist"], no_plugins=True).names("strategy")


def test_a_module_that_is_also_installed_is_loaded_once(install, strategy_text):
    install("my-dist", strategy_text("mine"))
    assert Manager(["my_dist"]).get("strategy", "mine").distribution == "my-dist"


def test_a_clash_names_both_distributions(install, strategy_text):
    install("dist-a", strategy_text("mine"))
    install("dist-b", strategy_text("mine"))
    with pytest.raises(PluginError, match=r"strategy 'mine' comes twice: from dist-a 1\.0 \(.*\) and from dist-b 1\.0 \(.*-p no:dist-b"):
        Manager()


def test_a_clash_of_two_files_names_both(plugin_file, strategy_text):
    files = [plugin_file(strategy_text("mine"), name) for name in ("a.py", "b.py")]
    with pytest.raises(PluginError) as caught:
        Manager(map(str, files), no_plugins=True)
    assert all(str(file) in str(caught.value) for file in files)


def test_one_name_in_two_kinds_is_no_clash(load, strategy_text):
    injector = """
from minikvm.kinds import Injector
class I(Injector):
    name = "mine"
    points = ("kick.made",)
    def at(self, vm, point, vcpu): ...
"""
    manager = load(strategy_text("mine") + injector)
    assert "mine" in manager.names("strategy") and "mine" in manager.names("injector")


REQUEST = """
from minikvm.hookspecs import hookimpl
from minikvm.kinds import RequestDef

@hookimpl
def minikvm_requests():
    return [{}]
"""


@pytest.mark.parametrize("other", ["RequestDef('MY_SCAN', 51)", "RequestDef('OTHER', 50)"])
def test_two_plugins_with_one_request_name_or_id_clash(plugin_file, other):
    files = [plugin_file(REQUEST.format(text), f"{i}.py") for i, text in enumerate(("RequestDef('MY_SCAN', 50)", other))]
    with pytest.raises(PluginError, match="comes twice"):
        Manager(map(str, files), no_plugins=True)


@pytest.mark.parametrize("text", ["RequestDef('NMI', 50)", "RequestDef('MINE', 40)"])
def test_a_request_with_a_name_or_id_of_kvm_clashes(load, text):
    with pytest.raises(PluginError, match="KVM's own"):
        load(REQUEST.format(text))


def test_a_module_that_is_asked_for_is_an_error_although_its_entry_point_was_passed_over_with_a_warning(install):
    install("bad-dist", HOOK.format("minikvm_strategies()", "int"))
    with pytest.raises(PluginError, match="plugin bad_dist failed to load"):
        Manager(["bad_dist"])
