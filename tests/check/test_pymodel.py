"""Memory models written in Python, and what a model's capsule must be."""

from itertools import pairwise

import pytest

from minikvm.check.program import Program, explore
from minikvm.check.pymodel import capsule_of
from minikvm.kinds import MemoryModel
from minikvm.plugins import Manager

SB = "W x 1; R y a || W y 1; R x b"


class Anything(MemoryModel):
    """Every execution."""

    name = "anything"

    def consistent(self, graph):
        return True


class Interleavings(MemoryModel):
    """sc once more: the whole graph, each time."""

    name = "interleavings"

    def consistent(self, graph):
        after = {}
        writes = {loc: ("init", *order) for loc, order in graph.co.items()}
        for t, events in enumerate(graph.threads):
            for i, event in enumerate(events):
                after.setdefault((t, i), set()).update({(t, i + 1)} if i + 1 < len(events) else ())
                if event.rf is not None:
                    order = writes.get(event.loc, ("init",))
                    after.setdefault(event.rf, set()).add((t, i))
                    after[t, i].update(order[order.index(event.rf) + 1:])
        for order in writes.values():
            for a, b in pairwise(order):
                after.setdefault(a, set()).add(b)
        while leaves := [e for e, others in after.items() if not others]:
            for leaf in leaves:
                del after[leaf]
            for others in after.values():
                others.difference_update(leaves)
        return not after


@pytest.mark.parametrize("text", [SB, "W x 1; W y 1 || R y a; R x b", "W x 1 || W x 2 || R x a; R x b", "W x 1; W y 2 || W y 1; W x 2"])
def test_a_python_model_judges_whole_graphs(text):
    assert explore(Program.parse(text), Interleavings).executions == explore(Program.parse(text), "sc").executions
    assert explore(Program.parse(text), Anything).executions > explore(Program.parse(text), "sc").executions


def test_it_sees_the_locations_names():
    seen = set()

    class Nosy(Anything):
        """Looks."""

        name = "nosy"

        def consistent(self, graph):
            seen.update(graph.co)
            return True

    explore(Program.parse(SB), Nosy)
    assert seen == {"x", "y"}


def test_its_exception_reaches_the_caller():
    class Broken(Anything):
        """Fails."""

        name = "broken"

        def consistent(self, graph):
            raise LookupError("no opinion")

    with pytest.raises(LookupError, match="no opinion"):
        explore(Program.parse(SB), Broken)


def test_its_answer_is_yes_or_no():
    class Undecided(Anything):
        """Says nothing."""

        name = "undecided"

        def consistent(self, graph):
            return None

    with pytest.raises(TypeError, match=r"Undecided\.consistent\(\) returned None: expected a bool"):
        explore(Program.parse(SB), Undecided)


@pytest.mark.parametrize("capsule", [42, "sc", object()])
def test_native_must_return_a_models_capsule(capsule):
    class Wrong(MemoryModel):
        """Wrong."""

        name = "wrong"

        def native(self):
            return capsule

    with pytest.raises(TypeError, match=r"must return a minikvm\.model capsule, not "):
        capsule_of(Wrong())


def test_a_capsule_of_another_kind_is_refused():
    class Wrong(MemoryModel):
        """Wrong."""

        name = "wrong"

        def native(self):
            return Manager(no_plugins=True).create("strategy", "broadcast").native()

    with pytest.raises(TypeError, match=r"minikvm\.model capsule"):
        capsule_of(Wrong())


def test_the_built_in_models_are_found_through_the_registry():
    manager = Manager(no_plugins=True)
    assert manager.names("model") == ("lkmm", "rc11", "sc", "tso")
    for item in manager.all("model"):
        assert capsule_of(manager.create("model", item.name)) is not None
        assert item.summary
