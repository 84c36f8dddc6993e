"""Numbers of executions that are known from theory and from other checkers, exactly."""

from math import factorial

import pytest

from minikvm.check import programs
from minikvm.check.program import explore

ALL = ("sc", "tso", "rc11")


def executions(program, model):
    result = explore(program, model, races=False)
    assert result.exhausted and not result.blocked
    return result.executions


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize(("n", "count"), [(2, 4), (8, 256), (13, 8_192)])
def test_readers(model, n, count):
    assert executions(programs.readers(n), model) == count


# rc11: relaxed accesses have more (6 for 2), since thread 0 may then see a later addition and miss an earlier one.
@pytest.mark.parametrize(("model", "order"), [("sc", "relaxed"), ("tso", "relaxed"), ("rc11", "ra"), ("rc11", "sc")])
@pytest.mark.parametrize(("n", "count"), [(1, 2), (2, 5), (3, 12), (4, 28), (5, 64), (10, 3_328)])
def test_lastzero(model, order, n, count):
    assert executions(programs.lastzero(n, order), model) == count


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("n", range(1, 8))
def test_ainc(model, n):
    assert executions(programs.ainc(n), model) == factorial(n)


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("n", range(2, 9))
def test_store_buffering_in_a_ring(model, n):
    assert executions(programs.sb(n), model) == (2**n - 1 if model == "sc" else 2**n)
    assert executions(programs.sb(n, fences=True), model) == 2**n - 1


@pytest.mark.parametrize("n", range(1, 7))
def test_message_passing_to_many(n):
    assert [executions(programs.mp(n), model) for model in ALL] == [3**n, 3**n, 4**n]
    assert executions(programs.mp(n, "ra"), "rc11") == 3**n


@pytest.mark.parametrize(("n", "count"), [(1, 11), (2, 140), (3, 1_698), (4, 19_605), pytest.param(5, 218_243, marks=pytest.mark.nightly)])
def test_fib_bench_under_sc(n, count):
    assert executions(programs.fib_bench(n), "sc") == count


# Relaxed ones have more under rc11 (12, 180, ...): there the third thread may see a sum and miss what was added (WRC).
@pytest.mark.parametrize(("model", "order"), [("tso", "relaxed"), ("rc11", "ra")])
@pytest.mark.parametrize(("n", "count"), [(1, 11), (2, 153), (3, 2_258), (4, 34_205), pytest.param(5, 525_630, marks=pytest.mark.nightly)])
def test_fib_bench_with_store_buffers(model, order, n, count):
    assert executions(programs.fib_bench(n, order), model) == count


HANDSHAKES = {  # requesters, entries: SC, TSO, RC11; and with both barriers the first of them for all
    (1, 1): (5, 6, 6), (2, 1): (44, 60, 72), (3, 1): (498, 774, 1_134), (1, 2): (11, 15, 15), (2, 2): (204, 320, 400),
    (4, 2): (129_864, 250_800, 540_000),
}


def sized(cases):
    return [pytest.param(*case, marks=[pytest.mark.nightly] if case[:2] == (4, 2) else []) for case in cases]


@pytest.mark.parametrize(("requesters", "entries", "model", "count"), sized(
    (*size, model, count) for size, counts in HANDSHAKES.items() for model, count in zip(ALL, counts, strict=True)))
def test_a_handshake_without_barriers(requesters, entries, model, count):
    assert executions(programs.handshake(requesters, entries), model) == count


@pytest.mark.parametrize(("requesters", "entries", "model", "count"), sized(
    (*size, model, counts[0]) for size, counts in HANDSHAKES.items() for model in ALL))
def test_a_handshake_with_both_barriers(requesters, entries, model, count):
    assert executions(programs.handshake(requesters, entries, barriers=True), model) == count
