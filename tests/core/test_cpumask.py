"""CpuMask: the kernel's searches, and the split over NUMA nodes and x2APIC clusters. The state machine is in test_bitmap_machine.py."""

from __future__ import annotations

import copy
import pickle
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.core._testing import take_groups
from minikvm.core.bitmap import Bitmap
from minikvm.core.cpumask import CpuMask

masks = st.integers(1, 200).flatmap(lambda nr: st.builds(CpuMask, st.just(nr), st.sets(st.integers(0, nr - 1))))


def test_next_gives_the_pcpus_after_n_and_nr_at_the_end() -> None:
    mask = CpuMask(70, [0, 5, 69])
    assert [mask.next(n) for n in (-1, 0, 5, 69)] == [0, 5, 69, 70]


def test_next_wrap_with_a_start_ends_before_the_start() -> None:
    mask = CpuMask(8, [1, 3, 6])
    assert [mask.next_wrap(n, 3) for n in (3, 6, 1)] == [6, 1, 8]


def test_next_wrap_without_a_start_goes_round_for_ever() -> None:
    mask = CpuMask(8, [1, 6])
    assert [mask.next_wrap(n) for n in (-1, 1, 6)] == [1, 6, 1]


@pytest.mark.parametrize("start", [None, 3])
def test_next_wrap_in_an_empty_mask_is_nr(start: int | None) -> None:
    assert CpuMask(8).next_wrap(3, start) == 8


@given(masks, st.data())
def test_next_wrap_steps_through_the_walk_of_for_each_wrap(mask: CpuMask, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, mask.nr - 1))
    walk = [*mask.for_each_wrap(start), mask.nr]
    assert sorted(walk[:-1]) == list(mask)
    assert all(mask.next_wrap(n, start) == after for n, after in pairwise(walk))


def test_any_but_avoids_the_given_pcpu_only() -> None:
    mask = CpuMask(8, [2, 5])
    assert [mask.any_but(cpu) for cpu in (0, 2, 5)] == [2, 5, 2]


def test_any_but_the_only_one_is_nr() -> None:
    assert CpuMask(8, [2]).any_but(2) == 8


def test_any_distribute_picks_each_in_turn() -> None:
    mask = CpuMask(70, [0, 5, 69])
    assert [mask.any_distribute() for _ in range(5)] == [0, 5, 69, 0, 5]


def test_any_distribute_goes_on_after_a_pick_that_left_the_mask() -> None:
    mask = CpuMask(8, [1, 4, 6])
    assert [mask.any_distribute(), mask.any_distribute()] == [1, 4]
    mask.clear(4)
    assert mask.any_distribute() == 6


def test_any_distribute_of_an_empty_mask_is_nr_and_keeps_the_rotor() -> None:
    mask = CpuMask(8, [3])
    mask.any_distribute()
    mask.zero()
    assert (mask.any_distribute(), mask.rotor) == (8, 3)


def test_any_and_distribute_picks_only_what_both_have() -> None:
    mask, online = CpuMask(8, [0, 2, 4]), CpuMask(8, [2, 4, 6])
    assert [mask.any_and_distribute(online) for _ in range(3)] == [2, 4, 2]


def test_operations_give_a_cpumask() -> None:
    mask = CpuMask(8, [1, 2])
    made = [mask & mask, mask | Bitmap(8, [3]), mask - mask, mask ^ mask, ~mask, mask.copy(), copy.copy(mask), CpuMask.parse("1", 8)]
    made += [pickle.loads(pickle.dumps(mask)), CpuMask.from_bytes(b"\6", 8)]
    assert {type(each) for each in made} == {CpuMask}


def test_a_cpumask_equals_a_bitmap_with_the_same_bits() -> None:
    assert CpuMask(8, [1]) == Bitmap(8, [1])


def test_nr_is_the_number_of_pcpus() -> None:
    assert CpuMask(12).nr == 12


# ---- distribute ----


def test_by_node_splits_in_order_of_nodes_without_empty_ones() -> None:
    mask = CpuMask(6, [0, 1, 2, 5])
    split = mask.by_node([1, 0, 1, 2, 2, 7])
    assert [(node, list(part)) for node, part in split] == [(0, [1]), (1, [0, 2]), (7, [5])]


def test_by_cluster_groups_sixteen_pcpus_by_default() -> None:
    split = CpuMask(288, [0, 15, 16, 40, 287]).by_cluster()
    assert [(cluster, list(part)) for cluster, part in split] == [(0, [0, 15]), (1, [16]), (2, [40]), (17, [287])]


def test_by_cluster_uses_sparse_apic_ids() -> None:
    split = CpuMask(4, [0, 1, 2, 3]).by_cluster([0, 0x20, 0x2F, 0x10])
    assert [(cluster, list(part)) for cluster, part in split] == [(0, [0]), (1, [3]), (2, [1, 2])]


def test_distribute_keeps_a_cluster_that_two_nodes_share_apart() -> None:
    split = CpuMask(32, [0, 8, 16]).distribute(node_of=[0] * 8 + [1] * 24)
    assert [(node, cluster, list(part)) for node, cluster, part in split] == [(0, 0, [0]), (1, 0, [8]), (1, 1, [16])]


@given(masks, st.data())
def test_the_parts_are_disjoint_and_make_up_the_mask(mask: CpuMask, data: st.DataObject) -> None:
    node_of = data.draw(st.lists(st.integers(0, 3), min_size=mask.nr, max_size=mask.nr))
    parts = [part for _, _, part in mask.distribute(node_of)]
    assert sorted(cpu for part in parts for cpu in part) == list(mask)
    assert all(part.nr == mask.nr for part in parts)


@given(masks, st.data())
def test_the_native_split_finds_the_same_groups(mask: CpuMask, data: st.DataObject) -> None:
    group_of = data.draw(st.lists(st.integers(0, 5), min_size=mask.nr, max_size=mask.nr))
    before = list(mask)
    assert sorted((group, list(part)) for group, part in take_groups(mask, group_of)) == [
        (node, list(part)) for node, part in mask.by_node(group_of)
    ]
    assert list(mask) == before


def test_the_native_split_takes_the_group_of_the_first_pcpu_first() -> None:
    assert [group for group, _ in take_groups(CpuMask(4, [0, 1, 2, 3]), [9, 2, 9, 0])] == [9, 2, 0]


# ---- errors ----


def test_a_table_that_is_too_short_is_a_value_error_with_both_lengths() -> None:
    with pytest.raises(ValueError, match="node_of has 3 entries: expected one a pCPU, 8"):
        CpuMask(8).by_node([0, 0, 0])


def test_a_negative_entry_is_a_value_error_that_names_it() -> None:
    with pytest.raises(ValueError, match=r"apic_id_of\[1\] is -2: expected 0 or more"):
        CpuMask(2).by_cluster([0, -2])


@pytest.mark.parametrize("call", ["next", "any_but", "next_wrap", "for_each_wrap"])
@pytest.mark.parametrize("cpu", [8, -2, 2**40])
def test_a_pcpu_outside_is_an_index_error(call: str, cpu: int) -> None:
    with pytest.raises(IndexError, match=rf"bit {cpu}: expected 0\.\.7"):
        list([getattr(CpuMask(8), call)(cpu)][0])


def test_any_and_distribute_over_another_size_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="bitmaps of 8 and 9 bits"):
        CpuMask(8).any_and_distribute(CpuMask(9))


def test_more_pcpus_than_the_limit_are_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"4097 bits: expected 0\.\.4096"):
        CpuMask(4097)
