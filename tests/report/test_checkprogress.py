"""The progress line of a check: silent without a terminal, honest about estimates."""

from __future__ import annotations

import io

import pytest

from minikvm.report import CheckProgress, CheckUpdate
from minikvm.report.checkprogress import describe, name, percent


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def state() -> CheckUpdate:
    return {
        "cell": "upstream, tso", "cells_done": 1, "cells_total": 6, "executions": 123_456, "rate": 61_728.4, "elapsed_s": 2.0, "share": 0.4,
    }


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "140")
    return Terminal()


def test_nothing_is_written_when_the_stream_is_no_terminal(state: CheckUpdate) -> None:
    out = io.StringIO()
    with CheckProgress(out) as progress:
        progress.update(state)
    assert out.getvalue() == ""


def test_a_terminal_sees_what_is_explored_and_how_fast(state: CheckUpdate, terminal: Terminal) -> None:
    with CheckProgress(terminal) as progress:
        progress.update(state)
    assert "upstream, tso (2 of 6)" in terminal.getvalue()
    assert "123,456 executions, 61,728/s, 2.00 s, about 40 % done" in terminal.getvalue()


def test_the_cursor_comes_back_when_the_check_raises(state: CheckUpdate, terminal: Terminal) -> None:
    with pytest.raises(KeyboardInterrupt), CheckProgress(terminal) as progress:
        progress.update(state)
        raise KeyboardInterrupt
    assert terminal.getvalue().rfind("\x1b[?25h") > terminal.getvalue().rfind("\x1b[?25l") >= 0


def test_updates_in_the_same_tenth_of_a_second_are_not_drawn(state: CheckUpdate, terminal: Terminal) -> None:
    with CheckProgress(terminal, clock=lambda: 5.0) as progress:
        progress.update(state)
        drawn = len(terminal.getvalue())
        progress.update(state | {"executions": 200_000})
        assert len(terminal.getvalue()) == drawn


def test_without_an_estimate_no_share_is_claimed(state: CheckUpdate) -> None:
    assert describe(state | {"share": None}) == "123,456 executions, 61,728/s, 2.00 s"


def test_a_single_cell_is_not_counted(state: CheckUpdate) -> None:
    assert name(state | {"cells_done": 0, "cells_total": 1}) == "upstream, tso"


@pytest.mark.parametrize(
    ("share", "says"),
    [(0.0, "less than 1 %"), (0.004, "less than 1 %"), (0.126, "about 13 %"), (0.9999, "about 99 %"), (1.7, "about 99 %")],
)
def test_an_estimate_is_never_nothing_and_never_all(share: float, says: str) -> None:
    assert percent(share) == says


def test_a_share_above_one_draws_a_full_bar(state: CheckUpdate, terminal: Terminal) -> None:
    with CheckProgress(terminal) as progress:
        progress.update(state | {"share": 1.7})
    assert "about 99 % done" in terminal.getvalue()


def test_a_cell_s_name_cannot_send_escape_sequences(state: CheckUpdate, terminal: Terminal) -> None:
    with CheckProgress(terminal) as progress:
        progress.update(state | {"cell": "x\x1b]0;owned"})
    assert "\x1b]0;" not in terminal.getvalue() and "\\x1b]0;owned" in terminal.getvalue()
