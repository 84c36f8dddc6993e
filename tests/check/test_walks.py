"""Random walks: real graphs, the same ones for the same seed, and an estimate that is right in the end."""

import math

import pytest
from small_programs import MODELS, some_programs

from minikvm.check import programs
from minikvm.check.estimate import Mean
from minikvm.check.program import ProgramError, explore


@pytest.mark.parametrize("model", MODELS)
def test_walks_end_in_graphs_that_exist(model):
    for program in some_programs(model, range(40, 60)):
        every, met = set(), set()
        if not explore(program, model, on_execution=lambda g, s=every: s.add(g.canonical()), max_executions=500).exhausted:
            continue
        result = explore(program, model, random=300, seed=4, on_execution=lambda g, s=met: s.add(g.canonical()))
        assert met <= every, program.name
        assert not result.exhausted
        assert result.walks == 300
        assert len(every) > 3 or met == every, program.name


@pytest.mark.parametrize(("program", "model", "walks", "count"), [
    (programs.handshake(2, 1), "sc", 60_000, 44), (programs.handshake(2, 2), "tso", 60_000, 320), (programs.ainc(5), "rc11", 60_000, 120),
    (programs.fib_bench(2), "sc", 60_000, 140), (programs.mp(4), "sc", 60_000, 81),
    pytest.param(programs.handshake(3, 2), "sc", 3_000_000, 4_728, marks=pytest.mark.nightly),
])  # fmt: skip
def test_the_estimate_converges(program, model, walks, count):
    result = explore(program, model, random=walks, seed=1, outcomes=False)
    assert result.estimate == pytest.approx(count, rel=0.05)
    assert abs(result.estimate - count) < 4 * result.estimate_error + 1e-9


def test_a_seed_gives_the_same_walks():
    met = []
    for seed in (5, 5, 6):
        graphs = []
        result = explore(programs.handshake(2, 2), "tso", random=50, seed=seed, on_execution=lambda g, s=graphs: s.append(g.canonical()))
        met.append((graphs, result.estimate, result.outcomes))
    assert met[0] == met[1]
    assert met[0] != met[2]


def test_walks_within_a_budget():
    result = explore(programs.fib_bench(8), random=10**9, seconds=0.2)
    assert 0 < result.walks < 10**9
    assert explore(programs.ainc(3), random=1000, max_executions=5).walks < 1000


def test_what_walks_cannot_do():
    for options in ({"jobs": 2}, {"checkpoint": "x"}, {"resume": "x"}):
        with pytest.raises(ProgramError, match="random walks"):
            explore(programs.ainc(3), random=10, **options)
    with pytest.raises(ValueError, match="random=0"):
        explore(programs.ainc(3), random=0)


def test_a_mean_of_numbers_too_large_for_a_float():
    mean = Mean()
    for logarithm in (2000.0, 2000.0, None, None):
        mean.add(logarithm)
    assert mean.mean == math.inf
    small = Mean()
    for value in (1.0, 3.0, 5.0, 7.0):
        small.add(math.log(value))
    assert small.mean == pytest.approx(4)
    assert small.error == pytest.approx(math.sqrt(20 / 4 / 3))
    assert Mean().error == math.inf
