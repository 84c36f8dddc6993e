"""Folding by width without a font: nothing is lost, no line is too wide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikvm.report.measure import fold, shorten, width


@given(st.text(max_size=200), st.floats(30, 500), st.booleans())
def test_folding_loses_nothing_and_no_line_is_too_wide(text: str, room: float, mono: bool) -> None:
    lines = fold(text, room, 12.0, mono)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert [line for line in lines if width(line, 12.0, mono) > room] == []


@given(st.text(max_size=200), st.floats(60, 500))
def test_what_is_shortened_fits(text: str, room: float) -> None:
    assert width(shorten(text, room, 12.0), 12.0) <= room


def test_a_shortened_path_keeps_its_end() -> None:
    assert shorten("minikvm/strategies/v1_bitmap.pyx:37", 120, 12.0, mono=True) == "...bitmap.pyx:37"


@pytest.mark.parametrize(
    ("word", "first"), [("kvm_make_vcpus_request_mask(TLB_FLUSH,", "kvm_make_vcpus_request_mask("), ("X" * 60, "X" * 34)]
)
def test_a_long_word_is_broken_where_it_has_parts(word: str, first: str) -> None:
    assert fold(word, 250, 12.0, mono=True)[0] == first
