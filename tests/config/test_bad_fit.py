"""Parts that do not fit each other: each gives exactly these lines, all at once."""

from __future__ import annotations

import pytest

BAD_FIT = {
    "two sections": (
        "vm: {vcpus: -1}\nguest:\n  jitter: 7\nseed: x\n",
        [
            "f.yaml:1:13: vm.vcpus: got -1, expected a whole number 1..4096",
            "f.yaml:3:11: guest.jitter: got 7, expected a number 0..1",
            "f.yaml:4:7: seed: got x, expected a whole number 0..18446744073709551615",
        ],
    ),
    "schema and cross": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nseed: x\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: [99]}\n"),
        [
            "f.yaml:3:7: seed: got x, expected a whole number 0..18446744073709551615",
            "f.yaml:5:46: workload[0].targets[0]: got 99, expected a vCPU index 0..7",
        ],
    ),
    "pins vcpu": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {pins: {8: 0}}\n",
        [
            "f.yaml:3:20: placement.pins[8]: got the key 8, expected a vCPU index 0..7",
        ],
    ),
    "pins pcpu": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {pins: {0: 4}}\n",
        [
            "f.yaml:3:23: placement.pins[0]: got 4, expected a pCPU 0..3",
        ],
    ),
    "pins used": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 8}\nplacement: {overcommit: 4, pins: {0: 2}}\n",
        [
            "f.yaml:3:38: placement.pins[0]: got 2, expected a pCPU 0..1",
        ],
    ),
    "too few pcpus": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {overcommit: 1}\n",
        [
            "f.yaml:3:25: placement.overcommit: got 1, expected at least 2 for 8 vCPUs on 4 pCPUs",
        ],
    ),
    "host too big": (
        "vm: {vcpus: 8}\nhost: {sockets: 64, cores: 64, threads: 2}\n",
        [
            "f.yaml:2:7: host: got 8192 pCPUs, expected sockets * cores * threads of at most 4096",
        ],
    ),
    "nodes": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 2, nodes: 3}\n",
        [
            "f.yaml:2:37: host.nodes: got 3, expected at most 2 nodes, one a core",
        ],
    ),
    "from pcpu": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {pcpu: 4}}\n"),
        [
            "f.yaml:4:49: workload[0].from.pcpu: got 4, expected a pCPU 0..3",
        ],
    ),
    "from vcpu": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: [{pcpu: 0}, {vcpu: 8}]}\n"),
        [
            "f.yaml:4:61: workload[0].from[1].vcpu: got 8, expected a vCPU index 0..7",
        ],
    ),
    "irq waits": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {irq: 1}}\n"),
        [
            (
                "f.yaml:4:48: workload[0].from.irq: got irq: 1, expected pcpu or vcpu: an interrupt must not wait, "
                "it would deadlock (R25) (TLB_FLUSH waits by its own flags; wait: false stops that)"
            ),
        ],
    ),
    "irq wait true": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {irq: 1}, wait: true}\n"),
        [
            ("f.yaml:4:48: workload[0].from.irq: got irq: 1, expected pcpu or vcpu: an interrupt must not wait, it would deadlock (R25)"),
        ],
    ),
    "targets list": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: [1, 99, 100]}\n"),
        [
            "f.yaml:4:49: workload[0].targets[1]: got 99, expected a vCPU index 0..7",
            "f.yaml:4:53: workload[0].targets[2]: got 100, expected a vCPU index 0..7",
        ],
    ),
    "targets text": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "0-8"}\n'),
        [
            'f.yaml:4:45: workload[0].targets: got "0-8", expected vCPU indexes 0..7',
        ],
    ),
    "targets mask": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "0x1ff"}\n'),
        [
            'f.yaml:4:45: workload[0].targets: got "0x1ff", expected vCPU indexes 0..7',
        ],
    ),
    "random": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: {random: 9}}\n"),
        [
            "f.yaml:4:54: workload[0].targets.random: got 9, expected a whole number 1..8, the vCPUs that there are",
        ],
    ),
    "except all": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: {except: "0-7"}}\n'),
        [
            'f.yaml:4:54: workload[0].targets.except: got "0-7", expected at least one vCPU that is left',
        ],
    ),
    "except range": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: {except: [8]}}\n"),
        [
            "f.yaml:4:55: workload[0].targets.except[0]: got 8, expected a vCPU index 0..7",
        ],
    ),
    "never ends": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: EVENT}\n",
        [
            "f.yaml:4:5: workload[0]: it never ends, expected a count, or a duration for the whole file",
        ],
    ),
    "hold": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, hold: 5us}\n",
        [
            ("f.yaml:4:42: workload[0].hold: got 5us, expected no hold: TLB_FLUSH is no entry gate (MCLOCK_INPROGRESS is one)"),
        ],
    ),
    "gate without a bit": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: MCLOCK_INPROGRESS, count: 1, no_action: true}\n",
        [
            "f.yaml:4:55: workload[0].no_action: got true, expected false or null: MCLOCK_INPROGRESS is an entry gate, and that is its bit",
        ],
    ),
    "sticky request without a bit": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: VM_DEAD, count: 1, no_action: true}\n",
        [
            "f.yaml:4:45: workload[0].no_action: got true, expected false or null: VM_DEAD is a request that stays, and that is its bit",
        ],
    ),
    "ids": (
        "vm: {vcpus: 8, ids: 0-6}\n",
        [
            "f.yaml:1:21: vm.ids: got 0-6, expected 8 vCPU ids, as many as vcpus (these are 7)",
        ],
    ),
    "holes": (
        "vm: {vcpus: 8, holes: 8-9}\n",
        [
            "f.yaml:1:23: vm.holes: got 8-9, expected vCPU indexes 0..7",
        ],
    ),
    "all holes": (
        "vm: {vcpus: 2, holes: 0-1}\n",
        [
            "f.yaml:1:23: vm.holes: got 0-1, expected at least one vCPU that is no hole",
        ],
    ),
    "hole targeted": (
        "vm: {vcpus: 4, holes: '2'}\nworkload:\n  - {request: EVENT, count: 1, targets: [2]}\n",
        [
            "f.yaml:3:42: workload[0].targets[0]: got 2, expected a vCPU that is no hole",
        ],
    ),
    "hole from": (
        "vm: {vcpus: 4, holes: '2'}\nworkload:\n  - {request: EVENT, count: 1, from: {vcpu: 2}}\n",
        [
            "f.yaml:3:45: workload[0].from.vcpu: got 2, expected a vCPU that is no hole",
        ],
    ),
    "hole pinned": (
        "vm: {vcpus: 4, holes: '2'}\nplacement: {pins: {2: 0}}\n",
        [
            "f.yaml:2:20: placement.pins[2]: got the key 2, expected a vCPU that is no hole",
        ],
    ),
    "only holes": (
        "vm: {vcpus: 4, holes: '2'}\nworkload:\n  - {request: EVENT, count: 1, targets: '2'}\n",
        [
            'f.yaml:3:41: workload[0].targets: got "2", expected at least one vCPU that is no hole',
        ],
    ),
    "initiators": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {vcpu: 0}, initiators: 9}\n"),
        [
            "f.yaml:4:65: workload[0].initiators: got 9, expected at most 8, the vCPUs that there are",
        ],
    ),
    "own request twice": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nrequests: [{name: A, id: 50}, {name: A, id: 50}]\n",
        [
            "f.yaml:3:38: requests[1].name: got A, expected each name once (requests[0] has it)",
            "f.yaml:3:45: requests[1].id: got 50, expected each id once (requests[0] has it)",
        ],
    ),
    "own request taken": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nrequests: [{name: EVENT, id: 50}]\n",
        [
            "f.yaml:3:19: requests[0].name: got EVENT, expected a name that KVM or a plugin does not use",
        ],
    ),
    "alias place": (
        "vm: &v {vcpus: -1}\ncheck: *v\n",
        [
            "f.yaml:1:16: vm.vcpus: got -1, expected a whole number 1..4096",
            "f.yaml:1:16: check.vcpus: got -1, expected a whole number 1..64",
        ],
    ),
}


@pytest.mark.parametrize("case", BAD_FIT)
def test_parts_that_do_not_fit_are_explained_at_the_offending_value(case, complaints):
    text, expected = BAD_FIT[case]
    assert complaints(text) == expected
