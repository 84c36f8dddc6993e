"""Every hook is documented with an example, and the example does what the hook promises."""

import inspect

import pytest

from minikvm import hookspecs
from minikvm.plugins import Manager

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("minikvm_"))


class FakeReport:
    exit_code = 0

    def as_dict(self):
        return {"totals": {"calls": 3}}


class FakeVM:
    vcpus = (1, 2, 3, 4)


@pytest.fixture
def example(plugin_file):
    """The manager with the example of a hook's docstring loaded as a plugin file."""

    def load(hook):
        _, _, text = inspect.cleandoc(getattr(hookspecs, hook).__doc__).partition("Example::\n")
        code = inspect.cleandoc(text.partition("\nReturns ")[0])
        return Manager([str(plugin_file(code, f"{hook}.py"))], no_plugins=True)

    return load


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_line_of_purpose_an_example_and_says_what_it_returns(hook):
    doc = inspect.cleandoc(getattr(hookspecs, hook).__doc__ or "")
    assert doc.partition("\n")[0].endswith(".")
    assert "Example::\n" in doc and f"def {hook}(" in doc and "\nReturns " in doc


@pytest.mark.parametrize(("kind", "hook"), list(hookspecs.KIND_HOOKS.items()))
def test_the_example_of_a_hook_brings_a_class_of_its_kind(kind, hook, example):
    brought = [item for item in example(hook).all(kind) if item.plugin.endswith(f"{hook}.py")]
    assert len(brought) == 1 and brought[0].summary


def test_the_example_of_requests_brings_a_request(example):
    assert [(request.name, request.id, request.wait) for request in example("minikvm_requests").requests()] == [("MY_SCAN", 50, True)]


def test_the_example_of_vm_started_hears_of_the_vm(example, capsys):
    example("minikvm_vm_started").vm_started(FakeVM())
    assert capsys.readouterr().err == "started 4 vCPUs\n"


def test_the_example_of_vm_stopped_gets_the_report(example, capsys):
    example("minikvm_vm_stopped").vm_stopped(FakeVM(), FakeReport())
    assert capsys.readouterr().err == '{"calls": 3}'


def test_the_example_of_violation_gets_property_and_sentence(example, capsys):
    example("minikvm_violation").violation(FakeVM(), {"property": "P1", "sentence": "not seen"})
    assert capsys.readouterr().err == "P1 not seen\n"


def test_no_hook_is_without_a_test_of_its_example():
    assert set(HOOKS) == {*hookspecs.KIND_HOOKS.values(), "minikvm_requests", *hookspecs.NOTIFY_HOOKS}
