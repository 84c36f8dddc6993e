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
    stray = []

    def work(thread: int) -> int:
        if thread:
            return hammer_own(bitmap, thread, 300_000)
        for _ in range(30_000):
            bitmap.set(0)
            stray.append(bitmap.test(0))
            bitmap.clear(0)
            stray.append(not bitmap.test(0))
        return 0

    assert (at_once(work), all(stray), list(bitmap)) == ([0] * THREADS, True, [])
