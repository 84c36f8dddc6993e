"""The atomic operations from four threads that run without the GIL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from minikvm.core._testing import hammer_clear, hammer_own, hammer_set
from minikvm.core.bitmap import Bitmap

THREADS = 4
ROUNDS = 200


def at_once(work: Callable[[int], int]) -> list[int]:
    start = threading.Barrier(THREADS)

    def run(thread: int) -> int:
        start.wait(30)
        return work(thread)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def test_each_bit_is_set_by_exactly_one_of_the_racing_threads() -> None:
    bitmaps = [Bitmap(4095) for _ in range(ROUNDS)]
    won = at_once(lambda thread: sum(map(hammer_set, bitmaps)))
    assert (sum(won), {bitmap.weight() for bitmap in bitmaps}) == (4095 * ROUNDS, {4095})


def test_each_bit_is_cleared_by_exactly_one_of_the_racing_threads() -> None:
    bitmaps = [~Bitmap(4095) for _ in range(ROUNDS)]
    won = at_once(lambda thread: sum(map(hammer_clear, bitmaps)))
    assert (sum(won), {bitmap.weight() for bitmap in bitmaps}) == (4095 * ROUNDS, {0})


def test_no_update_of_a_neighbour_in_the_same_word_is_lost() -> None:
    bitmap = Bitmap(64, [7])
    surprises = at_once(lambda thread: hammer_own(bitmap, 8 * thread, 300_000))
    assert (surprises, list(bitmap)) == ([0] * THREADS, [7])


def test_python_set_and_clear_lose_no_update_beside_native_threads() -> None:
    bitmap = Bitmap(64)
    ended: list[int] = []
    lost: list[str] = []

    def work(thread: int) -> int:
        if thread:
            surprises = hammer_own(bitmap, thread, 1_000_000)
            ended.append(thread)
            return surprises
        while len(ended) < THREADS - 1:
            bitmap.set(0)
            if not bitmap.test(0):
                lost.append("set")
            bitmap.clear(0)
            if bitmap.test(0):
                lost.append("clear")
        return 0

    assert (at_once(work), lost, list(bitmap)) == ([0] * THREADS, [], [])
