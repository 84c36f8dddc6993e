"""A counterexample as a sequence diagram in SVG: a lifeline a thread, a card a step, arrows where values and interrupts go.

Lines are folded here, by upper bounds of their widths (measure.py).
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass

from minikvm.report import measure, words
from minikvm.report.counterexample import Row, Schedule

LEFT = 32
"""User units (pixels at 100 %) left of the first card, for the store buffer's brackets."""
RIGHT = 4
CARD = 350
GAP = 60
NUMBER = 32
"""Width of the part of a card that holds the step's number."""
TOP = 52
PAD = 10
# Font sizes by the class of a line; page.css says the same.
SIZES = {
    "op": 12.0, "event": 12.5, "missed": 11.0, "remark": 11.5, "place": 10.5, "here": 12.5, "sentence": 12.0, "name": 12.0, "head": 14.0,
}
MONO = ("op", "place")
BOLD = ("missed", "here", "name", "head")
HANG = "  "
LINE = 17
SMALL_LINE = 15
BETWEEN = 12
NAME_LINE = 18
ROOM = CARD - NUMBER - 2 * PAD
"""Width of a card's text."""


@dataclass(frozen=True)
class Card:
    """Where a step stands: its box, and the lines in it as (class, text)."""

    row: Row
    x: float
    y: float
    height: float
    lines: tuple[tuple[str, str], ...]
    named: bool

    @property
    def middle(self) -> float:
        """Where arrows arrive and leave, vertically."""
        return self.y + PAD + LINE / 2

    def side(self, right: bool) -> float:
        """x of one of its sides."""
        return self.x + CARD if right else self.x


def visible(text: str) -> str:
    """*text* with control characters, and what cannot be encoded, as backslash escapes; tabs and ends of lines stay."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in text)


def escape(text: str) -> str:
    """*text* made visible, for HTML and SVG, in element and in attribute."""
    return html.escape(visible(text), quote=True)


def label(schedule: Schedule, row: Row) -> str:
    """A step in one text: for a screen reader and a tooltip."""
    parts = [f"{words.operation(row)} {words.target(schedule, row)}".rstrip(), words.missed(row), *words.remarks(schedule, row), row.place]
    here = [f"here {words.property_name(schedule.property)} is violated"] if row.marked else []
    return f"Step {row.step}, {schedule.name_of(row.thread)}: " + "; ".join([part for part in parts if part] + here)


def diagram(schedule: Schedule) -> str:
    """The ``<svg>`` element of *schedule*. Its classes are styled by page.css; each step is a link to the table's ``#row-N``."""
    return _Diagram(schedule).text()


class _Diagram:
    """One schedule, laid out from top to bottom and then drawn from back to front: lifelines, arrows, cards."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.lanes = {thread.id: LEFT + at * (CARD + GAP) for at, thread in enumerate(schedule.threads)}
        self.width = LEFT + len(self.lanes) * (CARD + GAP) - GAP + RIGHT
        self.cards: list[Card] = []
        self.height = self._lay_out()

    def text(self) -> str:
        schedule = self.schedule
        title = f"{words.claim(schedule)}: a sequence diagram"
        names = ", ".join(thread.name for thread in schedule.threads)
        about = f"{len(schedule.rows)} steps of {names}, from top to bottom. Step {schedule.marked_row().step} is marked."
        return "\n".join([
            f'<svg class="sequence" xmlns="http://www.w3.org/2000/svg" role="group" aria-labelledby="diagram-title diagram-about" '
            f'width="{self.width:g}" height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}">',
            f'<title id="diagram-title">{escape(title)}</title><desc id="diagram-about">{escape(about)}</desc>',
            f"<defs>{''.join(_arrowhead(kind) for kind in ('reads', 'ipi', 'flush'))}</defs>",
            *self._lifelines(),
            *self._arrows(),
            *(self._step(card) for card in self.cards),
            "</svg>",
        ])

    # ---- layout ----

    def _lay_out(self) -> float:
        y: float = TOP + BETWEEN
        before = None
        for row in self.schedule.rows:
            lines = tuple(self._lines(row))
            named = row.thread != before
            before = row.thread
            y += NAME_LINE if named else 0
            height = 2 * PAD + sum(_line_height(kind) for kind, _ in lines)
            self.cards.append(Card(row, self.lanes[row.thread], y, height, lines, named))
            y += height + BETWEEN
        return y + BETWEEN

    def _lines(self, row: Row) -> Iterator[tuple[str, str]]:
        operation = f"{words.operation(row)} {words.target(self.schedule, row)}".rstrip()
        yield from _fold("event" if row.kind in words.EVENTS else "op", operation)
        yield from _fold("missed", words.missed(row))
        for remark in words.remarks(self.schedule, row):
            yield from _fold("remark", remark)
        if row.place:
            yield "place", _shorten("place", row.place, ROOM)
        if row.marked:
            yield from _fold("here", f"here {words.property_name(self.schedule.property)} is violated")
            yield from ((kind, line.strip()) for kind, line in _fold("sentence", self.schedule.sentence))

    # ---- drawing ----

    def _lifelines(self) -> Iterator[str]:
        for thread in self.schedule.threads:
            x = self.lanes[thread.id]
            center = x + CARD / 2
            yield f'<line class="lifeline" x1="{center:g}" y1="{TOP - 8}" x2="{center:g}" y2="{self.height - 4:g}"/>'
            yield f'<rect class="head" x="{x:g}" y="8" width="{CARD}" height="{TOP - 16}" rx="6"/>'
            name = escape(_shorten("head", thread.name, CARD - 2 * PAD))
            yield f'<text class="head" x="{center:g}" y="31" text-anchor="middle">{name}</text>'

    def _arrows(self) -> Iterator[str]:
        flushed = words.flushes(self.schedule)
        for at, (store, flush) in enumerate(flushed.items()):
            yield self._bracket(self.cards[store - 1], self.cards[flush - 1], 12 + 7 * (at % 3))
        for card in self.cards:
            row = card.row
            if row.missed is not None:
                yield self._curve(self.cards[row.missed.step - 1], card, "unseen")
            if row.reads_from is not None and row.kind in words.READS:
                # What another thread reads of a buffered store comes out of memory: from the flush.
                step = flushed.get(row.reads_from, row.reads_from)
                source = self.cards[(step if step < row.step else row.reads_from) - 1]
                if source.row.thread != row.thread:
                    yield self._curve(source, card, "reads")
            if row.ipi_to is not None and row.ipi_to != row.thread:
                yield self._interrupt(card, self.lanes[row.ipi_to] + CARD / 2)

    def _curve(self, source: Card, target: Card, kind: str) -> str:
        # The end of what was not seen stands a little lower, beside the arrow of what was.
        x1, y1, x2, y2 = source.x, source.middle, target.x, target.middle + (10 if kind == "unseen" else 0)
        if source.x == target.x:  # the same thread: a bow at the right
            x1 = x2 = source.side(True)
            bend1 = bend2 = x1 + GAP / 2
        else:
            right = target.x > source.x
            x1, x2 = source.side(right), target.side(not right) + (-4 if right else 4)
            bend1, bend2 = (x1 + GAP / 2, x2 - GAP / 2) if right else (x1 - GAP / 2, x2 + GAP / 2)
        head = ' marker-end="url(#head-reads)"' if kind == "reads" else ""
        cross = "" if kind == "reads" else f'<path class="cross" d="M{x2 - 5:g} {y2 - 5:g}l10 10m0 -10l-10 10"/>'
        return (
            f'<g class="arrow {kind}" data-steps="{source.row.step} {target.row.step}">'
            f'<path d="M{x1:g} {y1:g}C{bend1:g} {y1:g} {bend2:g} {y2:g} {x2:g} {y2:g}"{head}/>{cross}</g>'
        )

    def _bracket(self, store: Card, flush: Card, out: float) -> str:
        x = store.x - out
        return (
            f'<g class="arrow flush" data-steps="{store.row.step} {flush.row.step}">'
            f'<path d="M{store.x:g} {store.middle:g}H{x:g}V{flush.middle:g}H{flush.x - 4:g}" marker-end="url(#head-flush)"/></g>'
        )

    def _interrupt(self, card: Card, target: float) -> str:
        right = target > card.x
        start, end = card.side(right), target + (-4 if right else 4)
        middle = start + (GAP / 2 if right else -GAP / 2)
        return (
            f'<g class="arrow ipi" data-steps="{card.row.step}">'
            f'<path d="M{start:g} {card.middle:g}H{end:g}" marker-end="url(#head-ipi)"/>'
            f'<text x="{middle:g}" y="{card.middle - 6:g}" text-anchor="middle">IPI</text></g>'
        )

    def _step(self, card: Card) -> str:
        row = card.row
        about = escape(label(self.schedule, row))
        classes = f"step k-{row.kind}{' marked' if row.marked else ''}"
        parts = [
            f'<a class="{classes}" id="step-{row.step}" href="#row-{row.step}" data-step="{row.step}" aria-label="{about}">',
            f"<title>{about}</title>",
        ]
        if card.named:
            name = escape(_shorten("name", self.schedule.name_of(row.thread), CARD))
            parts.append(f'<text class="name" x="{card.x + 2:g}" y="{card.y - 6:g}">{name}</text>')
        id = ' id="marked"' if row.marked else ""
        parts.append(f'<rect class="card"{id} x="{card.x:g}" y="{card.y:g}" width="{CARD}" height="{card.height:g}" rx="6"/>')
        strip = card.x + NUMBER
        parts.append(f'<rect class="strip" x="{strip:g}" y="{card.y + 6:g}" width="3" height="{card.height - 12:g}"/>')
        if row.marked:
            parts.append(f'<rect class="tag" x="{card.x:g}" y="{card.y:g}" width="{NUMBER}" height="{card.height:g}" rx="6"/>')
        parts.append(f'<text class="number" x="{card.x + NUMBER / 2:g}" y="{card.middle + 4:g}" text-anchor="middle">{row.step}</text>')
        y = card.y + PAD
        for kind, line in card.lines:
            y += _line_height(kind)
            parts.append(f'<text class="{kind}" x="{strip + PAD:g}" y="{y - 4:g}" xml:space="preserve">{escape(line)}</text>')
        parts.append("</a>")
        return "".join(parts)


def _arrowhead(kind: str) -> str:
    return (
        f'<marker id="head-{kind}" class="head-{kind}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="8" markerHeight="8" '
        'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z"/></marker>'
    )


def _fold(kind: str, text: str) -> Iterator[tuple[str, str]]:
    style = (SIZES[kind], kind in MONO, kind in BOLD)
    hang = measure.width(HANG, *style)
    for at, line in enumerate(measure.fold(words.glue(visible(text)), ROOM - hang, *style)):
        yield kind, words.unglue(f"{HANG}{line}" if at else line)


def _shorten(kind: str, text: str, room: float) -> str:
    return measure.shorten(visible(text), room, SIZES[kind], kind in MONO, kind in BOLD)


def _line_height(kind: str) -> float:
    return LINE if kind in ("op", "event", "here") else SMALL_LINE
