"""Wrong values outside the workload: each gives exactly these lines."""

from __future__ import annotations

import pytest

BAD_SECTIONS = {
    "vm missing": (
        "seed: 1\n",
        [
            "f.yaml:1:1: vm: missing, expected a mapping such as {vcpus: 8}",
        ],
    ),
    "vcpus missing": (
        "vm: {name: x}\n",
        [
            "f.yaml:1:5: vm.vcpus: missing, expected a whole number 1..4096",
        ],
    ),
    "vm is null": (
        "vm:\nseed: 1\n",
        [
            "f.yaml:1:4: vm: got nothing, expected a mapping such as {vcpus: 8}",
        ],
    ),
    "vm is a number": (
        "vm: 8\n",
        [
            "f.yaml:1:5: vm: got 8, expected a mapping such as {vcpus: 8}",
        ],
    ),
    "absurd vcpus": (
        "vm: {vcpus: 1000000000}\n",
        [
            "f.yaml:1:13: vm.vcpus: got 1000000000, expected a whole number 1..4096",
        ],
    ),
    "huge vcpus": (
        "vm: {vcpus: 99999999999999999999999999999999999999999999999999999999999999999999999999999999}\n",
        [
            "f.yaml:1:13: vm.vcpus: got 9999999999999999999999999999999999999..., expected a whole number 1..4096",
        ],
    ),
    "vcpus as a power": (
        "vm: {vcpus: 10**9}\n",
        [
            "f.yaml:1:13: vm.vcpus: got 10**9, expected a whole number 1..4096",
        ],
    ),
    "zero vcpus": (
        "vm: {vcpus: 0}\n",
        [
            "f.yaml:1:13: vm.vcpus: got 0, expected a whole number 1..4096",
        ],
    ),
    "negative vcpus": (
        "vm:\n  vcpus: -1\n",
        [
            "f.yaml:2:10: vm.vcpus: got -1, expected a whole number 1..4096",
        ],
    ),
    "quoted vcpus": (
        'vm: {vcpus: "8"}\n',
        [
            'f.yaml:1:13: vm.vcpus: got "8", expected a whole number 1..4096 (without the quotes)',
        ],
    ),
    "true vcpus": (
        "vm: {vcpus: true}\n",
        [
            "f.yaml:1:13: vm.vcpus: got true, expected a whole number 1..4096",
        ],
    ),
    "vcpus 8.0": (
        "vm: {vcpus: 8.0}\n",
        [
            "f.yaml:1:13: vm.vcpus: got 8.0, expected a whole number 1..4096",
        ],
    ),
    "nan vcpus": (
        "vm: {vcpus: .nan}\n",
        [
            "f.yaml:1:13: vm.vcpus: got .nan, expected a whole number 1..4096",
        ],
    ),
    "list vcpus": (
        "vm: {vcpus: [8]}\n",
        [
            "f.yaml:1:13: vm.vcpus: got a list of 1, expected a whole number 1..4096",
        ],
    ),
    "null vcpus": (
        "vm: {vcpus: null}\n",
        [
            "f.yaml:1:13: vm.vcpus: got null, expected a whole number 1..4096",
        ],
    ),
    "unknown section": (
        "vm: {vcpus: 8}\nworklaod: []\n",
        [
            (
                "f.yaml:2:1: worklaod: unknown key, expected vm, host, placement, strategy, backend, loop, "
                "injectors, guest, requests, workload, duration, seed, watchdog or check (did you mean workload?)"
            ),
        ],
    ),
    "unknown key": (
        "vm: {vcpu: 8}\n",
        [
            "f.yaml:1:6: vm.vcpu: unknown key, expected name, vcpus, ids, holes or engine (did you mean vcpus?)",
        ],
    ),
    "far unknown key": (
        "vm: {vcpus: 8, zzz: 1}\n",
        [
            "f.yaml:1:16: vm.zzz: unknown key, expected name, vcpus, ids, holes or engine",
        ],
    ),
    "key of another section": (
        "vcpus: 8\nvm: {vcpus: 8}\n",
        [
            (
                "f.yaml:1:1: vcpus: unknown key, expected vm, host, placement, strategy, backend, loop, injectors, "
                "guest, requests, workload, duration, seed, watchdog or check (it belongs under vm)"
            ),
        ],
    ),
    "top-level key inside": (
        "vm: {vcpus: 8, seed: 3}\n",
        [
            "f.yaml:1:16: vm.seed: unknown key, expected name, vcpus, ids, holes or engine (it belongs at the top)",
        ],
    ),
    "integer key": (
        "vm: {vcpus: 8, 7: 1}\n",
        [
            (
                "f.yaml:1:16: vm[7]: unknown key, expected name, vcpus, ids, holes or engine (a list format with a "
                'comma needs quotes inside { }, as in "0-3,7")'
            ),
        ],
    ),
    "non-ASCII unknown key": (
        "vm: {vcpus: 8, größe: 1}\n",
        [
            "f.yaml:1:16: vm.größe: unknown key, expected name, vcpus, ids, holes or engine",
        ],
    ),
    "nan ratio": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nguest: {halt_ratio: .nan}\n",
        [
            "f.yaml:3:21: guest.halt_ratio: got .nan, expected a number 0..1",
        ],
    ),
    "ratio above 1": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nguest: {halt_ratio: 1.5}\n",
        [
            "f.yaml:3:21: guest.halt_ratio: got 1.5, expected a number 0..1",
        ],
    ),
    "infinite overcommit": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {overcommit: .inf}\n",
        [
            "f.yaml:3:25: placement.overcommit: got .inf, expected a number 1..4096, or null",
        ],
    ),
    "overcommit below 1": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {overcommit: 0.5}\n",
        [
            "f.yaml:3:25: placement.overcommit: got 0.5, expected a number 1..4096, or null",
        ],
    ),
    "bad policy": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {policy: spraed}\n",
        [
            "f.yaml:3:21: placement.policy: got spraed, expected spread, pack or random (did you mean spread?)",
        ],
    ),
    "host word": (
        "vm: {vcpus: 8}\nhost: atuo\n",
        [
            "f.yaml:2:7: host: got atuo, expected auto, or a mapping such as {sockets: 2, cores: 36, threads: 2}",
        ],
    ),
    "host incomplete": (
        "vm: {vcpus: 8}\nhost: {sockets: 2}\n",
        [
            "f.yaml:2:7: host.cores: missing, expected a whole number 1..4096",
        ],
    ),
    "host zero cores": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 0}\n",
        [
            "f.yaml:2:27: host.cores: got 0, expected a whole number 1..4096",
        ],
    ),
    "engine number": (
        "vm: {vcpus: 8, engine: 5}\n",
        [
            "f.yaml:1:24: vm.engine: got 5, expected a name: a letter, then letters, digits, - or _",
        ],
    ),
    "name empty": (
        'vm: {vcpus: 8, name: ""}\n',
        [
            'f.yaml:1:22: vm.name: got "", expected a name of 1 to 100 printable characters',
        ],
    ),
    "name with newline": (
        'vm: {vcpus: 8, name: "a\\nb"}\n',
        [
            'f.yaml:1:22: vm.name: got "a\\nb", expected a name of 1 to 100 printable characters',
        ],
    ),
    "long name": (
        (
            "vm: {vcpus: 8, name: "
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            "}\n"
        ),
        [
            ("f.yaml:1:22: vm.name: got xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..., expected a name of 1 to 100 printable characters"),
        ],
    ),
    "strategy list": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: [upstream]\n",
        [
            ("f.yaml:3:11: strategy: got a list of 1, expected the name of a strategy, or a mapping of its name and its options"),
        ],
    ),
    "strategy without name": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {window: 3}\n",
        [
            "f.yaml:3:11: strategy.name: missing, expected the name of a plugin",
        ],
    ),
    "strategy in C without its file": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {c: mine.c}\n",
        [
            'f.yaml:3:15: strategy.c: got "mine.c", expected the path of a C file (no such file: mine.c)',
        ],
    ),
    "back end as C": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nbackend: {c: mine.c}\n",
        [
            "f.yaml:3:10: backend.name: missing, expected the name of a plugin",
        ],
    ),
    "strategy as no C": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nstrategy: {c: mine.py}\n",
        [
            'f.yaml:3:15: strategy.c: got "mine.py", expected the path of a C file, such as my_patch.c',
        ],
    ),
    "injectors no list": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ninjectors: stale-cpu\n",
        [
            "f.yaml:3:12: injectors: got stale-cpu, expected a list of injectors",
        ],
    ),
    "injector number": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ninjectors: [7]\n",
        [
            ("f.yaml:3:13: injectors[0]: got 7, expected the name of a race injector, or a mapping of its name and its options"),
        ],
    ),
    "injector probability": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ninjectors: [{name: delay, probability: 2}]\n",
        [
            "f.yaml:3:40: injectors[0].probability: got 2, expected a number 0..1, or null",
        ],
    ),
    "injectors empty key": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ninjectors:\n",
        [
            "f.yaml:3:11: injectors: got nothing, expected a list of injectors (leave the key out for the default)",
        ],
    ),
    "seed negative": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nseed: -1\n",
        [
            "f.yaml:3:7: seed: got -1, expected a whole number 0..18446744073709551615",
        ],
    ),
    "duration number": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nduration: 10\n",
        [
            ("f.yaml:3:11: duration: got 10, expected a duration with a unit, such as 10us, 1.5ms or 2s (the unit is missing)"),
        ],
    ),
    "duration text": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nduration: 10 parsecs\n",
        [
            "f.yaml:3:11: duration: got 10 parsecs, expected a duration with a unit, such as 10us, 1.5ms or 2s",
        ],
    ),
    "duration zero": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nduration: 0s\n",
        [
            "f.yaml:3:11: duration: got 0s, expected a duration above 0 (leave it out to run until every count is done)",
        ],
    ),
    "duration too long": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nduration: 1e9s\n",
        [
            "f.yaml:3:11: duration: got 1e9s, expected a duration of at most 30 days",
        ],
    ),
    "enter_us zero": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nguest: {enter_us: 0}\n",
        [
            ("f.yaml:3:19: guest.enter_us: got 0, expected a number of microseconds above 0, at most 1000000000, or forever"),
        ],
    ),
    "enter_us with unit": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nguest: {enter_us: 5ms}\n",
        [
            ("f.yaml:3:19: guest.enter_us: got 5ms, expected a number of microseconds above 0, at most 1000000000, or forever"),
        ],
    ),
    "walk_us forever": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nguest: {walk_us: forever}\n",
        [
            "f.yaml:3:18: guest.walk_us: got forever, expected a number of microseconds above 0, at most 1000000000",
        ],
    ),
    "own request id": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nrequests: [{name: MINE, id: 7}]\n",
        [
            "f.yaml:3:29: requests[0].id: got 7, expected a whole number 8..63",
        ],
    ),
    "own request flag": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nrequests: [{name: MINE, id: 50, flags: [wiat]}]\n",
        [
            "f.yaml:3:41: requests[0].flags[0]: got wiat, expected wait, no_wakeup or no_action (did you mean wait?)",
        ],
    ),
    "check property": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ncheck: {properties: [P1, P11]}\n",
        [
            "f.yaml:3:26: check.properties[1]: got P11, expected one of P1 to P10 (did you mean P1?)",
        ],
    ),
    "check faults": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\ncheck: {faults: -1}\n",
        [
            "f.yaml:3:17: check.faults: got -1, expected a whole number 0..64",
        ],
    ),
    "watchdog": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nwatchdog: {suspect_ms: 0}\n",
        [
            "f.yaml:3:24: watchdog.suspect_ms: got 0, expected a number of milliseconds above 0, at most 1000000",
        ],
    ),
    "pins list": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {pins: [0, 1]}\n",
        [
            ("f.yaml:3:19: placement.pins: got a list of 2, expected a mapping of vCPU indexes to pCPUs, such as {0: 0, 1: 4}"),
        ],
    ),
    "pins text key": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {pins: {a: 1}}\n",
        [
            "f.yaml:3:20: placement.pins.a: got the key a, expected a whole number as the key",
        ],
    ),
    "pins text value": (
        "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\nplacement: {pins: {0: a}}\n",
        [
            "f.yaml:3:23: placement.pins[0]: got a, expected a pCPU 0..4095",
        ],
    ),
    "ids text": (
        "vm: {vcpus: 8, ids: seven}\n",
        [
            'f.yaml:1:21: vm.ids: got seven, expected an index or a range, as in "0,2-7"',
        ],
    ),
    "holes number": (
        "vm: {vcpus: 8, holes: 3}\n",
        [
            'f.yaml:1:23: vm.holes: got 3, expected vCPU indexes as text, such as "0,2-7" (put it in quotes)',
        ],
    ),
}


@pytest.mark.parametrize("case", BAD_SECTIONS)
def test_a_wrong_value_of_a_section_is_explained_at_its_place(case, complaints):
    text, expected = BAD_SECTIONS[case]
    assert complaints(text) == expected
