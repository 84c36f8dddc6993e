"""The rows of the known bugs that need weak memory, and those of the seed question, as litmus programs: without the kick path, by hand.

m is vcpu.mode (0 OUTSIDE, 1 IN_GUEST, 2 EXITING), q vcpu.requests, c vcpu.cpu, w vcpu.wait, p a payload. A kick is lost when the last check
misses the bit (seen=0) and the caller sees OUTSIDE (old=0), or a pCPU that the vCPU has left (cpu=0). A page is freed under a walk when the
walk finds its entry t in the table (got=0), and the caller sees READING (old=3) and a pCPU that the vCPU has left (cpu=0).
"""

from __future__ import annotations

import pytest

from minikvm.check import Program, explore

MODELS = ("sc", "tso", "rc11", "lkmm")
ENTRY = "W m 1 release; F mb; R q seen"
MOVED_ENTRY = f"W c 1; {ENTRY}"
MODE = "CAS m old 1 2 full"
BARRIER = "F before_atomic"
MADE = "F wmb; OR q _ 1"
KICK = {"seen": 0, "old": 0}
STALE = {"seen": 0, "old": 1, "cpu": 0}
PAYLOAD = {"seen": 1, "got": 0}
WALK = "W c 1; W m 3; F mb; R t got"
CLEARED = "W t 1"
FREED = {"got": 0, "old": 3, "cpu": 0}
PROGRAMS = {
    "m04": ("W p 1; OR q _ 1 || R q seen; AND q _ 0; F after_atomic; R p got", PAYLOAD, "WEAK"),
    "m04-receiver": (f"W p 1; {MADE} || R q seen; AND q _ 0; R p got", PAYLOAD, "WEAK"),
    "m05": (f"{ENTRY} || {MADE}; {MODE}", KICK, "WEAK"),
    "m06": (f"W m 1 release; R q seen || {MADE}; {BARRIER}; {MODE}", KICK, "SB"),
    "m10": (f"{ENTRY} || {MADE}; R m old", KICK, "WEAK"),
    "m13": (f"W w 1; F mb; R q seen || {MADE}; R w old", KICK, "WEAK"),
    "m24": (f"{MOVED_ENTRY} || R c cpu plain; {MADE}; {BARRIER}; {MODE}", STALE, "SC"),
    "linear": (f"{MOVED_ENTRY} || {MADE}; R c cpu plain; {BARRIER}; {MODE}", STALE, "WEAK"),
    "control-a": (f"{MOVED_ENTRY} || {MADE}; F mb; R c cpu plain; {BARRIER}; {MODE}", STALE, "never"),
    "upstream": (f"{MOVED_ENTRY} || {MADE}; {BARRIER}; {MODE}; R c cpu", STALE, "never"),
    # Against a walk, whose table is changed before the helper is called: the early read of the cpu needs a store buffer.
    "m24, a walk": (f"{WALK} || {CLEARED}; R c cpu plain; {MADE}; {BARRIER}; {MODE}", FREED, "SB"),
    "linear, a walk": (f"{WALK} || {CLEARED}; {MADE}; R c cpu plain; {BARRIER}; {MODE}", FREED, "WEAK"),
    "control-a, a walk": (f"{WALK} || {CLEARED}; {MADE}; F mb; R c cpu plain; {BARRIER}; {MODE}", FREED, "never"),
    "upstream, a walk": (f"{WALK} || {CLEARED}; {MADE}; {BARRIER}; {MODE}; R c cpu", FREED, "never"),
    "upstream, the mode": (f"{ENTRY} || {MADE}; {BARRIER}; {MODE}", KICK, "never"),
    "make_request and check_request": (f"W p 1; {MADE} || R q seen; AND q _ 0; F after_atomic; R p got", PAYLOAD, "never"),
    "wake_up and vcpu_block": (f"W w 1; F mb; R q seen || {MADE}; F mb; R w old", KICK, "never"),
}
LOST_UNDER = {"SC": MODELS, "SB": MODELS[1:], "WEAK": MODELS[2:], "never": ()}


@pytest.fixture
def happens():
    """Does a program have the outcome under a model?"""

    def happens(text, outcome, model):
        program = Program.parse(text, name="by hand")
        program.observe(*outcome)
        return tuple(outcome.values()) in explore(program, model=model, races=False).outcomes

    return happens


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_it_is_lost_under_the_models_that_its_row_names(happens, name, model):
    text, outcome, needs = PROGRAMS[name]
    assert happens(text, outcome, model) == (model in LOST_UNDER[needs])


@pytest.mark.parametrize(("order", "ordered"), [("relaxed", False), ("release", True)])
def test_a_walk_that_ends_without_release_is_not_ordered_before_the_free(order, ordered):
    """M30: by order, not by value: that the walk's read sees the free is load buffering, which no model here explores."""
    text = f"W m 3; F mb; R page got plain; W m 0 {order} || AWAIT m old == 0 relaxed; F mb; W page 1 plain"
    program = Program.parse(text, name="m30", init={"m": 1})
    assert bool(explore(program, model="rc11").races) is not ordered
