"""What good files mean."""

from __future__ import annotations

import math

import pytest

from minikvm.config import ConfigError, Initiator, Topology, as_data, dumps, load, loads, override, shipped

V = "vm: {vcpus: 8}\nhost: {sockets: 1, cores: 4}\n"


@pytest.fixture
def line():
    """The one workload line of a file with these keys."""
    return lambda keys: loads(f"{V}workload:\n  - {{{keys}}}\n").workload[0]


def test_the_smallest_file_gets_every_default():
    config = loads("vm: {vcpus: 1}\n")
    assert (config.strategy.name, config.backend.name, config.loop.name, config.host) == ("upstream", "futex", "x86", "auto")
    assert (config.seed, config.duration, config.workload, config.guest.enter_us) == (1, None, (), 50)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_file_begins_with_what_it_shows(name):
    from minikvm.config import find

    text = find(name).read_text()
    where = "When checked" if name.startswith("c/") else "In the report"
    assert text.startswith("# ") and where in text.split("\nvm:")[0]


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_file_is_valid_and_ends_by_itself(name):
    config = load(name)
    assert config.vm.name == name.replace("/", "-") and config.duration <= 20e6 and all(line.count for line in config.workload)


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_file_survives_dump_and_load(name):
    assert loads(dumps(load(name))) == load(name)


def test_the_quickstart_has_eight_vcpus_on_four_pcpus_and_ends_within_ten_seconds():
    config = load("quickstart")
    assert (config.vm.vcpus, config.host.pcpus, config.duration <= 10e6) == (8, 4, True)


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("10us", 10),
        ("1.5ms", 1500),
        ("2s", 2e6),
        ("1min", 6e7),
        ("250ns", 0.25),
        ("5 µs", 5),
        ("0", 0),
        ("0s", 0),
        ("1e-1s", 1e5),
        ("0.1s", 1e5),
    ],
)
def test_a_duration_is_read_in_microseconds(line, text, microseconds):
    assert line(f"request: EVENT, count: 1, every: {text}").every == microseconds


def test_forever_is_infinity_and_is_written_back_as_a_word():
    config = loads(f"{V}guest: {{enter_us: forever}}\nduration: forever\n")
    data = as_data(config)
    assert (config.guest.enter_us, config.duration, data["guest"]["enter_us"], data["duration"]) == (
        math.inf,
        math.inf,
        "forever",
        "forever",
    )


def test_a_request_name_loses_the_kernel_prefix(line):
    assert line("request: KVM_REQ_TLB_FLUSH, count: 1").request == "TLB_FLUSH"


@pytest.mark.parametrize(
    ("written", "sources"),
    [
        ("{pcpu: 3}", (("pcpu", 3),)),
        ("{vcpu: 7}", (("vcpu", 7),)),
        ("[{pcpu: 0}, {vcpu: 1}]", (("pcpu", 0), ("vcpu", 1))),
    ],
)
def test_from_takes_one_initiator_or_a_list(line, written, sources):
    assert tuple((source.kind, source.index) for source in line(f"request: EVENT, count: 1, from: {written}").sources) == sources


def test_without_from_a_task_on_the_first_pcpu_asks(line):
    assert line("request: EVENT, count: 1").sources == (Initiator(pcpu=0),)


@pytest.mark.parametrize("keys", ["request: TLB_FLUSH, wait: false, count: 1, from: {irq: 0}", "request: EVENT, count: 1, from: {irq: 0}"])
def test_an_interrupt_may_ask_without_waiting(line, keys):
    assert line(keys).sources[0].kind == "irq"


def test_a_request_that_waits_without_a_bit_is_fine(line):
    assert line("request: OUTSIDE_GUEST_MODE, no_action: true, wait: true, count: 1").no_action is True


def test_a_gate_of_the_file_may_be_held():
    text = f"{V}requests: [{{name: MINE, id: 50, gate: true}}]\nworkload:\n  - {{request: MINE, hold: 1ms, count: 1}}\n"
    assert loads(text).workload[0].hold == 1000


def test_a_duration_ends_lines_without_a_count():
    assert loads(f"{V}duration: 1s\nworkload:\n  - {{request: EVENT}}\n").workload[0].count is None


def test_a_plugin_keeps_its_own_options_beside_its_name():
    config = loads(f"{V}strategy: {{name: cluster, width: 8}}\ninjectors: [{{name: delay, probability: 0.5, ns: [1]}}]\n")
    assert (config.strategy.options, config.injectors[0].options, config.injectors[0].probability) == ({"width": 8}, {"ns": [1]}, 0.5)


def test_known_names_and_options_pass_the_registry(registry):
    text = f"{V}strategy: {{name: cluster, width: 8}}\nworkload:\n  - {{request: TLB_FLUSH, count: 1}}\n"
    assert loads(text, registry=registry).strategy.options == {"width": 8}


def test_a_request_of_the_file_is_a_known_name(registry):
    text = f"{V}requests: [{{name: MINE, id: 50}}]\nworkload:\n  - {{request: MINE, count: 1}}\n"
    assert loads(text, registry=registry).requests[0].id == 50


def test_a_registry_that_knows_flags_decides_whether_a_request_waits(registry, complaints):
    registry.request_traits = lambda name: frozenset({"wait"})
    text = f"{V}workload:\n  - {{request: EVENT, count: 1, from: {{irq: 0}}}}\n"
    assert "EVENT waits by its own flags" in complaints(text, registry=registry)[0]


def test_pins_on_this_machine_are_checked_when_its_topology_is_given(complaints):
    text = "vm: {vcpus: 2}\nplacement: {pins: {0: 2}}\n"
    assert complaints(text, host=Topology.from_counts(1, 2)) == ["f.yaml:2:23: placement.pins[0]: got 2, expected a pCPU 0..1"]


def test_pins_on_this_machine_are_free_when_its_topology_is_unknown():
    assert loads("vm: {vcpus: 2}\nplacement: {pins: {0: 999}}\n").placement.pins == {0: 999}


def test_an_alias_repeats_a_value():
    assert loads("vm: {vcpus: &n 3}\ncheck: {vcpus: *n}\n").check.vcpus == 3


def test_a_config_is_frozen():
    with pytest.raises(Exception, match="frozen"):
        loads("vm: {vcpus: 1}\n").seed = 5


def test_override_replaces_values_as_the_file_would_write_them():
    config = override(loads("vm: {vcpus: 1}\n"), seed=7, duration="2s")
    assert (config.seed, config.duration, config.vm.vcpus) == (7, 2e6, 1)


def test_override_explains_a_wrong_value():
    with pytest.raises(ConfigError, match="seed: got -1, expected a whole number"):
        override(loads("vm: {vcpus: 1}\n"), seed=-1)
