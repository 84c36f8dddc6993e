"""A check in words: its bounds, a step, what a reader should know about it. Shared by the terminal and the HTML page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from minikvm.kinds import label
from minikvm.properties import PROPERTIES
from minikvm.report.counterexample import Row, Schedule, Scope
from minikvm.report.humanize import plural

MODELS = {
    "sc": "every interleaving, and nothing else",
    "tso": "x86: a store waits in its CPU's buffer before others see it",
    "rc11": "C11 atomics, kernel barriers as fences",
    "lkmm": "the Linux kernel's own memory model",
}
READS = ("load", "rmw", "await")
EVENTS = ("note", "choose")
_NAME_AND_NUMBER = re.compile(r"(?<=\b(?:step|vCPU|pCPU)) (?=\d)")
_GLUE = "\ue000"
"""A private character, which no text holds that was made printable. Not the no-break space: rich breaks lines at it."""
_STEP = re.compile(r"\bstep (\d+)")
_NUMBER = re.compile(r"\d+")


def glue(text: str) -> str:
    """*text* without breakable spaces in names like "step 5" and "pCPU 1", so that no line ends in their middle; see :func:`unglue`."""
    return _NAME_AND_NUMBER.sub(_GLUE, text)


def unglue(text: str) -> str:
    """The plain spaces back."""
    return text.replace(_GLUE, " ")


def property_name(id: str) -> str:
    """``P1 (seen)``; the bare id where the property is not known."""
    return f"{id} ({PROPERTIES[id].name})" if id in PROPERTIES else id


def claim(schedule: Schedule) -> str:
    """What the schedule shows, as one line."""
    known = PROPERTIES.get(schedule.property)
    return f"{schedule.property} is violated" if known is None else f"{known.id} ({known.name}: {known.meaning}) is violated"


def subject(schedule: Schedule) -> str:
    """What was explored: strategy, run loop, memory model, injectors."""
    model = f"{schedule.model} ({MODELS[schedule.model]})" if schedule.model in MODELS else schedule.model
    injectors = f", injectors {', '.join(schedule.injectors)}" if schedule.injectors else ""
    return f"Strategy {label(schedule.strategy)}, run loop {label(schedule.loop)}{injectors}, memory model {model}."


def bounds(scope: Scope) -> str:
    """The scope: ``2 vCPUs on 3 pCPUs, 1 guest entry each, 1 call of each initiator, no injected faults``."""
    faults = f"at most {plural(scope.faults, 'injected fault')}" if scope.faults else "no injected faults"
    entries = "1 guest entry each" if scope.entries == 1 else f"{scope.entries} guest entries each"
    if scope.vcpus == 1:
        entries = entries.removesuffix(" each")
    calls = f"{plural(scope.calls, 'call')} of each initiator" if scope.calls else "no calls"
    return f"{plural(scope.vcpus, 'vCPU')} on {plural(scope.pcpus, 'pCPU')}, {entries}, {calls}, {faults}"


def history(schedule: Schedule) -> str:
    """How it was found."""
    before = "the first execution" if not schedule.executions_before else f"found after {plural(schedule.executions_before, 'execution')}"
    return f"{plural(len(schedule.rows), 'step')}, {plural(schedule.switches, 'context switch').replace('switchs', 'switches')}; {before}."


def operation(row: Row) -> str:
    """The row's text, with the value that it read where the text does not end with it."""
    if row.kind not in READS or row.value is None or re.search(rf"=\s*{re.escape(str(row.value))}$", row.text):
        return row.text
    return f"{row.text} = {row.value}"


def flushes(schedule: Schedule) -> dict[int, int]:
    """Where a buffered store reaches memory: step of the flush by step of its store."""
    found = {}
    for row in schedule.rows:
        store = stored_in(row)
        if store is not None and 1 <= store < row.step:
            found[store] = row.step
    return found


def stored_in(row: Row) -> int | None:
    """Of a flush, the step of the store that it brings to memory, as ``reads_from`` or the remark says; else None."""
    if row.kind != "flush":
        return None
    named = _STEP.search(row.remark)
    return row.reads_from if row.reads_from is not None else int(named.group(1)) if named else None


def source(schedule: Schedule, row: Row) -> str:
    """Where the row's value came from: ``reads step 4``; empty where there is nothing to tell."""
    if row.kind not in READS or row.missed is not None:
        return ""
    if row.reads_from is None:
        return "reads the initial value" if row.value is not None else ""
    if schedule.row(row.reads_from).thread == row.thread:
        waits = row.reads_from < row.step < flushes(schedule).get(row.reads_from, 0)
        return f"reads step {row.reads_from} out of its own store buffer" if waits else f"reads step {row.reads_from}"
    return f"reads step {row.reads_from} ({schedule.name_of(schedule.row(row.reads_from).thread)})"


def missed(row: Row) -> str:
    """Which newer store a read of an old value did not see, and why it may not have; empty for all others."""
    if row.missed is None:
        return ""
    what = "an old value" if row.value is None else f"the old value {row.value}"
    whence = "" if row.reads_from is None else f" of step {row.reads_from}"
    why = f": no {row.missed.missing.removeprefix('no ')}" if row.missed.missing else ""
    return f"reads {what}{whence}; did not see step {row.missed.step}{why}"


def target(schedule: Schedule, row: Row) -> str:
    """Whom the row sends an IPI: ``-> vCPU 1``; empty for all others."""
    return "" if row.ipi_to is None else f"-> {schedule.name_of(row.ipi_to)}"


def remarks(schedule: Schedule, row: Row) -> Iterator[str]:
    """What stands under a step: where its value came from, when that is another thread or a store buffer, and its remark."""
    if row.reads_from is not None and row.missed is None and row.kind in READS:
        own = schedule.row(row.reads_from).thread == row.thread
        if not own or "buffer" in source(schedule, row):
            yield source(schedule, row)
    if row.remark:
        yield row.remark


def id_ranges(ids: Sequence[str]) -> str:
    """Property ids, runs drawn together: ``P1-P4, P6``. Ids that are no P and a number come last, as they are."""
    numbers = sorted(int(id[1:]) for id in ids if id[:1] == "P" and _NUMBER.fullmatch(id[1:]))
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    texts = [f"P{first}" if first == last else f"P{first}{', ' if last == first + 1 else '-'}P{last}" for first, last in runs]
    others = [id for id in ids if not (id[:1] == "P" and _NUMBER.fullmatch(id[1:]))]
    return ", ".join([*texts, *others]) if texts or others else "none"

