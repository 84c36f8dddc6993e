"""A counterexample on a terminal: one column a thread, one row a step; a list where the columns would be too narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from minikvm.report import words
from minikvm.report.counterexample import Row, Schedule, schedule_of
from minikvm.report.humanize import fold, printable

COLUMN_MINIMUM = 40
"""Terminal cells that a thread's column has at least; where the threads do not fit, a list is drawn."""
COLUMN_MAXIMUM = 72
NAME_SHARE = 4
NAME_MAXIMUM = 24
LIST_MINIMUM = 60
"""Terminal cells from which the list has the names of the threads beside the steps."""
GAP = 2
HANG = 2
PLACE = "dim"
REMARK = "italic"
MISSED = "yellow"
MARKED = "bold red"

Line = tuple[str, str]
"""A text and its style."""


def print_counterexample(console: Console, schedule: Schedule | dict[str, Any], saved: str | Path | None = None) -> None:
    """Draw *schedule* on *console*, at any width. *saved*: its file, for the line that says how to run it again.

    A dict is checked first: ConfigError when it is no schedule of version 1.
    """
    _Drawing(console, schedule_of(schedule), saved).all()


class _Drawing:
    """One schedule on its way to one console."""

    def __init__(self, console: Console, schedule: Schedule, saved: str | Path | None) -> None:
        self.console = console
        self.schedule = schedule
        self.saved = saved
        self.names = {thread.id: printable(thread.name, console) for thread in schedule.threads}
        self.bar, self.tee, self.end = ("| ", "+ ", "| ") if console.options.ascii_only else ("│ ", "├ ", "│ ")
        self.gutter = max(4, len(str(len(schedule.rows))) + 3)

    def all(self) -> None:
        schedule = self.schedule
        self._say(f"{words.claim(schedule)}.", MARKED)
        self._say(words.subject(schedule))
        self._say(f"Scope: {words.bounds(schedule.scope)}.")
        for initiator in schedule.scope.initiators:
            self._say(f"{initiator}.", indent=2)
        self._say(f"{schedule.file}: {words.history(schedule)}")
        self._gap()
        room = self.console.width - self.gutter
        width = room // len(schedule.threads)
        if width >= COLUMN_MINIMUM:
            self._columns(room, min(width, COLUMN_MAXIMUM))
        else:
            self._list()
        self._gap()
        self._say(f"Step {schedule.marked_row().step}: {schedule.sentence}", MARKED)
        if self.saved is not None:
            self._say(f"To run it again: minikvm check --replay {self.saved}", PLACE)

    # ---- columns ----

    def _columns(self, room: int, width: int) -> None:
        threads = self.schedule.threads
        places = max(cell_len(printable(row.place, self.console)) for row in self.schedule.rows)
        spare = room - COLUMN_MINIMUM * len(threads) - GAP
        beside = 0 < places <= spare
        if beside:
            width = min(COLUMN_MAXIMUM, (room - places - GAP) // len(threads))
        header = Text(" " * self.gutter)
        for thread in threads:
            header.append_text(self._cell(self.names[thread.id], "bold", width))
        if beside:
            header.append("source", style="dim")
        self._print(header)
        rule = ("-" if self.console.options.ascii_only else "─") * (self.gutter + width * len(threads) + (places if beside else 0))
        self._print(Text(rule, style="dim"))
        for row in self.schedule.rows:
            self._row_in_columns(row, width, beside)

    def _row_in_columns(self, row: Row, width: int, beside: bool) -> None:
        lines = list(self._wrapped(row, width - len(self.tee) - 1, place=None if beside else "below"))
        for at, text in enumerate(lines):
            line = self._gutter(row, at)
            for thread in self.schedule.threads:
                if thread.id == row.thread:
                    line.append(self.tee if at == 0 else self.end, style="red" if row.marked else "")
                    line.append_text(self._pad(text, width - len(self.tee)))
                else:
                    line.append_text(self._cell(self.bar, "dim", width))
            if beside and at == 0:
                line.append(printable(row.place, self.console), style=PLACE)
            self._print(line)

    # ---- list ----

    def _list(self) -> None:
        widest = max(cell_len(name) for name in self.names.values())
        # Beside the steps, or, on a very narrow terminal, as a heading above them.
        beside = self.console.width >= LIST_MINIMUM
        name_width = min(widest, NAME_MAXIMUM, self.console.width // NAME_SHARE) + GAP if beside else 0
        before = None
        for row in self.schedule.rows:
            names = self._fold(self.names[row.thread], name_width - GAP if beside else self.console.width) if row.thread != before else []
            before = row.thread
            if not beside:
                for name in names:
                    self._print(Text(name, style="bold"))
                names = []
            lines = list(self._wrapped(row, self.console.width - self.gutter - name_width, place="right"))
            for at in range(max(len(lines), len(names))):
                line = self._gutter(row, at)
                line.append_text(self._cell(names[at] if at < len(names) else "", "bold", name_width))
                line.append_text(lines[at] if at < len(lines) else Text(""))
                self._print(line)

    # ---- both ----

    def _lines(self, row: Row) -> Iterator[Line]:
        target = words.target(self.schedule, row)
        yield f"{words.operation(row)} {target}".rstrip(), MARKED if row.marked else "dim" if row.kind in words.EVENTS else ""
        if row.missed is not None:
            yield words.missed(row), MISSED
        yield from ((text, REMARK) for text in words.remarks(self.schedule, row))
        if row.marked:
            yield f"^^^ here {words.property_name(self.schedule.property)} is violated", MARKED

    def _wrapped(self, row: Row, width: int, place: str | None) -> Iterator[Text]:
        """The row's lines; the source place among them at the "right" of the operation where it fits, "below" it, or not at all."""
        for at, (text, style) in enumerate(self._lines(row)):
            parts = self._fold(printable(text, self.console), width - HANG)
            lines = [Text((" " * HANG if at or n else "") + part, style=style) for n, part in enumerate(parts)]
            if at == 0 and place is not None and row.place:
                self._put_place(lines, printable(row.place, self.console), width, place)
            yield from lines

    def _put_place(self, lines: list[Text], place: str, width: int, where: str) -> None:
        spare = width - lines[-1].cell_len - cell_len(place)
        if where == "right" and len(lines) == 1 and spare >= GAP:
            lines[-1].append(" " * spare).append(place, style=f"not bold {PLACE}")
        else:
            lines += [Text(" " * HANG + part, style=PLACE) for part in self._fold(place, width - HANG)]

    def _fold(self, text: str, width: int) -> list[str]:
        """*text* in lines of at most *width* terminal cells; wide characters count two, "step 5" and "pCPU 1" stay together."""
        lines = Text(words.glue(text)).wrap(self.console, max(2, width), overflow="fold")
        return [words.unglue(line.plain.rstrip()) for line in lines] or [""]

    def _gutter(self, row: Row, at: int) -> Text:
        mark = ">>" if row.marked else "  "
        text = f"{mark}{row.step:>{self.gutter - 3}} " if at == 0 else f"{mark if row.marked else ''}".ljust(self.gutter)
        # Appended to an empty text: a text's own style would hold for all that follows on the line.
        return Text("").append(text, style=MARKED if row.marked else "dim")

    def _cell(self, text: str, style: str, width: int) -> Text:
        cell = Text(text, style=style)
        if width:
            cell.truncate(width - 1, overflow="crop" if self.console.options.ascii_only else "ellipsis")
        return self._pad(cell, width)

    def _pad(self, text: Text, width: int) -> Text:
        return Text("").append_text(text).append(" " * (width - text.cell_len))

    def _print(self, line: Text) -> None:
        line.rstrip()
        self.console.print(line, highlight=False, soft_wrap=True)

    def _say(self, text: str, style: str = "", indent: int = 0) -> None:
        for line in fold(printable(text, self.console), self.console.width, indent):
            self.console.print(Text(line, style=style), highlight=False)

    def _gap(self) -> None:
        self.console.print()
