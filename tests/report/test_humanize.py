"""Numbers, durations and names as they are printed."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from minikvm.report.humanize import duration, fold, number, plural, printable, seconds, times


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (None, "-"), (0, "0 ns"), (999, "999 ns"), (1_000, "1.00 us"), (12_345, "12.3 us"), (123_456, "123 us"), (999_499, "999 us"),
        (999_500, "1.00 ms"), (9_996_000, "10.0 ms"), (99_960_000, "100 ms"), (999_999_999, "1.00 s"), (59_900_000_000, "59.9 s"),
        (59_990_000_000, "1 min 0 s"), (125_000_000_000, "2 min 5 s"), (3_600_000_000_000, "1 h 0 min"), (10**18, "277,777 h 46 min"),
    ],
)
def test_a_duration_has_three_digits_and_a_unit(nanoseconds: int | None, text: str) -> None:
    assert duration(nanoseconds) == text


def test_no_seconds_are_not_called_nanoseconds() -> None:
    assert seconds(0.0) == "0 s"


def test_seconds_below_one_take_a_smaller_unit() -> None:
    assert seconds(0.0123) == "12.3 ms"


def test_a_number_has_thousands_separators() -> None:
    assert number(1_234_567) == "1,234,567"


@pytest.mark.parametrize(("value", "text"), [(0, "0 vCPUs"), (1, "1 vCPU"), (1024, "1,024 vCPUs")])
def test_a_noun_follows_its_number(value: int, text: str) -> None:
    assert plural(value, "vCPU") == text


@pytest.mark.parametrize(("value", "text"), [(1, "once"), (2, "twice"), (3000, "3,000 times")])
def test_a_repetition_is_said_in_words(value: int, text: str) -> None:
    assert times(value) == text


def test_an_escape_sequence_in_a_name_is_shown_and_not_sent() -> None:
    assert printable("a\x1b[31mb\n", Console(file=io.StringIO())) == "a\\x1b[31mb\\n"


def test_what_the_encoding_lacks_becomes_an_escape() -> None:
    ascii_only = Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert printable("größe", ascii_only) == "gr\\xf6\\xdfe"


def test_a_line_is_not_broken_between_a_number_and_its_unit() -> None:
    assert fold("it took 12.3 us", 13) == ["it took", "12.3 us"]


def test_a_line_is_not_broken_inside_a_hyphenated_name() -> None:
    assert fold("injector stale-cpu", 15) == ["injector", "stale-cpu"]


def test_each_line_of_a_fold_is_indented() -> None:
    assert fold("one two three", 9, indent=2) == ["  one two", "  three"]
