"""A counterexample as one HTML page that needs nothing else: the diagram, the steps as a table, the configuration.

Light and dark as the reader's system says. Works without JavaScript; the script only scrolls to the marked step and repeats a step's
details where it is pointed at. The page's policy forbids every request and every script but that one.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from minikvm.kinds import label
from minikvm.properties import PROPERTIES
from minikvm.report import words
from minikvm.report.counterexample import Row, Schedule, schedule_of
from minikvm.report.svg import diagram, escape

LEGEND = (
    ("reads", "a value is read by another thread", '<path class="line" d="M0 6H30" marker-end="url(#head-reads)"/>'),
    ("flush", "a store waits in the store buffer until then", '<path d="M0 6H30" marker-end="url(#head-flush)"/>'),
    ("unseen", "a newer store that this read did not see", '<path d="M0 6H34"/><path class="cross" d="M24 1l10 10m0 -10l-10 10"/>'),
    ("ipi", "an interrupt is sent", '<path d="M0 6H30" marker-end="url(#head-ipi)"/>'),
)


def write_html(path: str | Path, schedule: Schedule | dict[str, Any]) -> None:
    """Write the page of *schedule* to the file *path*. A dict is checked first: ConfigError when it is no schedule of version 1."""
    Path(path).write_text(html_page(schedule), encoding="utf-8")


def html_page(schedule: Schedule | dict[str, Any]) -> str:
    """The page of *schedule*, as text in UTF-8."""
    return _page(schedule_of(schedule))


def _page(schedule: Schedule) -> str:
    style, script = _resource("page.css"), _resource("page.js")
    policy = f"default-src 'none'; style-src {_digest(style)}; script-src {_digest(script)}; base-uri 'none'; form-action 'none'"
    step = schedule.marked_row().step
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(f"{schedule.property}: {label(schedule.strategy)}, {schedule.model}")} - minikvm check</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{escape(words.claim(schedule))}</h1>
<p class="sentence">{escape(schedule.sentence)}</p>
<dl class="facts">
{"".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in _facts(schedule))}
</dl>
</header>
<nav aria-label="Parts of the page">
<strong>{escape(words.property_name(schedule.property))} violated</strong>
<span>{escape(label(schedule.strategy))}, {escape(schedule.model)}</span>
<a href="#marked">the marked step ({step})</a>
<a href="#diagram">diagram</a>
<a href="#steps">steps</a>
<a href="#configuration">configuration</a>
</nav>
<main>
<h2 id="diagram">What happens, step by step</h2>
<ul class="legend">{"".join(_legend(schedule))}</ul>
<div class="diagram" role="region" aria-label="Sequence diagram" tabindex="0">
{diagram(schedule)}
</div>
<h2 id="steps">The steps</h2>
<div class="steps">
<table>
<thead><tr><th scope="col">step</th><th scope="col">thread</th><th scope="col">operation</th><th scope="col">what it means</th>\
<th scope="col">source</th></tr></thead>
<tbody>
{"".join(_table_row(schedule, row) for row in schedule.rows)}</tbody>
</table>
</div>
<h2 id="configuration">The configuration</h2>
<p class="quiet">{escape(schedule.file)}, as minikvm {escape(schedule.minikvm)} read it</p>
<pre>{escape(schedule.config)}</pre>
</main>
<aside id="details" hidden></aside>
<script>{script}</script>
</body>
</html>
"""


def _facts(schedule: Schedule) -> Iterator[tuple[str, str]]:
    known = PROPERTIES.get(schedule.property)
    if known is not None:
        yield "property", f"{known.id} ({known.name}): {known.meaning}"
    yield "strategy", label(schedule.strategy)
    yield "run loop", label(schedule.loop)
    yield "memory model", f"{schedule.model}: {words.MODELS[schedule.model]}" if schedule.model in words.MODELS else schedule.model
    if schedule.injectors:
        yield "injectors", ", ".join(schedule.injectors)
    yield "scope", words.bounds(schedule.scope)
    yield from (("initiator", initiator) for initiator in schedule.scope.initiators)
    yield "found", words.history(schedule)
    yield "configuration", schedule.file


def _legend(schedule: Schedule) -> Iterator[str]:
    there = {
        "reads": any(row.reads_from is not None and row.kind in words.READS for row in schedule.rows),
        "flush": bool(words.flushes(schedule)),
        "unseen": any(row.missed is not None for row in schedule.rows),
        "ipi": any(row.ipi_to is not None for row in schedule.rows),
    }
    for kind, text, drawn in LEGEND:
        if there[kind]:
            yield f'<li><svg viewBox="0 0 34 12" aria-hidden="true"><g class="arrow {kind}" data-steps="">{drawn}</g></svg>{text}</li>'


def _table_row(schedule: Schedule, row: Row) -> str:
    details = [f'<p class="missed">{escape(words.missed(row))}</p>'] if row.missed is not None else []
    if told := words.source(schedule, row):
        details.append(f"<p>{escape(told)}</p>")
    if row.remark:
        details.append(f"<p>{escape(row.remark)}</p>")
    if row.marked:
        details.append(f'<p class="here">here {escape(words.property_name(schedule.property))} is violated</p>')
    operation = f"{words.operation(row)} {words.target(schedule, row)}".rstrip()
    kind = "event" if row.kind in words.EVENTS else "mono"
    attributes = ' class="marked" aria-current="step"' if row.marked else ""
    return (
        f'<tr id="row-{row.step}"{attributes}><td data-label="step"><a href="#step-{row.step}">{row.step}</a></td>'
        f'<td class="thread">{escape(schedule.name_of(row.thread))}</td><td class="{kind}">{escape(operation)}</td>'
        f'<td>{"".join(details)}</td><td class="mono place">{escape(row.place)}</td></tr>\n'
    )


def _resource(name: str) -> str:
    return files("minikvm.report").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
