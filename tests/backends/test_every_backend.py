"""What a machine relies on in every back end: no ring is lost, a timeout ends the guest, a late ring does no harm."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest

ROUNDS = 10_000
LONG = 60_000_000_000
SHORT = 2_000_000


def on_a_thread(work: Any) -> Any:
    """Run *work* on a thread of its own, as a slot's thread would; its result, or its exception."""
    result: list[Any] = []

    def body() -> None:
        try:
            result.append(work())
        except BaseException as error:
            result.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join(90)
    assert not thread.is_alive(), "the thread hangs"
    if isinstance(result[0], BaseException):
        raise result[0]
    return result[0]


def test_ten_thousand_rings_are_not_lost(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)
    played: dict[int, int] = {}
    threads = [threading.Thread(target=lambda who=who: played.update({who: pair.side(who, ROUNDS, 20_000_000_000)})) for who in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert (played, pair.lost) == ({0: ROUNDS, 1: ROUNDS}, 0)


def test_a_stay_without_a_ring_ends_at_its_timeout(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)

    def stay() -> Any:
        pair.take(0)
        return pair.wait(0, SHORT)

    took, worked = on_a_thread(stay)
    assert took >= SHORT
    assert not worked


def test_a_word_that_was_set_before_the_stay_ends_it_without_a_ring(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)

    def stay() -> Any:
        pair.take(0)
        assert not pair.mark(0), "nobody has said IN_GUEST"
        return pair.wait(0, LONG)

    took, worked = on_a_thread(stay)
    assert worked
    assert took < LONG


def test_a_ring_that_comes_late_ends_at_most_one_later_stay(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)

    def stays() -> Any:
        pair.take(0)
        pair.ring(0)
        pair.wait(0, SHORT)
        return pair.wait(0, SHORT)

    took, worked = on_a_thread(stays)
    assert took >= SHORT
    assert not worked


def test_many_late_rings_end_at_most_one_later_stay(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)

    def stays() -> Any:
        pair.take(0)
        for _ in range(50):
            pair.ring(0)
        pair.wait(0, SHORT)
        return pair.wait(0, SHORT)

    assert on_a_thread(stays)[0] >= SHORT


def test_a_ring_for_a_slot_without_a_thread_does_nothing(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)
    pair.hold(0, 0)
    pair.ring(0)


def test_a_ring_for_a_thread_that_has_ended_does_nothing(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)
    on_a_thread(lambda: pair.take(0))
    pair.ring(0)


def test_a_ring_reaches_the_thread_that_took_the_slot_over(two_slots: Any, name: str, way: str) -> None:
    pair = two_slots(name, way)
    on_a_thread(lambda: pair.take(1))
    played: dict[int, int] = {}
    threads = [threading.Thread(target=lambda who=who: played.update({who: pair.side(who, 10, 20_000_000_000)})) for who in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert played == {0: 10, 1: 10}


def test_closing_gives_back_all_descriptors(two_slots: Any, name: str, way: str) -> None:
    before = len(os.listdir("/proc/self/fd"))
    two_slots(name, way).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_struct_can_do_what_the_class_declares(two_slots: Any, backend: Any, name: str, way: str) -> None:
    declared = {word.removeprefix("interrupts-") for word in backend(name).capabilities if word.startswith("interrupts-")}
    assert two_slots(name, way).abilities == declared


@pytest.mark.parametrize(("name", "missing"), [("futex", "spin"), ("eventfd", "spin"), ("spin", "sleep"), ("membarrier", "sleep")])
def test_what_a_back_end_cannot_do_is_not_in_its_struct(two_slots: Any, name: str, missing: str) -> None:
    with pytest.raises(ValueError, match=f"it has no {missing}"):
        two_slots(name, missing)
