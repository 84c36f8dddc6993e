"""Which pCPU each vCPU starts on."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.config import Topology, load, loads, pcpus_used, place, shipped, starting_pcpus, topology_of

HOST = Topology.from_counts(2, 2, 2)  # slots 0-3 socket 0, 4-7 socket 1; 0 and 1 are siblings


def test_spread_goes_round_the_sockets_then_the_cores_then_the_threads():
    assert place("spread", 8, HOST) == (0, 4, 2, 6, 1, 5, 3, 7)


def test_spread_starts_again_when_all_pcpus_have_one():
    assert place("spread", 10, HOST)[8:] == (0, 4)


def test_pack_fills_a_core_before_the_next():
    assert place("pack", 5, HOST) == (0, 1, 2, 3, 4)


def test_pack_puts_neighbours_on_one_pcpu_when_there_are_more_vcpus():
    assert place("pack", 16, HOST)[:6] == (0, 0, 1, 1, 2, 2)


def test_random_gives_the_same_answer_for_the_same_seed():
    assert place("random", 8, HOST, seed=3) == place("random", 8, HOST, seed=3)


def test_random_differs_between_seeds():
    assert len({place("random", 8, HOST, seed=seed) for seed in range(10)}) > 1


def test_overcommit_uses_the_first_pcpus_only():
    assert set(place("spread", 8, HOST, overcommit=4)) == {0, 1}


@pytest.mark.parametrize(("vcpus", "overcommit", "used"), [(8, None, 8), (8, 1, 8), (8, 3, 3), (9, 4, 3), (1, 64, 1)])
def test_pcpus_used_rounds_up(vcpus, overcommit, used):
    assert pcpus_used(vcpus, 8, overcommit) == used


def test_too_few_pcpus_are_refused():
    with pytest.raises(ValueError, match="16 vCPUs with an overcommit of 1 need 16 pCPUs, the host has 8"):
        pcpus_used(16, 8, 1)


def test_pins_are_kept_and_count_as_load():
    assert place("spread", 3, HOST, pins={2: 0}) == (4, 2, 0)


@pytest.mark.parametrize("pins", [{9: 0}, {0: 8}, {-1: 0}, {0: -1}])
def test_a_pin_out_of_range_is_refused(pins):
    with pytest.raises(ValueError, match="out of range"):
        place("pack", 8, HOST, pins=pins)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="no such policy: heap"):
        place("heap", 8, HOST)


def test_a_hole_is_on_no_pcpu():
    assert place("pack", 3, HOST, holes={1}) == (0, -1, 1)


@given(
    st.sampled_from(["spread", "pack", "random"]),
    st.integers(1, 100),
    st.sampled_from([HOST, Topology.from_counts(1, 3), Topology.from_counts(3, 5, 2, 4)]),
    st.dictionaries(st.integers(0, 99), st.integers(0, 2), max_size=20),
    st.sets(st.integers(1, 99), max_size=50),
)
def test_no_pcpu_gets_more_than_its_share_but_by_pins(policy, vcpus, host, pins, holes):
    pins = {vcpu: pcpu for vcpu, pcpu in pins.items() if vcpu < vcpus and vcpu not in holes}
    holes = {vcpu for vcpu in holes if vcpu < vcpus}
    chosen = place(policy, vcpus, host, pins=pins, holes=holes)
    share = -(-(vcpus - len(holes)) // host.nr_pcpus)
    pinned = Counter(pins.values())
    assert all(load <= max(share, pinned[pcpu]) for pcpu, load in Counter(p for p in chosen if p >= 0).items())
    assert all(chosen[vcpu] == pcpu for vcpu, pcpu in pins.items())
    assert {vcpu for vcpu, pcpu in enumerate(chosen) if pcpu == -1} == holes


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_configuration_can_be_placed(name):
    config = load(name)
    used = pcpus_used(config.vm.vcpus, config.host.pcpus, config.placement.overcommit)
    assert set(starting_pcpus(config, topology_of(config))) == set(range(min(used, config.vm.vcpus)))


def test_the_topology_of_auto_is_this_machines():
    assert topology_of(loads("vm: {vcpus: 1}\n")).host_cpu_of
