"""How cluster and pv-window cut the mask of a call, for masks of several words."""

from __future__ import annotations

from typing import Any

import pytest

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import Mode

KICK = 8 | 1 << 8


def masks(strategy: Any, cpus: list[int], **topology: Any) -> list[set[int]]:
    """The masks of one call to a vCPU in the guest on each of *cpus*; the caller runs on the last pCPU of 200."""
    vm = Standalone(len(cpus), 200, strategy=strategy, this_cpu=199, **topology)
    for idx, cpu in enumerate(cpus):
        vm.set_vcpu(idx, mode=Mode.IN_GUEST_MODE, cpu=cpu)
    vm.dispatch(KICK)
    return [set(ipi.mask) for ipi in vm.ipis]


def test_clusters_that_lie_in_one_word_are_sent_apart(strategy: Any) -> None:
    clusters = [p // 16 for p in range(200)]
    assert masks(strategy("cluster"), [3, 15, 16, 40], cluster_of=clusters) == [{3, 15}, {16}, {40}]


def test_a_node_that_lies_in_several_words_is_sent_once(strategy: Any) -> None:
    nodes = [p % 2 for p in range(200)]
    assert masks(strategy("cluster", by="node"), [0, 1, 64, 65, 130, 193], node_of=nodes) == [{0, 64, 130}, {1, 65, 193}]


def test_cluster_looks_at_clusters_unless_told_to_look_at_nodes(strategy: Any) -> None:
    topology = {"cluster_of": [0] * 200, "node_of": [p % 2 for p in range(200)]}
    assert (len(masks(strategy("cluster"), [0, 1], **topology)), len(masks(strategy("cluster", by="node"), [0, 1], **topology))) == (1, 2)


@pytest.mark.parametrize(("ids", "windows"), [
    ([0, 127], [{0, 1}]),
    ([0, 128], [{0}, {1}]),
    ([127, 0], [{0, 1}]),        # stretched downwards
    ([128, 0], [{0}, {1}]),
    ([100, 0, 127], [{0, 1, 2}]),
    ([100, 0, 128], [{0, 1}, {2}]),
    ([0, 500, 1], [{0}, {1}, {2}]),  # as the kernel does: a window that was sent is not taken up again
])
def test_a_window_is_stretched_down_or_up_to_128_apic_ids(strategy: Any, ids: list[int], windows: list[set[int]]) -> None:
    apic_of = ids + [10_000 + p for p in range(200 - len(ids))]
    assert masks(strategy("pv-window"), list(range(len(ids))), apic_of=apic_of) == windows


def test_a_window_may_lie_in_several_words(strategy: Any) -> None:
    assert masks(strategy("pv-window"), [60, 70, 130, 190], apic_of=list(range(200))) == [{60, 70, 130}, {190}]


def test_a_call_leaves_nothing_behind_for_the_next(strategy: Any, strategy_name: str) -> None:
    vm = Standalone(3, strategy=strategy(strategy_name), record=True)
    for idx in (1, 2):
        vm.set_vcpu(idx, mode=Mode.IN_GUEST_MODE, cpu=idx)
    vm.dispatch(KICK, [1])
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE)
    vm.clear()
    vm.dispatch(KICK, [2])
    asked = {op.vcpu for op in vm.events if op.name in {"made", "mode", "masked"}}
    assert asked == {2}
    assert [set(ipi.mask) for ipi in vm.ipis] == [{0, 1, 2} if strategy_name == "broadcast" else {2}]
