"""Bitmap: each operation against Python's own set, sizes at the word boundaries, errors, buffers, copies."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.core._testing import walk_by_find, walk_by_word
from minikvm.core.bitmap import MAX_BITS, Bitmap

EDGES = [0, 1, 63, 64, 65, 127, 128, 4095, 4096]


@st.composite
def sets_of_bits(draw: st.DrawFn) -> tuple[int, set[int]]:
    nbits = draw(st.one_of(st.sampled_from(EDGES), st.integers(0, 300)))
    return nbits, draw(st.sets(st.integers(0, nbits - 1), max_size=80)) if nbits else set()


@pytest.mark.parametrize("nbits", EDGES)
def test_a_new_bitmap_is_empty(nbits: int) -> None:
    bitmap = Bitmap(nbits)
    assert (bitmap.nbits, len(bitmap), bitmap.weight(), list(bitmap), bool(bitmap)) == (nbits, nbits, 0, [], False)


@pytest.mark.parametrize("nbits", EDGES)
def test_fill_sets_every_bit_and_none_past_the_end(nbits: int) -> None:
    bitmap = Bitmap(nbits)
    bitmap.fill()
    assert list(bitmap) == list(range(nbits))
    assert sum(word.bit_count() for word in memoryview(bitmap)) == nbits


@pytest.mark.parametrize("nbits", EDGES)
def test_the_complement_of_the_empty_bitmap_is_the_full_one(nbits: int) -> None:
    full = ~Bitmap(nbits)
    assert full.full()
    assert sum(word.bit_count() for word in memoryview(full)) == nbits


@pytest.mark.parametrize("nbits", [n for n in EDGES if n])
def test_the_last_bit_can_be_set_found_and_cleared(nbits: int) -> None:
    bitmap = Bitmap(nbits)
    bitmap.set(nbits - 1)
    assert (bitmap.find_first(), bitmap.find_next(nbits - 1), bitmap.find_next(nbits)) == (nbits - 1, nbits - 1, nbits)
    bitmap.clear(nbits - 1)
    assert bitmap.find_first() == nbits


@given(sets_of_bits())
def test_both_native_walks_visit_exactly_the_set_bits(made: tuple[int, set[int]]) -> None:
    nbits, bits = made
    bitmap = Bitmap(nbits, bits)
    assert (walk_by_find(bitmap), walk_by_word(bitmap)) == (sum(bits), sum(bits))


@given(sets_of_bits(), st.integers(0, 4200))
def test_find_next_is_the_least_member_from_start_on(made: tuple[int, set[int]], start: int) -> None:
    nbits, bits = made
    assert Bitmap(nbits, bits).find_next(start) == min((bit for bit in bits if bit >= start), default=nbits)


@given(sets_of_bits(), st.data())
def test_searches_in_two_bitmaps_are_those_in_the_combined_set(made: tuple[int, set[int]], data: st.DataObject) -> None:
    nbits, bits = made
    others = data.draw(st.sets(st.integers(0, nbits - 1))) if nbits else set()
    start = data.draw(st.integers(0, nbits))
    one, other = Bitmap(nbits, bits), Bitmap(nbits, others)
    assert one.find_next_and(other, start) == min((b for b in bits & others if b >= start), default=nbits)
    assert one.find_next_andnot(other, start) == min((b for b in bits - others if b >= start), default=nbits)
    assert (one.intersects(other), one.subset(other)) == (not bits.isdisjoint(others), bits <= others)


@given(sets_of_bits())
def test_a_copy_is_equal_and_independent(made: tuple[int, set[int]]) -> None:
    nbits, bits = made
    bitmap = Bitmap(nbits, bits)
    for twin in (bitmap.copy(), copy.copy(bitmap), copy.deepcopy(bitmap), pickle.loads(pickle.dumps(bitmap))):
        assert twin == bitmap
        twin.fill()
        assert set(bitmap) == bits


@given(sets_of_bits())
def test_bytes_are_those_of_a_little_endian_number(made: tuple[int, set[int]]) -> None:
    nbits, bits = made
    data = Bitmap(nbits, bits).to_bytes()
    assert data == sum(1 << bit for bit in bits).to_bytes((nbits + 7) // 8, "little")
    assert set(Bitmap.from_bytes(data, nbits)) == bits


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes for 8 bits: expected 1"):
        Bitmap.from_bytes(b"abc", 8)


def test_bytes_with_a_bit_past_the_end_are_refused() -> None:
    with pytest.raises(ValueError, match="past the last of 7 bits"):
        Bitmap.from_bytes(b"\x80", 7)


def test_iteration_sees_a_bit_that_is_set_ahead_of_it() -> None:
    bitmap = Bitmap(8, [1])
    walk = iter(bitmap)
    assert next(walk) == 1
    bitmap.set(5)
    assert list(walk) == [5]


def test_for_each_set_bit_begins_where_it_is_told() -> None:
    assert list(Bitmap(200, [3, 70, 199]).for_each_set_bit(4)) == [70, 199]


def test_bitmaps_of_different_sizes_are_unequal() -> None:
    assert Bitmap(8, [1]) != Bitmap(9, [1])


def test_a_bitmap_is_unequal_to_a_set() -> None:
    assert Bitmap(8, [1]) != {1}


def test_a_bitmap_is_mutable_and_so_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Bitmap(8))


def test_an_in_place_operator_keeps_the_object() -> None:
    bitmap = same = Bitmap(8, [1, 2])
    bitmap |= Bitmap(8, [7])
    assert bitmap is same
    assert list(same) == [1, 2, 7]


def test_out_receives_the_result_and_is_returned() -> None:
    out = Bitmap(8, [0])
    assert Bitmap(8, [1, 2]).and_(Bitmap(8, [2, 3]), out=out) is out
    assert list(out) == [2]


# ---- errors ----


@pytest.mark.parametrize("method", ["set", "clear", "test", "test_and_set", "test_and_clear"])
@pytest.mark.parametrize("bit", [-1, 65, 2**32, 2**64, -(2**70)])
def test_a_bit_outside_is_an_index_error_with_value_and_limit(method: str, bit: int) -> None:
    with pytest.raises(IndexError, match=rf"^bit {bit}: expected 0\.\.64$"):
        getattr(Bitmap(65), method)(bit)


def test_a_bit_of_the_empty_bitmap_says_that_there_is_none() -> None:
    with pytest.raises(IndexError, match="bit 0: expected none, there are 0 bits"):
        Bitmap(0).set(0)


def test_a_bit_of_thousands_of_digits_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="of 33220 binary digits"):
        Bitmap(8).set(10**10000)


@pytest.mark.parametrize("bit", ["1", 1.0, None])
def test_a_bit_that_is_no_int_is_a_type_error(bit: object) -> None:
    with pytest.raises(TypeError, match="integer"):
        Bitmap(8).set(bit)  # type: ignore[arg-type]


@pytest.mark.parametrize("nbits", [-1, MAX_BITS + 1, 10**9, 2**64])
def test_a_size_outside_is_a_value_error_that_names_the_limit(nbits: int) -> None:
    with pytest.raises(ValueError, match=rf"a bitmap of {nbits} bits: expected 0\.\.4096"):
        Bitmap(nbits)


@pytest.mark.parametrize("method", ["set_range", "clear_range"])
@pytest.mark.parametrize(("start", "count"), [(-1, 1), (9, 0), (8, 1), (0, 9), (3, 6), (0, -1), (0, 2**64)])
def test_a_range_outside_is_an_index_error_and_changes_nothing(method: str, start: int, count: int) -> None:
    bitmap = Bitmap(8, [0, 3])
    with pytest.raises(IndexError, match=r"expected 0\.\."):
        getattr(bitmap, method)(start, count)
    assert list(bitmap) == [0, 3]


def test_a_negative_start_of_a_search_is_an_index_error() -> None:
    with pytest.raises(IndexError, match="start -1: expected 0 or more"):
        Bitmap(8).find_next(-1)


@pytest.mark.parametrize("method", ["and_", "or_", "xor", "andnot", "intersects", "subset", "find_next_and", "find_next_andnot"])
def test_an_operation_on_two_sizes_is_a_value_error(method: str) -> None:
    with pytest.raises(ValueError, match="bitmaps of 8 and 9 bits"):
        getattr(Bitmap(8), method)(Bitmap(9))


def test_an_out_of_another_size_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="bitmaps of 8 and 9 bits"):
        Bitmap(8).or_(Bitmap(8), out=Bitmap(9))


def test_an_operator_with_another_type_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        Bitmap(8) & {1}  # type: ignore[operator]


# ---- buffer ----


def test_a_view_is_the_words_themselves() -> None:
    bitmap = Bitmap(130, [0, 129])
    view = memoryview(bitmap)
    assert (view.format, view.itemsize, view.shape, view.readonly, view.tolist()) == ("Q", 8, (3,), False, [1, 0, 2])


def test_a_view_sees_a_later_set_and_the_bitmap_sees_a_write() -> None:
    bitmap = Bitmap(130)
    view = memoryview(bitmap)
    bitmap.set(64)
    assert view[1] == 1
    view[0] = 0b101
    assert list(bitmap) == [0, 2, 64]


def test_views_are_counted() -> None:
    bitmap = Bitmap(64)
    with memoryview(bitmap), memoryview(bitmap):
        assert bitmap.views == 2
    assert bitmap.views == 0


def test_a_view_keeps_the_words_alive() -> None:
    view = memoryview(Bitmap(64, [5]))
    assert view[0] == 32


def test_bits_written_past_the_end_are_ignored_while_a_view_lives_and_cleared_after() -> None:
    bitmap, plain = Bitmap(66), Bitmap(66)
    with memoryview(bitmap) as view:
        view[1] = 2**64 - 1
        seen = (list(bitmap), bitmap.weight(), walk_by_word(bitmap), bitmap.find_next(66), str(bitmap), (bitmap | plain).weight())
        assert seen == ([64, 65], 2, 129, 66, "64-65", 2)
        assert bitmap == Bitmap(66, [64, 65])
    assert memoryview(bitmap)[1] == 3


@pytest.mark.parametrize(
    "search",
    [
        lambda bitmap: bitmap.find_first(),
        lambda bitmap: bitmap.find_next(3),
        lambda bitmap: bitmap.find_next_and(bitmap),
        lambda bitmap: bitmap.find_next_andnot(Bitmap(66)),
        lambda bitmap: (~bitmap).find_next_and(bitmap),
        lambda bitmap: (bitmap | bitmap).find_first(),
    ],
)
def test_a_search_never_gives_a_bit_past_the_end(search: Callable[[Bitmap], int]) -> None:
    bitmap = Bitmap(66)
    with memoryview(bitmap) as view:
        view[1] = 1 << 63
        assert search(bitmap) == 66


def test_a_search_for_a_clear_bit_ends_at_the_end() -> None:
    bitmap = ~Bitmap(66)
    with memoryview(bitmap) as view:
        view[1] = 2**63 - 1
        assert bitmap.find_first_zero() == 66


def test_words_begin_at_a_cache_line() -> None:
    ctypes = pytest.importorskip("ctypes")
    for nbits in EDGES[1:]:
        assert ctypes.addressof(ctypes.c_uint64.from_buffer(Bitmap(nbits))) % 64 == 0
