"""Whatever the text, the outcome is a VMConfig or a ConfigError."""

from __future__ import annotations

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from minikvm.config import ConfigError, VMConfig, dumps, loads
from tests.examples import examples

KEYS = st.sampled_from(
    [
        *VMConfig.model_fields,
        "vcpus",
        "name",
        "targets",
        "from",
        "random",
        "except",
        "pcpu",
        "irq",
        "request",
        "wait",
        "count",
        "pins",
        "ids",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["all", "auto", "0-3", "0x1f", "forever", "2s", "TLB_FLUSH"]),
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.integers(-2, 9) | st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)
RATIO = st.floats(0, 1)
TARGETS = st.one_of(
    st.just("all"),
    st.lists(st.integers(0, 7), min_size=1, max_size=8),
    st.sampled_from(["0-3,7", "0x1f", " 1 , 2-3 "]),
    st.fixed_dictionaries({"random": st.integers(1, 8)}),
    st.fixed_dictionaries({"except": st.one_of(st.just("0,2-4"), st.lists(st.integers(0, 6), min_size=1))}),
)
DURATION = st.builds(lambda n, unit: f"{n}{unit}", st.floats(1e-6, 1e4), st.sampled_from(["ns", "us", "ms", "s"]))
LINE = st.fixed_dictionaries(
    {"request": st.sampled_from(["EVENT", "KVM_REQ_TLB_FLUSH"]), "count": st.integers(1, 10**12), "targets": TARGETS},
    optional={
        "wait": st.none() | st.booleans(),
        "every": DURATION,
        "from": st.fixed_dictionaries({"pcpu": st.integers(0, 3)})
        | st.lists(st.fixed_dictionaries({"vcpu": st.integers(0, 7)}), min_size=1, max_size=3),
        "initiators": st.integers(1, 8),
    },
)
CONFIG = st.fixed_dictionaries(
    {"vm": st.fixed_dictionaries({"vcpus": st.just(8), "name": st.text(min_size=1, max_size=20).filter(str.isprintable)})},
    optional={
        "host": st.just({"sockets": 1, "cores": 4}),
        "placement": st.fixed_dictionaries({"migrate": RATIO, "pins": st.dictionaries(st.integers(0, 7), st.integers(0, 3))}),
        "strategy": st.fixed_dictionaries({"name": st.just("cluster")}, optional={"option": DATA}),
        "injectors": st.lists(st.fixed_dictionaries({"name": st.just("delay"), "probability": RATIO}), max_size=3),
        "guest": st.fixed_dictionaries({"enter_us": st.just("forever") | st.floats(1e-3, 1e9), "jitter": RATIO}),
        "workload": st.lists(LINE, max_size=3),
        "duration": DURATION | st.just("forever"),
        "seed": st.integers(0, 2**64 - 1),
    },
)


def outcome(text: str | bytes) -> str:
    try:
        loads(text)
    except ConfigError as error:
        return str(error)
    return ""


def as_yaml(data: object) -> str:
    return yaml.safe_dump(data, allow_unicode=True)


@settings(deadline=None, max_examples=examples(150))
@given(st.text())
def test_any_text_is_read_or_explained(text):
    outcome(text)


@settings(deadline=None, max_examples=examples(150))
@given(st.text(alphabet="vm: {}[],&*a!|>'\"\n\t-#%~?0x1", max_size=60))
def test_any_yaml_punctuation_is_read_or_explained(text):
    outcome(text)


@settings(deadline=None, max_examples=examples(100))
@given(st.binary())
def test_any_bytes_are_read_or_explained(raw):
    outcome(raw)


@settings(deadline=None, max_examples=examples(150))
@given(st.dictionaries(KEYS, DATA, max_size=6))
def test_any_data_is_read_or_explained(data):
    outcome(as_yaml(data))


@settings(deadline=None, max_examples=examples(150))
@given(st.fixed_dictionaries({"vm": st.just({"vcpus": 8}), "workload": st.lists(st.dictionaries(KEYS, DATA, max_size=5), max_size=3)}))
@example({"vm": {"vcpus": 8}, "workload": [{"vm": None, "host": None, "from": {0: [], -1: None}}]})
def test_any_workload_is_read_or_explained(data):
    outcome(as_yaml(data))


@settings(deadline=None, max_examples=examples(100))
@given(st.dictionaries(KEYS, DATA, max_size=6))
def test_each_problem_has_a_place_of_its_own(data):
    try:
        loads(as_yaml(data))
    except ConfigError as error:
        places = [(problem.line, problem.column, problem.path) for problem in error.problems]
        assert all(line and column for line, column, _ in places) and len(set(places)) == len(places), str(error)


@settings(deadline=None, max_examples=examples(100))
@given(CONFIG)
@example({"vm": {"vcpus": 8, "name": "0"}, "strategy": {"name": "cluster", "option": ["\x85", "\u2028", "\t", "0o10"]}})
def test_a_valid_config_survives_dump_and_load(data):
    config = VMConfig.model_validate(data)
    assert repr(loads(dumps(config))) == repr(config)
