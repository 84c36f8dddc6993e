"""Data races (P10): two accesses of one location, one a write, one plain, unordered; by C11's definition, for lkmm by the kernel's."""

import re

import pytest
from oracle import MODELS as AXIOMS
from oracle import TooBig, candidates, load
from oracle.generator import random_program
from oracle.races import c11_races, kernel_races

from minikvm.check.program import Program, explore

MODELS = ("sc", "tso", "rc11", "lkmm")
SIDE = re.compile(r"thread (\d+), statement (\d+):")


def races(text, model):
    """As pairs of (thread, statement), without the operations."""
    found = explore(Program.parse(text), model).races
    return {tuple(side.partition(":")[0] for side in (race.first, race.second)) for race in found}


def racy(text):
    """The models under which it has a race."""
    return [model for model in MODELS if races(text, model)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("text", [
    "W x 1 plain || R x a plain", "W x 1 plain || R x a", "W x 1 || R x a plain", "W x 1 plain || W x 2 plain", "W x 1 plain || W x 2",
    "R x a plain || ADD x _ 1", "W x 1 plain || ADD x _ 1", "W x 1 plain || CAS x a 7 8 full",
])
def test_two_unordered_accesses_race_if_one_is_plain_and_one_a_write(text, model):
    assert len(races(text, model)) == 1


@pytest.mark.parametrize("text", [
    "W x 1 || R x a", "W x 1 || W x 2", "R x a plain || R x b plain", "W x 1 plain; R x a plain", "W x 1 plain || R y a plain",
    "ADD x _ 1 plain || ADD x _ 1 plain", "R x a plain || CAS x b 7 8",
])
def test_others_do_not(text):
    assert racy(text) == []


@pytest.mark.parametrize("sender, receiver", [
    ("W f 1 release", "R f a acquire; IF a == 0 GOTO end"),
    ("F wmb; W f 1", "R f a; IF a == 0 GOTO end; F rmb"),
    ("F mb; W f 1", "R f a; IF a == 0 GOTO end; F mb"),
    ("F before_atomic; OR f _ 1", "R f a acquire; IF a == 0 GOTO end"),
    ("XCHG f _ 1 full", "XCHG f a 2 full; IF a == 0 GOTO end"),
])
@pytest.mark.parametrize("first, second", [("W d 1 plain", "R d b plain"), ("W d 1 plain", "R d b"), ("W d 1", "R d b plain")])
def test_message_passing_with_a_barrier_on_either_side_has_no_race(sender, receiver, first, second):
    assert racy(f"{first}; {sender} || {receiver}; {second}; end:") == []


@pytest.mark.parametrize("text", [
    "W d 1 plain; W f 1 || R f a acquire; IF a == 0 GOTO end; R d b plain; end:",
    "W d 1 plain; W f 1 release || R f a; IF a == 0 GOTO end; R d b plain; end:",
    "W d 1 plain; W f 1 release || R f a acquire; R d b plain",
    "W d 1 plain; W f 1 release || CAS f a 7 8 acquire; IF a == 0 GOTO end; R d b plain; end:",
])
def test_message_passing_without_one_has_one(text):
    assert racy(text) == list(MODELS)


def test_a_lock_keeps_races_away():
    assert racy("LOCK l; R d a plain; W d 1 plain; UNLOCK l || LOCK l; R d b plain; W d 2 plain; UNLOCK l") == []


def test_starting_and_joining_a_thread_keep_races_away():
    assert racy("W d 1 plain; SPAWN 1; JOIN 1; R d a plain || W d 2 plain") == []


def test_a_release_sequence_keeps_races_away():
    assert racy("W d 1 plain; OR f _ 1 release || OR f _ 2 || R f a acquire; IF a != 3 GOTO end; R d b plain; end:") == []


def test_the_kernel_takes_a_dependency_for_order_and_c11_does_not():
    text = "R d b plain; F mb; W f 1 || R f a; IF a == 0 GOTO end; W d 1 ctrl=a; end:"
    assert racy(text) == ["sc", "tso", "rc11"]
    assert racy(text.replace("W d 1", "W d 1 plain")) == list(MODELS)  # but not one to a plain write: a compiler may move that


def test_c11_takes_wmb_for_a_release_fence_and_the_kernel_does_not():
    # smp_wmb() does not order the earlier plain read
    text = "R d b plain; F wmb; W f 1 || R f a acquire; IF a == 0 GOTO end; W d 1 plain; end:"
    assert racy(text) == ["lkmm"]


def test_each_pair_of_places_is_named_once_with_the_plain_side_first():
    result = explore(Program.parse("R cpu a plain; R cpu b plain || W cpu 1; W cpu 2"), "tso")
    assert sorted((race.first, race.second, race.location) for race in result.races) == [
        (f"thread 0, statement {i}: plain read", f"thread 1, statement {k}: marked write", "cpu") for i in (0, 1) for k in (0, 1)]


def test_they_are_not_looked_for_on_request():
    assert explore(Program.parse("W x 1 plain || R x a plain"), "sc", races=False).races == []


def expected(source, model):
    """What the definitions say of all executions of a random program; None if there are too many."""
    try:
        found = candidates(load(source.text, source.init), 300)
    except TooBig:
        return None
    judge = kernel_races if model == "lkmm" else c11_races
    return set().union(*(judge(graph) for graph in found if not graph.blocked and AXIOMS[model](graph)))


@pytest.mark.parametrize("first", range(0, 200, 50))
@pytest.mark.parametrize("model", MODELS)
def test_random_programs_have_the_races_of_the_definitions(model, first):
    compared = 0
    for seed in range(first, first + 50):
        source = random_program(seed, kernel=model == "lkmm" or seed % 2 == 1)
        if "plain" not in source.text or (wanted := expected(source, model)) is None:
            continue
        found = {frozenset((int(t), int(i)) for t, i in (SIDE.match(side).groups() for side in (race.first, race.second)))
                 for race in explore(Program.parse(source.text, init=source.init), model).races}
        assert found == wanted, source
        compared += 1
    assert compared > 10
