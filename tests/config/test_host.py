"""Topologies: made up from counts, and read from made-up trees."""

from __future__ import annotations

from pathlib import Path

import pytest

from minikvm.config import Topology, discover


@pytest.fixture
def tree(tmp_path):
    """Write files below a root: {path: text}."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return tmp_path

    return write


def cpu(number: int, package: int, core: int, **more: int) -> dict[str, str]:
    names = {"physical_package_id": package, "core_id": core, **more}
    return {f"sys/devices/system/cpu/cpu{number}/topology/{name}": str(value) for name, value in names.items()}


# Two sockets of two cores of two threads, as Linux numbers them: all first threads, then all second ones.
TWO_SOCKETS = {
    "sys/devices/system/cpu/online": "0-7",
    **cpu(0, 0, 0), **cpu(1, 0, 1), **cpu(2, 1, 0), **cpu(3, 1, 1), **cpu(4, 0, 0), **cpu(5, 0, 1), **cpu(6, 1, 0), **cpu(7, 1, 1),
    "sys/devices/system/node/node0/cpulist": "0-1,4-5",
    "sys/devices/system/node/node1/cpulist": "2-3,6-7",
    "proc/cpuinfo": "\n\n".join(f"processor\t: {n}\napicid\t\t: {a}" for n, a in enumerate((0, 2, 16, 18, 1, 3, 17, 19))),
}  # fmt: skip


def test_sockets_cores_threads_and_nodes_are_read(tree):
    found = discover(tree(TWO_SOCKETS))
    assert (found.socket_of, found.core_of, found.thread_of, found.node_of) == (
        (0, 0, 1, 1, 0, 0, 1, 1),
        (0, 1, 2, 3, 0, 1, 2, 3),
        (0, 0, 0, 0, 1, 1, 1, 1),
        (0, 0, 1, 1, 0, 0, 1, 1),
    )


def test_apic_ids_are_read(tree):
    assert discover(tree(TWO_SOCKETS)).apic_id_of == (0, 2, 16, 18, 1, 3, 17, 19)


def test_without_apic_ids_the_slot_number_stands_in(tree):
    assert discover(tree(TWO_SOCKETS | {"proc/cpuinfo": "processor : 0"})).apic_id_of == tuple(range(8))


def test_clusters_are_read(tree):
    found = discover(tree(TWO_SOCKETS | {f"sys/devices/system/cpu/cpu{n}/topology/cluster_id": str(n % 4) for n in range(8)}))
    assert found.cluster_of == (0, 1, 2, 3, 0, 1, 2, 3)


@pytest.mark.parametrize("unknown", ["-1", "65536x", ""])
def test_an_unknown_cluster_is_the_socket(tree, unknown):
    found = discover(tree(TWO_SOCKETS | {f"sys/devices/system/cpu/cpu{n}/topology/cluster_id": unknown for n in range(8)}))
    assert found.cluster_of == found.socket_of


def test_only_online_cpus_become_slots(tree):
    found = discover(tree(TWO_SOCKETS | {"sys/devices/system/cpu/online": "1,3-4"}))
    assert (found.nr_pcpus, found.host_cpu_of, found.socket_of) == (3, (1, 3, 4), (0, 1, 0))


def test_only_allowed_cpus_become_slots(tree):
    assert discover(tree(TWO_SOCKETS), allowed={2, 6, 99}).host_cpu_of == (2, 6)


def test_without_core_ids_each_cpu_is_a_core(tree):
    found = discover(tree({"sys/devices/system/cpu/online": "0-2"}))
    assert (found.socket_of, found.core_of, found.thread_of, found.node_of) == ((0, 0, 0), (0, 1, 2), (0, 0, 0), (0, 0, 0))


def test_an_empty_tree_gives_one_socket_of_the_allowed_cpus(tmp_path):
    assert discover(tmp_path, allowed={0, 5, 7}) == Topology.from_counts(1, 3)


@pytest.mark.parametrize("text", ["", "garbage", "3-1", "0-99999999999", "0,,1"])
def test_a_broken_online_list_is_no_list(tree, text):
    assert discover(tree({"sys/devices/system/cpu/online": text}), allowed={0, 1}).nr_pcpus == 2


def test_this_machine_has_a_topology():
    import os

    assert set(discover().host_cpu_of) <= os.sched_getaffinity(0)


def test_siblings_are_neighbours_in_a_made_up_host():
    made = Topology.from_counts(2, 2, 2)
    assert (made.socket_of, made.core_of, made.thread_of) == ((0, 0, 0, 0, 1, 1, 1, 1), (0, 0, 1, 1, 2, 2, 3, 3), (0, 1) * 4)


def test_a_made_up_host_has_a_node_a_socket_unless_told():
    assert Topology.from_counts(2, 2).node_of == (0, 0, 1, 1)


@pytest.mark.parametrize(("nodes", "expected"), [(1, (0,) * 6), (3, (0, 0, 1, 1, 2, 2)), (4, (0, 0, 1, 2, 2, 3)), (6, (0, 1, 2, 3, 4, 5))])
def test_cores_are_cut_into_nodes_of_nearly_equal_size(nodes, expected):
    assert Topology.from_counts(2, 3, nodes=nodes).node_of == expected


def test_apic_ids_leave_gaps_where_a_count_is_no_power_of_two():
    assert Topology.from_counts(2, 3, 2).apic_id_of == (0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13)


@pytest.mark.parametrize("counts", [(0, 1, 1, 1), (1, 1, 0, 1), (64, 64, 2, 1), (1, 2, 2, 3), (1, 1, 1, 0)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(ValueError, match="no topology"):
        Topology.from_counts(*counts)


def test_tuples_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="core_of has 1 elements, expected 2"):
        Topology(2, (0, 0), (0,), (0, 0), (0, 0), (0, 1), (0, 0))
