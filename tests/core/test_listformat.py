"""The kernel's list format: what it prints, what it reads, and what it says of everything else."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.core.bitmap import Bitmap
from minikvm.core.listformat import MAX_TEXT, ListFormatError, Region, parse_regions


@pytest.mark.parametrize(
    ("nbits", "bits", "text"),
    [
        (0, [], ""),
        (8, [], ""),
        (8, [3], "3"),
        (8, [2, 3], "2-3"),
        (8, [0, 2, 3, 4, 5, 6, 7], "0,2-7"),
        (65, [63, 64], "63-64"),
        (4096, range(4096), "0-4095"),
    ],
)
def test_printing_joins_neighbours_into_ranges(nbits: int, bits: list[int], text: str) -> None:
    assert str(Bitmap(nbits, bits)) == text


@pytest.mark.parametrize(
    ("text", "nbits", "bits"),
    [
        ("", 8, []),
        ("  \n", 8, []),
        ("0,2-7", 8, [0, 2, 3, 4, 5, 6, 7]),
        ("5,1,5", 8, [1, 5]),
        ("1 , 2\n3\t,,4,", 8, [1, 2, 3, 4]),
        ("0-15:2/8", 16, [0, 1, 8, 9]),
        ("1-9:1/3", 16, [1, 4, 7]),
        ("0-9:4/4", 10, list(range(10))),
        ("0-8:3/4", 10, [0, 1, 2, 4, 5, 6, 8]),
        ("0-7:0/2", 8, []),
        ("0-3:2/4000000000", 4, [0, 1]),
        ("0-3:99999999999/99999999999", 4, [0, 1, 2, 3]),
        ("N", 65, [64]),
        ("62-N", 65, [62, 63, 64]),
        ("N-N", 65, [64]),
        ("0-N:1/N", 65, [0, 64]),
        ("all", 3, [0, 1, 2]),
        ("ALL", 3, [0, 1, 2]),
        ("all:1/2", 5, [0, 2, 4]),
        ("all", 0, []),
        ("007", 8, [7]),
        ("0" * 5000 + "7", 8, [7]),
    ],
)
def test_reading(text: str, nbits: int, bits: list[int]) -> None:
    assert list(Bitmap.parse(text, nbits)) == bits


@given(st.integers(0, 300).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)) if n else st.just(set()))))
def test_what_is_printed_reads_back_as_the_same(made: tuple[int, set[int]]) -> None:
    nbits, bits = made
    assert set(Bitmap.parse(str(Bitmap(nbits, bits)), nbits)) == bits


@given(st.integers(0, 99), st.integers(0, 99), st.integers(1, 120), st.data())
def test_a_group_takes_the_first_used_of_each(first: int, length: int, group: int, data: st.DataObject) -> None:
    used = data.draw(st.integers(0, group))
    expected = [bit for bit in range(first, first + length + 1) if (bit - first) % group < used]
    assert list(Bitmap.parse(f"{first}-{first + length}:{used}/{group}", 200)) == expected


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ("x", 0, "found 'x': expected a bit number, N or all"),
        ("0,-1", 2, "found '-': expected a bit number, N or all"),
        ("0,1;2", 3, "found ';': expected '-' or the end of the region"),
        ("1.5", 1, "found '.': expected '-' or the end of the region"),
        ("0x3", 1, "found 'x': expected '-' or the end of the region"),
        ("0-", 2, "found the end of the region: expected a bit number or N"),
        ("0-x", 2, "found 'x': expected a bit number or N"),
        ("0-3-5", 3, "found '-': expected ':' or the end of the region"),
        ("0,5-2", 4, "the range 5-2 goes backwards: expected a last bit of 5 or more"),
        ("8", 0, "bit 8: expected 0..7"),
        ("0-8", 2, "bit 8: expected 0..7"),
        ("0-999999999999999999999", 2, "bit 999999999999999999999: expected 0..7"),
        ("3:1/2", 1, "a group needs a range: expected 3-<last>:<used>/<group>"),
        ("0-3:", 4, "found the end of the region: expected the number of bits used in each group"),
        ("0-3:1", 5, "found the end of the region: expected '/' and the size of a group"),
        ("0-3:1/", 6, "found the end of the region: expected the size of a group"),
        ("0-3:1/2x", 7, "found 'x': expected the end of the region"),
        ("0-3:0/0", 6, "a group of 0 bits: expected 1 or more"),
        ("0-3:5/4", 4, "5 bits used of a group of 4: expected at most 4"),
        ("allx", 3, "found 'x': expected ':' or the end of the region"),
        ("\N{ARABIC-INDIC DIGIT ONE}", 0, "found '١': expected a bit number, N or all"),
        ("1\0", 1, "found '\\x00': expected '-' or the end of the region"),
    ],
)
def test_what_is_wrong_is_named_with_its_position(text: str, position: int, reason: str) -> None:
    with pytest.raises(ListFormatError) as caught:
        Bitmap.parse(text, 8)
    assert (caught.value.position, caught.value.reason) == (position, reason)


def test_the_message_shows_text_column_and_reason() -> None:
    with pytest.raises(ValueError, match=r"^list '0,9', column 3: bit 9: expected 0\.\.7$"):
        Bitmap.parse("0,9", 8)


@pytest.mark.parametrize("text", ["N", "0", "0-N"])
def test_no_bit_can_be_named_where_there_is_none(text: str) -> None:
    with pytest.raises(ListFormatError, match="expected none, there are 0 bits"):
        Bitmap.parse(text, 0)


@pytest.mark.parametrize("text", ["1" * 1_000_000, "0," * 500_000, "0-" * 500_000, " " * 1_000_000])
def test_a_megabyte_of_text_is_refused_with_the_limit_and_a_short_message(text: str) -> None:
    with pytest.raises(ListFormatError, match=f"the text has 1000000 characters: expected at most {MAX_TEXT}") as caught:
        Bitmap.parse(text, 4096)
    assert len(str(caught.value)) < 200


def test_a_number_as_long_as_the_limit_is_a_short_message() -> None:
    with pytest.raises(ListFormatError, match=r"bit 999999999999999999999999\.\.\.: expected 0\.\.7") as caught:
        Bitmap.parse("9" * MAX_TEXT, 8)
    assert len(str(caught.value)) < 200


def test_the_worst_text_within_the_limit_is_read() -> None:
    text = "0-4095:1/2," * (MAX_TEXT // 11)
    assert Bitmap.parse(text, 4096).weight() == 2048


@given(st.text(alphabet="0123456789N-:/,al x", max_size=20))
def test_any_text_gives_a_bitmap_or_a_list_format_error(text: str) -> None:
    try:
        bits = set(Bitmap.parse(text, 70))
    except ListFormatError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert bits <= set(range(70))


@pytest.mark.parametrize("text", [None, 5, b"0-3", ["0"]])
def test_what_is_no_text_is_a_type_error(text: object) -> None:
    with pytest.raises(TypeError, match="expected a str such as '0,2-7'"):
        Bitmap.parse(text, 8)  # type: ignore[arg-type]


def test_regions_are_given_unexpanded() -> None:
    assert parse_regions("0-3:1/2,7", 8) == [Region(0, 3, 1, 2), Region(7, 7, 1, 1)]


def test_an_error_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(ListFormatError("bit 9: expected 0..7", 2, "0,9")))
    assert (str(error), error.position) == ("list '0,9', column 3: bit 9: expected 0..7", 2)
