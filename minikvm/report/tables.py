"""Tables that fit the terminal: groups of columns share a table while they fit, else they are split over several.

rich shortens or folds the cells of a table that is too wide; a report's numbers must stay whole, so the split is made here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

GAP = 2
LABEL_SHARE = 3
LABEL_MINIMUM = 12
# A rule under the header and nothing else. Our own, as the ends of rich's SIMPLE_HEAD are not the same in all its versions.
ASCII_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
UTF8_HEAD = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")


@dataclass(frozen=True)
class Column:
    """A column: its header (lines divided by a newline) and one cell a row."""

    header: str
    cells: Sequence[str]

    @property
    def width(self) -> int:
        """Terminal cells that the widest line of the column takes."""
        return max(cell_len(line) for text in (self.header, *self.cells) for line in text.split("\n"))


@dataclass(frozen=True)
class Group:
    """Columns that belong together, under one title."""

    title: str
    columns: Sequence[Column]


def print_groups(console: Console, groups: Sequence[Group], label: Column | None = None) -> None:
    """Print *groups* in as few tables as the console's width allows, each with *label* as its first column.

    All columns have the same number of cells. Numbers are never broken: only a label wider than a third of the width is folded.
    """
    label_width = 0 if label is None else min(label.width, max(LABEL_MINIMUM, console.width // LABEL_SHARE))
    for titles, columns in _pack(groups, console.width - label_width):
        console.print(Text("; ".join(titles), style="bold"))
        console.print(_table(console, columns, label, label_width))
        console.print()


def plain_table(console: Console) -> Table:
    """An empty table in the report's style: a rule under the header, nothing else; ASCII where the output is not UTF-8."""
    head = ASCII_HEAD if console.options.ascii_only else UTF8_HEAD
    return Table(box=head, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")


def _pack(groups: Sequence[Group], room: int) -> Iterator[tuple[list[str], list[Column]]]:
    titles: list[str] = []
    columns: list[Column] = []
    for group in groups:
        if columns and _width([*columns, *group.columns]) > room:
            yield titles, columns
            titles, columns = [], []
        titles = [*titles, group.title]
        for column in group.columns:
            if columns and _width([*columns, column]) > room:
                yield titles, columns
                titles, columns = [f"{group.title} (continued)"], []
            columns = [*columns, column]
    if columns:
        yield titles, columns


def _width(columns: Sequence[Column]) -> int:
    return sum(GAP + column.width for column in columns)


def _table(console: Console, columns: Sequence[Column], label: Column | None, label_width: int) -> Table:
    table = plain_table(console)
    rows = len(columns[0].cells)
    if label is not None:
        table.add_column(Text(label.header), width=label_width, overflow="fold", vertical="bottom")
    for column in columns:
        table.add_column(Text(column.header), justify="right", no_wrap=True, vertical="bottom")
    for row in range(rows):
        labels = [] if label is None else [Text(label.cells[row])]
        table.add_row(*labels, *(Text(column.cells[row]) for column in columns))
    return table
