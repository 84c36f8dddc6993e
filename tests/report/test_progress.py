"""The progress bar: silent without a terminal, quiet on one."""

from __future__ import annotations

import io
import threading

import pytest

from minikvm.report import ProgressUpdate, RunProgress
from minikvm.report.progress import _fraction, describe


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def state() -> ProgressUpdate:
    return {"calls_done": 1_234, "calls_total": 20_000, "elapsed_s": 2.0, "duration_s": 10.0, "rate": 617.4, "phase": "running"}


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def test_nothing_is_written_when_the_stream_is_no_terminal(state: ProgressUpdate) -> None:
    out = io.StringIO()
    with RunProgress(out) as progress:
        progress.update(state)
    assert out.getvalue() == ""


def test_nothing_is_written_to_a_terminal_that_cannot_move_its_cursor(
    state: ProgressUpdate, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with RunProgress(terminal) as progress:
        progress.update(state)
    assert terminal.getvalue() == ""


def test_a_closed_stream_is_no_terminal(state: ProgressUpdate) -> None:
    out = io.StringIO()
    out.close()
    with RunProgress(out) as progress:
        progress.update(state)
    assert out.closed


def test_a_terminal_sees_phase_and_figures(state: ProgressUpdate, terminal: Terminal) -> None:
    with RunProgress(terminal) as progress:
        progress.update(state)
    assert "running" in terminal.getvalue() and "1,234 of 20,000 calls, 617/s, 2.00 s of 10.0 s" in terminal.getvalue()


def test_the_cursor_comes_back_when_the_run_raises(state: ProgressUpdate, terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), RunProgress(terminal) as progress:
        progress.update(state)
        raise KeyboardInterrupt
    assert "\x1b[?25l" in terminal.getvalue() and terminal.getvalue().rfind("\x1b[?25h") > terminal.getvalue().rfind("\x1b[?25l")


def test_updates_in_the_same_tenth_of_a_second_are_not_drawn(state: ProgressUpdate, terminal: Terminal) -> None:
    clock = Clock()
    with RunProgress(terminal, clock=clock) as progress:
        progress.update(state)
        drawn = len(terminal.getvalue())
        clock.now += 0.05
        progress.update(state | {"calls_done": 5_678})
        assert len(terminal.getvalue()) == drawn


def test_an_update_a_tenth_of_a_second_later_is_drawn(state: ProgressUpdate, terminal: Terminal) -> None:
    clock = Clock()
    with RunProgress(terminal, clock=clock) as progress:
        progress.update(state)
        clock.now += 0.2
        progress.update(state | {"calls_done": 5_678})
        assert "5,678 of 20,000" in terminal.getvalue()


def test_no_thread_is_started(state: ProgressUpdate, terminal: Terminal) -> None:
    before = threading.active_count()
    with RunProgress(terminal) as progress:
        progress.update(state)
        assert threading.active_count() == before


def test_closing_twice_is_harmless(terminal: Terminal) -> None:
    progress = RunProgress(terminal)
    with progress:
        pass
    progress.close()
    progress.update({"calls_done": 0, "calls_total": None, "elapsed_s": 0.0, "duration_s": None, "rate": 0.0, "phase": "late"})
    assert "late" not in terminal.getvalue()


def test_a_phase_cannot_send_escape_sequences(state: ProgressUpdate, terminal: Terminal) -> None:
    with RunProgress(terminal) as progress:
        progress.update(state | {"phase": "x\x1b]0;owned"})
    assert "\x1b]0;" not in terminal.getvalue() and "\\x1b]0;owned" in terminal.getvalue()


def test_unknown_totals_are_left_out(state: ProgressUpdate) -> None:
    assert describe(state | {"calls_total": None, "duration_s": None}) == "1,234 calls, 617/s, 2.00 s"


def test_the_bar_follows_the_bound_that_is_nearer(state: ProgressUpdate) -> None:
    assert _fraction(state) == (10.0, 2.0)


def test_without_any_bound_the_bar_has_no_end(state: ProgressUpdate) -> None:
    assert _fraction(state | {"calls_total": None, "duration_s": None}) == (None, 0.0)


def test_a_bar_is_never_more_than_full(state: ProgressUpdate) -> None:
    assert _fraction(state | {"elapsed_s": 11.0}) == (10.0, 10.0)
