"""The vCPU table: its shape, its holes, its ids, and where its structs lie."""

from __future__ import annotations

import errno
import gc
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.core.standalone import Standalone
from minikvm.core.vcpu import CACHELINE, Mode, VCpu, VcpuTable


@pytest.fixture
def sparse() -> VcpuTable:
    """Four places with APIC-like ids, the third of which is a hole."""
    return VcpuTable(4, 2, ids=[0, 2, 4, 6], holes=[2])


def test_no_two_vcpus_share_a_cache_line() -> None:
    lines = [address // CACHELINE for address in VcpuTable(4096, 1).addresses]
    assert len(set(lines)) == 4096


def test_every_vcpu_begins_at_a_cache_line() -> None:
    assert {address % CACHELINE for address in VcpuTable(3, 1).addresses} == {0}


def test_a_new_vcpu_is_outside_awake_without_requests_and_on_no_pcpu() -> None:
    vcpu = VcpuTable(1, 1)[0]
    assert (vcpu.mode, vcpu.wait, vcpu.requests, vcpu.cpu) == (Mode.OUTSIDE_GUEST_MODE, False, 0, -1)


def test_a_place_is_found_by_its_index(sparse: VcpuTable) -> None:
    assert (sparse[3].idx, sparse[3].id) == (3, 6)


def test_get_gives_none_for_a_hole(sparse: VcpuTable) -> None:
    assert sparse.get(2) is None


@pytest.mark.parametrize("idx", [-1, 4, 10**30])
def test_get_gives_none_outside_the_table(sparse: VcpuTable, idx: int) -> None:
    assert sparse.get(idx) is None


@pytest.mark.parametrize(("idx", "why"), [(2, "vCPU 2: a hole"), (4, "vCPU 4: expected 0 to 3"), (-1, "vCPU -1: expected 0 to 3")])
def test_indexing_says_why_there_is_no_vcpu(sparse: VcpuTable, idx: int, why: str) -> None:
    with pytest.raises(IndexError, match=f"^{why}$"):
        sparse[idx]


def test_iteration_and_len_skip_holes(sparse: VcpuTable) -> None:
    assert ([vcpu.idx for vcpu in sparse], len(sparse), sparse.holes) == ([0, 1, 3], 3, (2,))


def test_by_id_takes_the_place_of_that_number_when_its_id_is_the_same() -> None:
    found = VcpuTable(4, 1).by_id(3)
    assert found is not None and found.idx == 3


def test_by_id_searches_where_index_and_id_differ(sparse: VcpuTable) -> None:
    found = sparse.by_id(6)
    assert found is not None and found.idx == 3


def test_by_id_is_not_fooled_by_another_vcpu_at_the_place_of_that_number(sparse: VcpuTable) -> None:
    assert sparse[1].id == 2
    found = sparse.by_id(2)
    assert found is not None and found.idx == 1


@pytest.mark.parametrize("unknown", [1, 4, 2**32 - 1, -1, 10**30])
def test_by_id_gives_none_for_an_id_that_no_vcpu_has(sparse: VcpuTable, unknown: int) -> None:
    assert sparse.by_id(unknown) is None


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=40, unique=True), st.data())
def test_by_id_agrees_with_a_dict(ids: list[int], data: st.DataObject) -> None:
    holes = data.draw(st.sets(st.integers(0, len(ids) - 1), max_size=len(ids) - 1))
    table = VcpuTable(len(ids), 1, ids=ids, holes=holes)
    expected = {name: place for place, name in enumerate(ids) if place not in holes}
    wanted = data.draw(st.sampled_from(ids) | st.integers(0, 10_000))
    found = table.by_id(wanted)
    assert (None if found is None else found.idx) == expected.get(wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"nr_vcpus": 0}, "nr_vcpus is 0: expected 1 to 4096"),
        ({"nr_vcpus": 4097}, "nr_vcpus is 4097: expected 1 to 4096"),
        ({"nr_vcpus": 10**400}, "nr_vcpus is a number of 1329 bits: expected 1 to 4096"),
        ({"nr_pcpus": 0}, "nr_pcpus is 0: expected 1 to 4096"),
        ({"nr_pcpus": 5000}, "nr_pcpus is 5000: expected 1 to 4096"),
        ({"ids": [1, 2, 3]}, "ids has 3 entries: expected one a vCPU, 2"),
        ({"ids": [7, 7]}, r"ids\[1\] is 7: vCPU 0 has this id already"),
        ({"ids": [0, 2**32 - 1]}, r"ids\[1\] is 4294967295: expected 0 to 4294967294"),
        ({"holes": [2]}, "hole is 2: expected 0 to 1"),
        ({"holes": [0, 1]}, "2 holes in a table of 2: expected at least one vCPU"),
        ({"node_of": [0]}, "node_of has 1 entries: expected one a pCPU, 2"),
        ({"cluster_of": [0, -1]}, r"cluster_of\[1\] is -1: expected 0 to 4294967294"),
        ({"apic_of": []}, "apic_of has 0 entries: expected one a pCPU, 2"),
    ],
)
def test_a_size_or_number_out_of_range_is_one_clear_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        VcpuTable(**{"nr_vcpus": 2, "nr_pcpus": 2, **arguments})


@pytest.mark.parametrize("size", ["2", 2.0, None, True])
def test_a_size_that_is_no_int_is_a_type_error(size: Any) -> None:
    with pytest.raises(TypeError, match=r"nr_vcpus is .*: expected an int from 1 to 4096"):
        VcpuTable(size, 1)


def test_an_id_may_be_that_of_a_hole() -> None:
    assert VcpuTable(2, 1, ids=[5, 5], holes=[0])[1].id == 5


def test_without_kick_masks_construction_fails_with_enomem() -> None:
    with pytest.raises(OSError) as caught:
        VcpuTable(1, 1, kick_masks=False)
    assert caught.value.errno == errno.ENOMEM


def test_clusters_are_the_apic_ids_divided_by_sixteen_unless_given() -> None:
    assert VcpuTable(1, 3, apic_of=[0, 16, 47]).cluster_of == (0, 1, 2)


def test_a_given_topology_is_kept() -> None:
    table = VcpuTable(1, 2, cluster_of=[9, 8], node_of=[1, 0], apic_of=[3, 4])
    assert (table.cluster_of, table.node_of, table.apic_of) == ((9, 8), (1, 0), (3, 4))


def test_a_vcpu_keeps_its_table_alive() -> None:
    vcpu = VcpuTable(2, 1)[1]
    gc.collect()
    assert vcpu.cpu == -1


def test_two_views_of_one_vcpu_are_equal_and_hash_alike() -> None:
    table = VcpuTable(2, 1)
    assert {table[1], table[1], table[0]} == {table[0], table[1]}


def test_the_same_place_of_another_table_is_not_equal() -> None:
    assert VcpuTable(1, 1)[0] != VcpuTable(1, 1)[0]


def test_a_vcpu_cannot_be_made() -> None:
    with pytest.raises(RuntimeError, match="comes from a table or a VM"):
        VCpu().mode  # noqa: B018


def test_a_vcpu_is_read_only() -> None:
    with pytest.raises(AttributeError):
        VcpuTable(1, 1)[0].mode = Mode.IN_GUEST_MODE  # type: ignore[misc]


def test_a_table_reads_what_a_vm_wrote() -> None:
    vm = Standalone(2)
    vm.set_vcpu(1, mode=Mode.IN_GUEST_MODE, cpu=1, wait=True, requests=0x8001)
    vcpu = vm.table[1]
    assert (vcpu.mode, vcpu.cpu, vcpu.wait, vcpu.requests) == (Mode.IN_GUEST_MODE, 1, True, 0x8001)


@pytest.mark.skipif(
    any(sanitizer in Path("/proc/self/maps").read_text() for sanitizer in ("libasan", "libtsan")),
    reason="a sanitizer keeps freed memory for a while",
)
def test_a_dead_table_gives_its_memory_back() -> None:
    def resident_bytes() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    VcpuTable(4096, 64)
    before = resident_bytes()
    for _ in range(300):
        VcpuTable(4096, 64)  # 262 144 bytes of vCPUs alone: 79 MB if none were freed
    assert resident_bytes() - before < 20_000_000
