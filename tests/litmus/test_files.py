"""Every file here says what the kernel's model answers, and is answered so; the kick path also under sc and tso."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.litmus"))
SHAPES = {path.stem.removesuffix("+sc") for path in (HERE / "c11").glob("*.litmus")}
SAY_NOTHING = {"MP+forall", "SB+not-exists"}  # what they claim is in their quantifier


@pytest.mark.parametrize("name", [name for name in NAMES if name != "LB+once"])
def test_the_answer_is_what_the_file_says(name, verdict):
    found = verdict(name)
    assert found.agreement == "agrees", f"{name}: {found.observation}, races {found.races}; the file says {found.expected}"


def test_load_buffering_alone_is_undecided(verdict):
    assert verdict("LB+once").agreement == "undecided"


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_what_is_expected(name):
    assert (" * Result: " in (HERE / f"{name}.litmus").read_text(encoding="utf-8")) == (name not in SAY_NOTHING)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_named_as_its_test(name):
    assert (HERE / f"{name}.litmus").read_text(encoding="utf-8").splitlines()[0] == f"C {name}"


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_a_shape_is_there_in_each_spelling(shape):
    assert {f"{shape}+{variant}" for variant in ("once", "ra", "mb")} <= set(NAMES)


KICKS = {  # under sc, tso
    "kick-mb+after_atomic": "NN", "kick-kernel": "NN", "kick-requester-reads": "NN", "kick-requester-cmpxchg": "NN",
    "kick-vcpu-nothing": "NS", "kick-vcpu-release": "NS", "kick-payload": "NN", "kick-payload-no-wmb": "NN",
    "kick-payload-no-after_atomic": "NN",
}


@pytest.mark.parametrize("model", ["sc", "tso"])
@pytest.mark.parametrize("name", KICKS)
def test_the_kick_path_loses_a_request_only_where_it_must(name, model, verdict):
    assert verdict(name, model).observation[0] == KICKS[name][model == "tso"]


def test_every_kick_has_its_verdict_under_sc_and_tso():
    assert {name for name in NAMES if name.startswith("kick-")} == set(KICKS)
