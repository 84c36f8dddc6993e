"""Histogram: percentiles against the sorted list of values, for the stated error."""

from __future__ import annotations

import copy
import json
import math
import pickle
import threading
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from minikvm.core._testing import record_borrowed, record_range
from minikvm.core.hdr import LIMIT, RELATIVE_ERROR, Histogram

# As many small as large: the buckets grow with the value.
values = st.integers(0, 42).flatmap(lambda top: st.integers(0, (1 << top) - 1))
any_values = st.one_of(values, st.integers(0, 2**64 - 1))
percentiles = st.one_of(st.sampled_from([0, 50, 90, 99, 99.9, 100]), st.integers(0, 100), st.decimals(0, 100, places=2).map(float))


def filled(recorded: list[int]) -> Histogram:
    histogram = Histogram()
    for value in recorded:
        histogram.record(value)
    return histogram


def nearest_rank(recorded: list[int], p: float) -> int:
    rank = math.ceil(Fraction(str(p)) * len(recorded) / 100)
    return sorted(recorded)[max(rank, 1) - 1]


@given(st.lists(values, min_size=1), percentiles)
@example(list(range(1, 1001)), 99.9)
def test_a_percentile_is_never_below_the_true_one_nor_above_it_by_more_than_the_error(recorded: list[int], p: float) -> None:
    exact = nearest_rank(recorded, p)
    assert exact <= filled(recorded).percentile(p) <= exact + exact * Fraction(RELATIVE_ERROR)


@given(st.lists(st.integers(0, 255), min_size=1), percentiles)
def test_percentiles_below_256_are_exact(recorded: list[int], p: float) -> None:
    assert filled(recorded).percentile(p) == nearest_rank(recorded, p)


@pytest.mark.parametrize("exponent", range(43))
def test_each_power_of_two_and_its_neighbours_keep_the_error(exponent: int) -> None:
    for value in {(1 << exponent) - 1, 1 << exponent, (1 << exponent) + 1} - {LIMIT, LIMIT + 1}:
        reported = filled([value, LIMIT]).percentile(50)
        assert value <= reported <= value + value * Fraction(RELATIVE_ERROR)


@given(st.lists(any_values, min_size=1))
def test_count_sum_min_max_and_mean_are_exact(recorded: list[int]) -> None:
    histogram = filled(recorded)
    assert (histogram.count, histogram.sum, histogram.min, histogram.max) == (len(recorded), sum(recorded), min(recorded), max(recorded))
    assert histogram.mean == sum(recorded) / len(recorded)


@given(st.lists(any_values), st.lists(any_values))
def test_merging_is_recording_both(one: list[int], other: list[int]) -> None:
    merged = filled(one)
    merged.merge(filled(other))
    assert merged.to_dict() == filled(one + other).to_dict()


@given(st.lists(any_values))
def test_the_dict_survives_json_and_makes_the_same_histogram(recorded: list[int]) -> None:
    histogram = filled(recorded)
    again = Histogram.from_dict(json.loads(json.dumps(histogram.to_dict())))
    assert (again.to_dict(), again.quantiles()) == (histogram.to_dict(), histogram.quantiles())


def test_the_dict_holds_filled_buckets_only() -> None:
    assert filled([3, 3, 1000]).to_dict() == {"sum": 1006, "min": 3, "max": 1000, "counts": {"3": 2, "1000": 1}}


def test_a_value_from_the_limit_on_is_reported_as_the_maximum() -> None:
    assert filled([1, LIMIT, 2**63]).quantiles() == {
        "count": 3, "p50": 2**63, "p90": 2**63, "p99": 2**63, "p99.9": 2**63, "max": 2**63,
    }  # fmt: skip


def test_quantiles_of_a_known_list() -> None:
    assert filled(list(range(1, 201))).quantiles() == {"count": 200, "p50": 100, "p90": 180, "p99": 198, "p99.9": 200, "max": 200}


def test_an_empty_histogram_says_that_it_knows_nothing() -> None:
    empty = Histogram()
    assert empty.quantiles() == {"count": 0, "p50": None, "p90": None, "p99": None, "p99.9": None, "max": None}
    assert (empty.min, empty.max, empty.mean, empty.percentile(0), empty.sum) == (None, None, None, None, 0)


def test_reset_forgets_everything() -> None:
    histogram = filled([1, 5000])
    histogram.reset()
    assert histogram.to_dict() == Histogram().to_dict()


def test_copies_and_pickles_are_equal_and_independent() -> None:
    histogram = filled([1, 5000])
    for twin in (copy.copy(histogram), copy.deepcopy(histogram), pickle.loads(pickle.dumps(histogram))):
        assert twin.to_dict() == histogram.to_dict()
        twin.record(7)
        assert histogram.count == 2


def test_a_borrowed_histogram_records_into_the_owners_struct_and_keeps_it_alive() -> None:
    borrowed = record_borrowed(Histogram(), [4, 5, 6])
    assert (borrowed.count, borrowed.min, borrowed.max) == (3, 4, 6)


def test_a_reader_beside_the_writer_sees_only_recorded_values() -> None:
    histogram = Histogram()
    writer = threading.Thread(target=record_range, args=(histogram, 100, 3_000_000))
    writer.start()
    seen = []
    while writer.is_alive():
        seen.append((histogram.count, histogram.percentile(0), histogram.percentile(50), histogram.percentile(100)))
    writer.join()
    counts = [count for count, *_ in seen]
    assert counts == sorted(counts)
    assert all(low in (None, 100) and (mid is None or 100 <= mid <= high < 3_000_000) for count, low, mid, high in seen)
    assert (histogram.count, histogram.max) == (3_000_000 - 100, 3_000_000 - 1)


# ---- errors ----


@pytest.mark.parametrize("value", [-1, 2**64])
def test_a_value_that_does_not_fit_is_a_value_error(value: int) -> None:
    with pytest.raises(ValueError, match=rf"value {value}: expected 0\.\.18446744073709551615"):
        Histogram().record(value)


def test_a_value_that_is_no_int_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="integer"):
        Histogram().record(1.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("p", [-1, 100.1, float("nan"), float("inf")])
def test_a_percentile_outside_is_a_value_error(p: float) -> None:
    with pytest.raises(ValueError, match=r"expected 0\.\.100"):
        filled([1]).percentile(p)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": {"257": 1}}, "bucket 257: expected the lowest value of a bucket, such as 256"),
        ({"counts": {"3": -1}}, r"count of bucket 3 -1: expected 0\.\."),
        ({"max": 700}, "expected values of the first and the last filled bucket"),
        ({"min": 4}, "expected values of the first and the last filled bucket"),
        ({"sum": 5000}, r"sum 5000: expected count \* min \.\. count \* max"),
    ],
)
def test_a_dict_that_cannot_be_is_a_value_error(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Histogram.from_dict({**filled([3, 1000]).to_dict(), **change})


def test_a_dict_with_missing_keys_is_a_value_error_that_names_them() -> None:
    with pytest.raises(ValueError, match="without sum, counts"):
        Histogram.from_dict({"min": 1, "max": 2})
