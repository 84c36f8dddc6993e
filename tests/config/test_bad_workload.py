"""Wrong values in the workload: each gives exactly these lines."""

from __future__ import annotations

import pytest

BAD_WORKLOAD = {
    "YAML 1.1 boolean": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, wait: yes}\n",
        [
            "f.yaml:4:42: workload[0].wait: got yes, expected true, false, or null for the request's own flag",
        ],
    ),
    "wait as text": (
        'vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, wait: "true"}\n',
        [
            ('f.yaml:4:42: workload[0].wait: got "true", expected true, false, or null for the request\'s own flag (without the quotes)'),
        ],
    ),
    "wait as 1": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, wait: 1}\n",
        [
            "f.yaml:4:42: workload[0].wait: got 1, expected true, false, or null for the request's own flag",
        ],
    ),
    "every forever": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, every: forever}\n"),
        [
            "f.yaml:4:43: workload[0].every: got forever, expected a duration with a unit, such as 10us, 1.5ms or 2s",
        ],
    ),
    "request missing": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {count: 1}\n",
        [
            "f.yaml:4:5: workload[0].request: missing, expected the name of a request, such as TLB_FLUSH",
        ],
    ),
    "request small": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: tlb_flush, count: 1}\n",
        [
            (
                "f.yaml:4:15: workload[0].request: got tlb_flush, expected the name of a request in capitals, such "
                "as TLB_FLUSH (did you mean TLB_FLUSH?)"
            ),
        ],
    ),
    "request number": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: 5, count: 1}\n",
        [
            "f.yaml:4:15: workload[0].request: got 5, expected the name of a request in capitals, such as TLB_FLUSH",
        ],
    ),
    "count zero": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: EVENT, count: 0}\n",
        [
            "f.yaml:4:29: workload[0].count: got 0, expected a whole number 1..1000000000000, or null",
        ],
    ),
    "workload mapping": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload: {request: EVENT}\n",
        [
            "f.yaml:3:11: workload: got a mapping (request), expected a list of workload lines, each {request: ..., ...}",
        ],
    ),
    "workload line text": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload: [EVENT]\n",
        [
            "f.yaml:3:12: workload[0]: got EVENT, expected a mapping such as {request: TLB_FLUSH, count: 1000}",
        ],
    ),
    "targets word": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: al}\n",
        [
            (
                "f.yaml:4:45: workload[0].targets: got al, expected all, a list of vCPU indexes, a text such as "
                '"0-3,7" or "0x1f", {random: k} or {except: ...}'
            ),
        ],
    ),
    "targets number": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: 3}\n",
        [
            (
                "f.yaml:4:45: workload[0].targets: got 3, expected all, a list of vCPU indexes, a text such as "
                '"0-3,7" or "0x1f", {random: k} or {except: ...} (one vCPU is a list of one, and a mask needs quotes)'
            ),
        ],
    ),
    "targets mapping": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: {rnadom: 4}}\n"),
        [
            "f.yaml:4:46: workload[0].targets.rnadom: unknown key, expected random or except (did you mean random?)",
        ],
    ),
    "targets list of text": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: [1, "2"]}\n'),
        [
            'f.yaml:4:49: workload[0].targets[1]: got "2", expected a vCPU index 0..4095 (without the quotes)',
        ],
    ),
    "targets negative": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: [-1]}\n",
        [
            "f.yaml:4:46: workload[0].targets[0]: got -1, expected a vCPU index 0..4095",
        ],
    ),
    "targets bad list format": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "1,,2"}\n'),
        [
            ('f.yaml:4:45: workload[0].targets: got "1,,2", expected an index or a range, as in "0,2-7" (between the commas)'),
        ],
    ),
    "targets range down": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "7-3"}\n'),
        [
            'f.yaml:4:45: workload[0].targets: got "7-3", expected a range that goes up (3-7)',
        ],
    ),
    "targets absurd range": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "0-999999999"}\n'),
        [
            'f.yaml:4:45: workload[0].targets: got "0-999999999", expected indexes 0..4095',
        ],
    ),
    "targets empty list": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: []}\n",
        [
            (
                "f.yaml:4:45: workload[0].targets: got an empty list, expected all, a list of vCPU indexes, a text "
                'such as "0-3,7" or "0x1f", {random: k} or {except: ...}'
            ),
        ],
    ),
    "targets mask of nothing": (
        ('vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "0x0"}\n'),
        [
            'f.yaml:4:45: workload[0].targets: got "0x0", expected at least one bit set',
        ],
    ),
    "targets unquoted comma": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: 0-3,7}\n"),
        [
            (
                "f.yaml:4:49: workload[0][7]: unknown key, expected request, wait, no_wakeup, no_action, targets, "
                "from, initiators, every, count or hold (a list format with a comma needs quotes inside { }, as in "
                '"0-3,7")'
            ),
        ],
    ),
    "random of none": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: {random: 0}}\n"),
        [
            "f.yaml:4:54: workload[0].targets.random: got 0, expected a whole number 1..4096",
        ],
    ),
    "random and except": (
        (
            "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: "
            "{random: 2, except: [1]}}\n"
        ),
        [
            "f.yaml:4:57: workload[0].targets.except: unknown key, expected random or except (not both)",
        ],
    ),
    "except word": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, targets: {except: none}}\n"),
        [
            'f.yaml:4:54: workload[0].targets.except: got none, expected an index or a range, as in "0,2-7"',
        ],
    ),
    "from word": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: pcpu}\n",
        [
            "f.yaml:4:42: workload[0].from: got pcpu, expected one of {pcpu: n}, {irq: n}, {vcpu: n}, or a list of them",
        ],
    ),
    "from two": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {pcpu: 1, irq: 2}}\n"),
        [
            "f.yaml:4:42: workload[0].from: got a mapping (pcpu, irq), expected one of {pcpu: n}, {irq: n}, {vcpu: n}",
        ],
    ),
    "from none": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {}}\n",
        [
            "f.yaml:4:42: workload[0].from: got an empty mapping, expected one of {pcpu: n}, {irq: n}, {vcpu: n}",
        ],
    ),
    "from unknown": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {cpu: 1}}\n"),
        [
            "f.yaml:4:43: workload[0].from.cpu: unknown key, expected pcpu, irq or vcpu (did you mean vcpu?)",
        ],
    ),
    "from number keys": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {0: [], -1: null}}\n"),
        [
            "f.yaml:4:43: workload[0].from[0]: unknown key, expected pcpu, irq or vcpu "
            '(a list format with a comma needs quotes inside { }, as in "0-3,7")',
            "f.yaml:4:50: workload[0].from[-1]: unknown key, expected pcpu, irq or vcpu "
            '(a list format with a comma needs quotes inside { }, as in "0-3,7")',
        ],
    ),
    "from empty list": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: []}\n",
        [
            ("f.yaml:4:42: workload[0].from: got an empty list, expected one of {pcpu: n}, {irq: n}, {vcpu: n}, or a list of them"),
        ],
    ),
    "from list item": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: [{pcpu: 0}, 3]}\n"),
        [
            "f.yaml:4:54: workload[0].from[1]: got 3, expected one of {pcpu: n}, {irq: n}, {vcpu: n}",
        ],
    ),
    "from negative": (
        ("vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLUSH, count: 1, from: {pcpu: -1}}\n"),
        [
            "f.yaml:4:49: workload[0].from.pcpu: got -1, expected a pCPU 0..4095",
        ],
    ),
}


@pytest.mark.parametrize("case", BAD_WORKLOAD)
def test_a_wrong_value_of_the_workload_is_explained_at_its_place(case, complaints):
    text, expected = BAD_WORKLOAD[case]
    assert complaints(text) == expected
