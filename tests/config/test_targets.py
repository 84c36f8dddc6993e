"""Targets and initiators as indexes, list formats, ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.config import WorkloadLine, holes_of, ids_of, loads, resolve_initiators, resolve_targets
from minikvm.config.listformat import BadList, format_list, parse_list, parse_set


@pytest.fixture
def line():
    return lambda **keys: WorkloadLine.model_validate({"request": "EVENT", "count": 1, **keys})


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ("all", {0, 1, 3, 4, 5, 6, 7}),
        ([1, 7, 1], {1, 7}),
        ("0-2,7", {0, 1, 7}),
        ("0x8a", {1, 3, 7}),
        ({"except": [0, 1]}, {3, 4, 5, 6, 7}),
        ({"except": "3-7"}, {0, 1}),
    ],
)
def test_targets_are_resolved_without_the_hole_2(line, targets, expected):
    assert resolve_targets(line(targets=targets), 8, holes={2}).candidates == expected


def test_all_and_lists_ask_every_candidate(line):
    assert resolve_targets(line(targets=[1]), 8).pick is None


def test_random_targets_are_all_vcpus_and_how_many_to_draw(line):
    found = resolve_targets(line(targets={"random": 3}), 8, holes={2})
    assert (found.pick, found.candidates) == (3, {0, 1, 3, 4, 5, 6, 7})


@pytest.mark.parametrize("targets", [[8], [2], "8", "2", "0x100", {"random": 8}, {"except": "0-1,3-7"}])
def test_targets_that_are_not_there_are_refused(line, targets):
    with pytest.raises(ValueError):
        resolve_targets(line(targets=targets), 8, holes={2})


def test_initiators_follow_the_first_one_round_the_pcpus(line):
    found = resolve_initiators(line(**{"from": {"pcpu": 3}, "initiators": 3}), 8, 4)
    assert [(initiator.kind, initiator.index) for initiator in found] == [("pcpu", 3), ("pcpu", 0), ("pcpu", 1)]


def test_vcpu_initiators_step_over_holes(line):
    found = resolve_initiators(line(**{"from": {"vcpu": 1}, "initiators": 2}), 8, 4, holes={2})
    assert [(initiator.kind, initiator.index) for initiator in found] == [("vcpu", 1), ("vcpu", 3)]


def test_each_initiator_of_a_list_brings_its_followers(line):
    found = resolve_initiators(line(**{"from": [{"irq": 0}, {"vcpu": 5}], "initiators": 2}), 8, 4)
    assert [(initiator.kind, initiator.index) for initiator in found] == [("irq", 0), ("irq", 1), ("vcpu", 5), ("vcpu", 6)]


def test_an_initiator_out_of_range_is_refused(line):
    with pytest.raises(ValueError):
        resolve_initiators(line(**{"from": {"pcpu": 4}}), 8, 4)


def test_ids_are_the_indexes_unless_told():
    assert ids_of(loads("vm: {vcpus: 3}").vm) == (0, 1, 2)


def test_sparse_ids_and_holes_are_read():
    vm = loads('vm: {vcpus: 4, ids: "0-1,16-17", holes: "3"}').vm
    assert (ids_of(vm), holes_of(vm)) == ((0, 1, 16, 17), {3})


@given(st.sets(st.integers(0, 4095), min_size=1))
def test_a_list_survives_format_and_parse(indexes):
    assert set(parse_list(format_list(indexes), 4096)) == indexes


@given(st.sets(st.integers(0, 4095), min_size=1))
def test_a_mask_is_the_set_of_its_bits(indexes):
    assert set(parse_set(hex(sum(1 << index for index in indexes)), 4096)) == indexes


@pytest.mark.parametrize("indexes", [{0}, {0, 1}, {0, 2, 3, 4, 9}])
def test_a_list_is_written_with_runs(indexes):
    assert format_list(indexes) == {1: "0", 2: "0-1", 5: "0,2-4,9"}[len(indexes)]


@pytest.mark.parametrize("text", ["", ",", "1,", "a", "1-", "-1", "2-1", "8", "0-8", "٣", "1_0", "0x", "0x0", "0x100", "0xg", "9" * 30])
def test_a_set_that_is_none_below_eight_is_refused(text):
    with pytest.raises(BadList):
        parse_set(text, 8)
