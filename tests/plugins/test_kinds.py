"""The base classes: what they refuse, and that their examples work."""

import inspect
import re
from pathlib import Path

import pytest
from pydantic import BaseModel

import minikvm
from minikvm import kinds
from minikvm.kindcheck import KindError, check_class
from minikvm.kinds import Backend, Injector, Loop, RequestDef, Strategy
from minikvm.plugins import Manager


def dispatch(self, vm, request, targets):
    return False


def strategy(**attributes):
    return type("Wrong", (Strategy,), {"name": "some", "dispatch": dispatch, **attributes})


def backend(**attributes):
    work = {"ring": lambda self, vm, pcpu: None, "wait": lambda self, vm, pcpu, timeout_ns: None}
    return type("Wrong", (Backend,), {"name": "some", **work, **attributes})


def injector(**attributes):
    return type("Wrong", (Injector,), {"name": "some", "points": ("kick.made",), "at": lambda self, vm, point, vcpu: None, **attributes})


class Loose(BaseModel):
    """Options that let unknown keys pass."""


class TakesName(kinds.Options):
    name: str = ""


class TakesProbability(kinds.Options):
    probability: float = 0


def nameless():
    return type("Wrong", (Strategy,), {"dispatch": dispatch})


def half_backend():
    return type("Wrong", (Backend,), {"name": "some", "ring": lambda self, vm, pcpu: None})


@pytest.mark.parametrize(
    ("cls", "rule"),
    [
        (nameless(), "no name of its own"),
        (type("Wrong", (strategy(),), {}), "no name of its own"),
        (strategy(name="My Strategy"), "name is 'My Strategy'"),
        (strategy(name="-a"), "name is '-a'"),
        (strategy(name="a--b"), "name is 'a--b'"),
        (strategy(name="a\n"), "name is 'a\\n'"),
        (strategy(name="a" * 65), "at most 64"),
        (strategy(name=7), "name is 7"),
        (type("Wrong", (Strategy,), {"name": "some"}), "neither native() nor dispatch()"),
        (half_backend(), "neither native() nor wait()"),
        (strategy(requires={"acknowledge"}), "requires names acknowledge"),
        (strategy(requires="acknowledges"), "requires is 'acknowledges'"),
        (strategy(uses=frozenset({"migrate"})), "uses names migrate, expected some of membarrier"),
        (injector(uses="migrate"), "uses is 'migrate'"),
        (injector(uses=frozenset({"walk"})), "uses names walk, expected migrate beside it"),
        (backend(capabilities=frozenset({"flies"})), "capabilities names flies"),
        (backend(cost="cheap"), "cost is 'cheap'"),
        (injector(points=()), "points is empty"),
        (injector(points=("kick.nowhere",)), "points names kick.nowhere"),
        (injector(benign="yes"), "benign is 'yes'"),
        (type("Wrong", (Loop,), {"name": "some", "arch": "riscv", "enter": lambda self, vm, vcpu: 0}), "arch is 'riscv'"),
        (strategy(Options=dict), "Options is <class 'dict'>"),
        (strategy(Options=Loose), "lets unknown keys pass"),
        (strategy(Options=TakesName), "field 'name'"),
        (injector(Options=TakesProbability), "field 'probability'"),
    ],
)
def test_a_class_that_breaks_a_rule_is_refused_with_class_file_and_rule(cls, rule):
    with pytest.raises(KindError) as caught:
        check_class(cls, cls.kind)
    message = str(caught.value)
    assert rule in message and "class Wrong" in message and Path(__file__).name in message


@pytest.mark.parametrize("thing", [7, "upstream", Strategy, Backend, object])
def test_what_is_no_subclass_of_its_kind_is_refused(thing):
    with pytest.raises(KindError, match=r"minikvm\.kinds\.Strategy"):
        check_class(thing, "strategy")


def test_a_class_with_native_needs_no_python_method():
    cls = type("Native", (Strategy,), {"name": "some", "native": lambda self: None})
    assert check_class(cls, "strategy") is cls


def test_options_reach_the_instance():
    class Batch(kinds.Options):
        size: int = 3

    assert strategy(Options=Batch)(Batch(size=5)).options.size == 5


def test_an_instance_without_options_has_the_defaults():
    class Batch(kinds.Options):
        size: int = 3

    assert strategy(Options=Batch)().options.size == 3


def test_a_class_without_a_docstring_has_no_summary():
    assert strategy().summary() == ""


def test_a_strategy_tells_which_half_of_the_vcpu_it_brings():
    assert strategy(on_put=lambda self, vm, vcpu: None).brings() == ("on_put",)


@pytest.mark.parametrize("kind", list(kinds.KINDS))
def test_the_example_of_a_base_class_is_a_plugin_that_loads(kind, plugin_file):
    base = kinds.KINDS[kind]
    _, marker, example = inspect.cleandoc(base.__doc__).partition("Example::\n")
    assert marker, f"{base.__name__} has no example"
    manager = Manager([str(plugin_file(inspect.cleandoc(example)))], no_plugins=True)
    assert [item.cls.kind for item in manager.all(kind) if item.plugin != "minikvm"] == [kind]


def test_points_are_those_of_the_c_header():
    header = (Path(minikvm.get_include()) / "minikvm" / "world.h").read_text()
    table = header[header.index("#define MK_POINTS(X)") : header.index("#define MK_POINT_ENUM")]
    assert set(re.findall(r'"([a-z_.]+)"', table)) == kinds.POINTS


def test_request_flags_are_those_of_the_c_header():
    header = (Path(minikvm.get_include()) / "minikvm" / "types.h").read_text()
    flags = {name: 1 << int(bit) for name, bit in re.findall(r"#define MK_REQ_(\w+) \(1u << (\d+)\)", header)}
    assert flags == {"NO_WAKEUP": kinds.REQUEST_NO_WAKEUP, "WAIT": kinds.REQUEST_WAIT, "NO_ACTION": kinds.REQUEST_NO_ACTION}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"name": "MY_SCAN", "id": 7}, "expected 8..63"),
        ({"name": "MY_SCAN", "id": 64}, "expected 8..63"),
        ({"name": "MY_SCAN", "id": True}, "expected 8..63"),
        ({"name": "my-scan", "id": 50}, "expected capitals"),
        ({"name": "MY_SCAN\n", "id": 50}, "expected capitals"),
        ({"name": "MY_SCAN", "id": 50, "gate": True, "sticky": True}, "gate and sticky"),
    ],
)
def test_a_request_definition_that_makes_no_sense_is_refused(arguments, problem):
    with pytest.raises(ValueError, match=problem):
        RequestDef(**arguments)
