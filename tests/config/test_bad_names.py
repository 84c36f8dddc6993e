"""Names and options that no plugin has: each gives exactly these lines."""

from __future__ import annotations

import pytest

BAD_NAMES = {
    "request": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nworkload:\n  - {request: TLB_FLSH, count: 1}\n",
        [
            "f.yaml:4:15: workload[0].request: got TLB_FLSH, expected a known request (did you mean TLB_FLUSH?)",
        ],
    ),
    "strategy": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: upsteam\n",
        [
            "f.yaml:3:11: strategy: got upsteam, expected a strategy: cluster or upstream (did you mean upstream?)",
        ],
    ),
    "strategy mapping": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {name: upsteam, window: 3}\n",
        [
            "f.yaml:3:18: strategy.name: got upsteam, expected a strategy: cluster or upstream (did you mean upstream?)",
        ],
    ),
    "backend": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nbackend: futx\n",
        [
            "f.yaml:3:10: backend: got futx, expected a back end: futex or signal (did you mean futex?)",
        ],
    ),
    "loop": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nloop: arm\n",
        [
            "f.yaml:3:7: loop: got arm, expected a run loop: arm64 or x86 (did you mean arm64?)",
        ],
    ),
    "injector": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ninjectors: [stale-cpu, {name: dealy}]\n",
        [
            ("f.yaml:3:31: injectors[1].name: got dealy, expected a race injector: delay or stale-cpu (did you mean delay?)"),
        ],
    ),
    "engine": (
        "vm: {vcpus: 8, engine: kvn}\n",
        [
            "f.yaml:1:24: vm.engine: got kvn, expected an engine: threads",
        ],
    ),
    "model": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ncheck: {models: [sc, pso]}\n",
        [
            "f.yaml:3:22: check.models[1]: got pso, expected a memory model: lkmm, rc11, sc or tso (did you mean tso?)",
        ],
    ),
    "no options": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {name: upstream, window: 3}\n",
        [
            "f.yaml:3:28: strategy.window: unknown key, expected only name",
        ],
    ),
    "option unknown": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {name: cluster, widht: 3}\n",
        [
            "f.yaml:3:27: strategy.widht: unknown key, expected name, width or kind (did you mean width?)",
        ],
    ),
    "option value": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {name: cluster, width: 99, kind: x}\n",
        [
            "f.yaml:3:34: strategy.width: got 99, expected a whole number 1..64",
            "f.yaml:3:44: strategy.kind: got x, expected x2apic or node",
        ],
    ),
    "option type": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ninjectors: [{name: delay, probability: 0.1, ns: [1, a]}]\n",
        [
            "f.yaml:3:53: injectors[0].ns[1]: got a, expected a whole number",
        ],
    ),
}


@pytest.mark.parametrize("case", BAD_NAMES)
def test_a_name_or_option_that_no_plugin_has_is_explained(case, complaints, registry):
    text, expected = BAD_NAMES[case]
    assert complaints(text, registry=registry) == expected
