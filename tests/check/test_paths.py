"""A path leads to the same graph again; a tree explored in parts, in whatever order, is the same tree."""

from random import Random

import pytest
from small_programs import MODELS, some_programs

from minikvm.check import programs
from minikvm.check.exploration import Exploration
from minikvm.check.guide import PathError

LIMIT = 300


class Recorded:
    """An exploration whose graphs are noted, with the path to each."""

    def __init__(self, program, model, graphs):
        self.exploration = Exploration(program, model, on_execution=self.note)
        self.graphs = graphs

    def note(self, graph):
        self.graphs.append((graph.canonical(), tuple(self.exploration.path())))


def counts(exploration):
    return [exploration.executions, exploration.blocked, exploration.discarded]


@pytest.fixture
def whole():
    """explored(program, model): an exploration to its end, and its graphs. None: too many of them."""

    def explored(program, model):
        graphs = []
        exploration = Recorded(program, model, graphs).exploration
        while exploration.explore(100) and len(graphs) <= LIMIT:
            pass
        exploration.close()
        return (exploration, graphs) if exploration.at_end else None

    return explored


def all_paths_lead_back(program, model, graphs):
    again = []
    exploration = Recorded(program, model, again).exploration
    for graph, path in graphs:
        again.clear()
        exploration.start_at(path)
        exploration.explore(1)
        assert again == [(graph, path)], program.name
    exploration.close()


def resumed_again_and_again(program, model, rng):
    """Explore some graphs, throw the exploration away, go on with a new one."""
    graphs, total, part = [], [0, 0, 0], ([], 0, False)
    while part is not None:
        exploration = Recorded(program, model, graphs).exploration
        exploration.start_at(*part)
        exploration.explore(rng.choice((1, 1, 2, 3, 10)))
        part = exploration.here()
        total = [a + b for a, b in zip(total, counts(exploration), strict=True)]
        exploration.close()
    return graphs, total


def in_parts(program, model, rng):
    """Split, and left in the middle, at random; the parts in any order. Their measures add up to the whole."""
    graphs, total, parts, share = [], [0, 0, 0], [([], 0, False)], 0.0
    while parts:
        exploration = Recorded(program, model, graphs).exploration
        exploration.start_at(*parts.pop(rng.randrange(len(parts))))
        before = 0.0
        while exploration.explore(rng.choice((1, 2, 5))):
            assert exploration.share() >= before - 1e-12
            before = exploration.share()
            if rng.random() < 0.4:
                part = exploration.split()
                parts += [part] if part is not None else []
            if rng.random() < 0.2:
                parts.append(exploration.leave())
        share += exploration.share()
        total = [a + b for a, b in zip(total, counts(exploration), strict=True)]
        exploration.close()
    assert share == pytest.approx(1)
    return graphs, total


def hold(model, seeds, whole):
    rng = Random(1)
    seen = 0
    for program in some_programs(model, seeds):
        explored = whole(program, model)
        if explored is None:
            continue
        exploration, graphs = explored
        assert len({graph for graph, _ in graphs}) == len(graphs), program.name
        all_paths_lead_back(program, model, graphs[:40])
        assert resumed_again_and_again(program, model, rng) == (graphs, counts(exploration)), program.name
        again, total = in_parts(program, model, rng)
        assert (sorted(map(repr, again)), total) == (sorted(map(repr, graphs)), counts(exploration)), program.name
        seen += 1
    assert seen > 10


@pytest.mark.parametrize("model", MODELS)
def test_paths_and_parts(model, whole):
    hold(model, range(12), whole)


@pytest.mark.nightly
@pytest.mark.parametrize("model", MODELS)
def test_paths_and_parts_of_many_programs(model, whole):
    hold(model, range(5000, 5400), whole)


@pytest.mark.parametrize("path", [[(7, 0)], [(0, 3)], [(-5, 0)], [(0, 1), (9, 0)], [(1, 0)] * 40, [(0, 0)] * 3])
def test_a_path_of_something_else_is_refused(path):
    exploration = Exploration(programs.handshake(1, 1), "sc")
    exploration.start_at(path)
    with pytest.raises(Exception, match="path") as error:
        exploration.explore(1)
    assert isinstance(error.value, PathError) or "complete" in str(error.value)


@pytest.mark.parametrize("path", [[(7, 0)], [(0, 3)], [(-5, 0)], [(0, 1), (9, 0)], [(1, 0)] * 40, [(0, 0)] * 3])
def test_a_path_of_something_else_is_followed_as_far_as_it_goes(path):
    graphs = []
    exploration = Exploration(programs.handshake(1, 1), "sc", on_execution=graphs.append)
    exploration.follow(path)
    while exploration.explore(1):
        pass
    assert graphs or path == [(0, 0)] * 3  # where that leads, nothing is left


def test_a_path_cannot_be_fixed_beyond_its_end():
    exploration = Exploration(programs.ainc(2), "sc")
    with pytest.raises(ValueError, match="3 choices of a path of 2"):
        exploration.start_at([(0, 0), (0, 0)], 3)
