"""What a person reads after ``minikvm run``: the report as sentences and tables that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from minikvm.properties import PROPERTIES, is_advisory
from minikvm.report.humanize import duration, fold, number, plural, printable, seconds, times
from minikvm.report.model import Counters, Latency, PropertyRow, Report, RequestRow, VcpuDump, Violation
from minikvm.report.tables import Column, Group, plain_table, print_groups
from minikvm.report.verdict import economy_sentence, headline, injected_sentence, verdict

VIOLATIONS_SHOWN = 3
DUMP_SHOWN = 8

COUNTERS: tuple[tuple[str, str], ...] = (
    ("calls", "calls"), ("targets", "targets"), ("bits\nset", "bits_set"), ("coalesced", "coalesced"), ("IPIs", "ipis"),
    ("woken", "woken"),
)
OUTCOMES: tuple[tuple[str, str], ...] = (
    ("skipped\noutside", "skipped.outside"), ("skipped\nself", "skipped.self_"), ("skipped\nnot loaded", "skipped.not_loaded"),
    ("skipped\nexiting", "skipped.exiting"), ("stale\nIPIs", "stale_ipis"),
)
# Most strategies and workloads leave these at zero: shown when they are not, or when everything is asked for.
RARE: tuple[tuple[str, str], ...] = (("deferred", "deferred"), ("cleared by\nrequester", "cleared"), ("still\npending", "pending"))
DETAILS: tuple[tuple[str, str], ...] = (("sends", "sends"), ("vCPUs\nvisited", "visited"), ("handled", "handled"))
VCPU_FIGURES: tuple[tuple[str, str], ...] = (
    ("guest\nentries", "entries"), ("aborted\nentries", "aborted_entries"), ("blocks", "blocks"), ("shadow\nwalks", "walks"),
    ("migrations", "migrations"), ("preemptions", "preemptions"),
)
VCPU_DETAILS: tuple[tuple[str, str], ...] = (("exits", "exits"), ("spurious\nexits", "spurious_exits"), ("IPIs\nhandled", "ipis_handled"))


def render(report: dict[str, Any] | Report, console: Console, verbose: bool = False) -> None:
    """Print *report* on *console*, in whole numbers at any width.

    *report* is a dict of schema ``minikvm.report/1`` (pydantic.ValidationError when it is not). *verbose* adds the figures that
    most readers leave out, all violations and every vCPU in their dumps.
    """
    checked = report if isinstance(report, Report) else Report.model_validate(report)
    _Printer(checked, console, verbose).all()


class _Printer:
    """One report on its way to one console."""

    def __init__(self, report: Report, console: Console, verbose: bool) -> None:
        self.report = report
        self.console = console
        self.verbose = verbose

    def all(self) -> None:
        self._say(headline(self.report), style="bold")
        self._gap()
        self._requests()
        self._vcpus()
        self._properties()
        self._violations()
        self._closing()
        self._errors()
        self._verdict()

    def _say(self, text: str, style: str = "", indent: int = 0) -> None:
        for line in fold(printable(text, self.console), self.console.width, indent):
            self.console.print(Text(line, style=style), highlight=False)

    def _gap(self) -> None:
        self.console.print()

    def _requests(self) -> None:
        report = self.report
        if not report.totals.calls:
            self._say("No call was made.")
            self._gap()
            return
        rows: list[Counters] = [*report.requests]
        names = [printable(_label(row), self.console) for row in report.requests]
        if len(rows) > 1:
            rows.append(report.totals)
            names.append("all")
        rare = [(header, path) for header, path in RARE if self.verbose or any(_get(row, path) for row in rows)]
        groups = [
            Group("What was asked", _figures(rows, COUNTERS)),
            Group("Targets that needed no IPI, and stale IPIs", _figures(rows, [*OUTCOMES, *rare])),
        ]
        if self.verbose:
            groups.append(Group("What it took", _figures(rows, DETAILS)))
        print_groups(self.console, groups, Column("request", names))
        calls = _quantiles("call", [row.latency_ns.call for row in report.requests])
        handling = _quantiles("handling", [row.latency_ns.handling for row in report.requests])
        latencies = [Group("Latency from the call to its return", calls), Group("Latency from the request to its handling", handling)]
        print_groups(self.console, latencies, Column("request", names[: len(report.requests)]))

    def _vcpus(self) -> None:
        figures = [*VCPU_FIGURES, *(VCPU_DETAILS if self.verbose else ())]
        print_groups(self.console, [Group("What the vCPUs did", _figures([self.report.totals], figures))])

    def _properties(self) -> None:
        self.console.print(Text("Properties", style="bold"))
        table = plain_table(self.console)
        table.add_column("")
        table.add_column("name")
        table.add_column("means", overflow="fold")
        table.add_column("checked", justify="right", no_wrap=True)
        table.add_column("result", overflow="fold")
        for row in self.report.properties:
            known = PROPERTIES.get(row.id)
            result, style = _result(row)
            meaning = known.meaning if known else ""
            table.add_row(row.id, Text(printable(row.name, self.console)), meaning, number(row.checked), Text(result, style=style))
        self.console.print(table)
        self._gap()

    def _violations(self) -> None:
        found = self.report.violations
        if not found:
            return
        shown = found if self.verbose else found[:VIOLATIONS_SHOWN]
        self.console.print(Text("Violations", style="bold"))
        for violation in shown:
            self._violation(violation)
        # The run keeps the first ones; the properties count them all.
        total = max(len(found), sum(row.violations for row in self.report.properties))
        if total > len(shown):
            hint = " (-v shows all that were kept)" if len(found) > len(shown) else ""
            self._say(f"and {number(total - len(shown))} more{hint}.")
        self._gap()

    def _violation(self, violation: Violation) -> None:
        known = PROPERTIES.get(violation.property)
        name = f"{violation.property} ({known.name})" if known else violation.property
        of = "" if violation.vcpu is None else f", vCPU {violation.vcpu}"
        self._say(f"{name} at {seconds(violation.at_s)}{of}: {violation.sentence}", style="red")
        guilty = [dump for dump in violation.dump if dump.vcpu == violation.vcpu]
        dumps = violation.dump if self.verbose else guilty or violation.dump[:DUMP_SHOWN]
        for dump in dumps:
            self._dump(dump)
        hidden = len(violation.dump) - len(dumps)
        if hidden:
            self._say(f"{plural(hidden, 'other vCPU')} not shown (-v shows all).", style="dim", indent=2)

    def _dump(self, dump: VcpuDump) -> None:
        cpu = "none" if dump.cpu < 0 else str(dump.cpu)
        slot = "holds no slot" if dump.slot is None else f"holds slot {dump.slot}"
        asleep = "asleep" if dump.wait else "awake"
        self._say(f"vCPU {dump.vcpu}: {dump.mode}, cpu {cpu}, {slot}, {asleep}, entry {number(dump.epoch)}", indent=2)
        self._say(f"requests: {', '.join(dump.requests) or 'none'}", indent=4)
        if dump.last_points:
            self._say(f"last points: {', '.join(dump.last_points)}", indent=4)

    def _closing(self) -> None:
        for sentence in (economy_sentence(self.report), injected_sentence(self.report)):
            if sentence is not None:
                self._say(sentence)
                self._gap()

    def _errors(self) -> None:
        for problem in self.report.errors:
            self._say(f"{problem.where}: {problem.message}", style="red")
            for line in (problem.traceback or "").splitlines():
                self._say(line, indent=2)
            self._gap()

    def _verdict(self) -> None:
        bad = any(row.violations and not is_advisory(row.id) for row in self.report.properties)
        unsure = not any(row.checked for row in self.report.properties)
        for line in verdict(self.report):
            self._say(line, style="bold red" if bad else "bold yellow" if unsure else "bold green")


def _get(row: Counters, path: str) -> int:
    value: Any = row
    for name in path.split("."):
        value = getattr(value, name)
    return int(value)


def _figures(rows: Sequence[Counters], figures: Sequence[tuple[str, str]]) -> list[Column]:
    return [Column(header, [number(_get(row, path)) for row in rows]) for header, path in figures]


def _quantiles(name: str, found: Sequence[Latency]) -> list[Column]:
    return [
        Column(f"{name}\ncount", [number(latency.count) for latency in found]),
        Column(f"{name}\np50", [duration(latency.p50) for latency in found]),
        Column(f"{name}\np90", [duration(latency.p90) for latency in found]),
        Column(f"{name}\np99", [duration(latency.p99) for latency in found]),
        Column(f"{name}\np99.9", [duration(latency.p99_9) for latency in found]),
        Column(f"{name}\nmax", [duration(latency.max) for latency in found]),
    ]


def _label(row: RequestRow) -> str:
    return " ".join([row.request, *row.flags])


def _result(row: PropertyRow) -> tuple[str, str]:
    if row.violations:
        if is_advisory(row.id):
            return f"reported {times(row.violations)}", "yellow"
        return f"VIOLATED {times(row.violations)}", "bold red"
    return row.status, "green" if row.status == "holds" else "dim"
