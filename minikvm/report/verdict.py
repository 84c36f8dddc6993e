"""The sentences of a report: what ran, what was saved, what was found. Plain text, one sentence or paragraph each."""

from __future__ import annotations

from minikvm.kinds import label
from minikvm.properties import is_advisory
from minikvm.report.humanize import number, plural, seconds, times
from minikvm.report.model import PropertyRow, Report

ENDINGS = {
    "finished": "It finished its workload in {}.",
    "duration": "It ended after {}, when its duration was over.",
    "interrupted": "It was interrupted after {}.",
    "violation": "It stopped at a violation after {}.",
    "plugin-error": "It ended after {}, because a plugin failed.",
}


def headline(report: Report) -> str:
    """What ran and how it ended."""
    run = report.run
    injectors = f", injectors {', '.join(run.injectors)}" if run.injectors else ""
    return (
        f"{run.vm}: {plural(run.vcpus, 'vCPU')} on {plural(run.pcpus, 'pCPU')}, strategy {label(run.strategy)}, back end {run.backend}, "
        f"run loop {label(run.loop)}, engine {run.engine}{injectors}, seed {report.seed}. "
        + ENDINGS[report.ended].format(seconds(report.elapsed_s))
    )


def economy_sentence(report: Report) -> str | None:
    """What the strategy saved against the reference on the same calls; None when that was not measured or nothing was called."""
    economy = report.economy
    if economy is None or not report.totals.calls:
        return None
    strategy = label(report.run.strategy)
    visited = _against(economy.visited, economy.visited_linear, economy.saved_percent.visited, "vCPU visited", "vCPUs visited")
    ipis = _against(economy.ipis, economy.ipis_linear, economy.saved_percent.ipis, "IPI", "IPIs")
    sends = _against(economy.sends, economy.sends_linear, economy.saved_percent.sends, "send", "sends")
    return f"{strategy} against {economy.reference} on the same calls: {visited}; {ipis}; {sends}."


def injected_sentence(report: Report) -> str | None:
    """The injected faults by injector, None when no injector was there."""
    if not report.injected:
        return None
    return "Injected faults: " + ", ".join(f"{name} {number(count)}" for name, count in report.injected.items()) + "."


def verdict(report: Report) -> list[str]:
    """The last lines: one for each violated property, or one that says that none was; then what was only reported."""
    violated = [row for row in report.properties if row.violations]
    errors = [row for row in violated if not is_advisory(row.id)]
    advice = [row for row in violated if is_advisory(row.id)]
    lines = [f"{row.id} ({row.name}) was reported {times(row.violations)}; this is no error by itself." for row in advice]
    return [*lines, *([_violated(report, row) for row in errors] or [_clean(report)])]


def _violated(report: Report, row: PropertyRow) -> str:
    first = next((v.sentence for v in report.violations if v.property == row.id), "no details were kept.")
    count = {1: "once"}.get(row.violations, f"{number(row.violations)} times")
    return f"{row.id} ({row.name}) was VIOLATED {count} in {plural(row.checked, 'check')}: {first}"


def _clean(report: Report) -> str:
    checks = sum(row.checked for row in report.properties)
    if not checks:
        return "Nothing was checked: this run says nothing about the strategy."
    until = " until it ended early" if report.ended in ("interrupted", "plugin-error") else ""
    missing = [row.id for row in report.properties if row.status == "not checked"]
    gaps = f" Not checked in this run: {', '.join(missing)}." if missing else ""
    return f"No property was violated in {plural(checks, 'check')}{until}.{gaps}"


def _against(used: int, reference: int | None, saved: float | None, one: str, many: str) -> str:
    text = f"{number(used)} {one if used == 1 else many}"
    if reference is None:
        return text
    text += f" instead of {number(reference)}"
    if used == reference:
        return f"{text} (the same)"
    if saved is None:
        return text
    # One decimal, and never "100.0 % saved" or "0.0 % saved" by rounding alone.
    percent = f"{abs(saved):.1f}"
    if used and saved > 0 and percent == "100.0":
        percent = "more than 99.9"
    if percent == "0.0":
        percent = "less than 0.1"
    return f"{text} ({percent} % {'saved' if used < reference else 'more'})"
