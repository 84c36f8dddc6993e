"""The report as text: what it says, and that it fits."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

from minikvm.report import render

Json = dict[str, Any]
Printed = Callable[..., str]

COUNTERS_80 = """\
What was asked
                                       bits
request              calls  targets     set  coalesced    IPIs  woken
─────────────────────────────────────────────────────────────────────
TLB_FLUSH wait      20,000   80,000  79,000      1,000  41,234  6,789
MASTERCLOCK_UPDATE     500    4,000   4,000          0   3,500      0
all                 20,500   84,000  83,000      1,000  44,734  6,789
"""
LATENCY_80 = """\
Latency from the request to its handling
                    handling  handling  handling  handling  handling  handling
request                count       p50       p90       p99     p99.9       max
──────────────────────────────────────────────────────────────────────────────
TLB_FLUSH wait        79,000    901 ns   5.02 us   67.8 us    912 us   3.45 ms
MASTERCLOCK_UPDATE         0         -         -         -         -         -
"""
COUNTERS_200 = """\
What was asked; Targets that needed no IPI, and stale IPIs
                                       bits                            skipped  skipped     skipped  skipped  stale  cleared by
request              calls  targets     set  coalesced    IPIs  woken  outside     self  not loaded  exiting   IPIs   requester
───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
TLB_FLUSH wait      20,000   80,000  79,000      1,000  41,234  6,789   30,111      222       1,333        0    321           0
MASTERCLOCK_UPDATE     500    4,000   4,000          0   3,500      0      444       55           1        0      0       4,000
all                 20,500   84,000  83,000      1,000  44,734  6,789   30,555      277       1,334        0    321       4,000
"""


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def last_line(text: str) -> str:
    return text.rstrip().rsplit("\n", 1)[-1]


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_the_counters_fit_80_columns(report: Json, printed: Printed) -> None:
    assert COUNTERS_80 in tidy(printed(report, 80))


def test_the_latencies_fit_80_columns(report: Json, printed: Printed) -> None:
    assert LATENCY_80 in tidy(printed(report, 80))


def test_the_counters_share_one_table_at_200_columns(report: Json, printed: Printed) -> None:
    assert COUNTERS_200 in tidy(printed(report, 200))


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("kind", ["report", "empty", "huge", "violated"])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_is_longer_than_the_terminal(
    kind: str, width: int, verbose: bool, request: pytest.FixtureRequest, printed: Printed
) -> None:
    text = printed(request.getfixturevalue(kind), width, verbose=verbose)
    assert [line for line in text.split("\n") if len(line) > width] == []


@pytest.mark.parametrize("width", [60, 80, 200])
def test_huge_numbers_stay_whole(width: int, huge: Json, printed: Printed) -> None:
    rows = [line for line in printed(huge, width).split("\n") if line.startswith("TLB_FLUSH")]
    assert sum(line.count("1,000,000,000,000,000") for line in rows) == 16


def test_the_headline_says_what_ran_and_how_it_ended(report: Json, printed: Printed) -> None:
    assert printed(report, 200).split("\n")[0] == (
        "quickstart: 8 vCPUs on 4 pCPUs, strategy upstream, back end futex, run loop x86, engine threads, "
        "injectors stale-cpu, delay, seed 7. It finished its workload in 2.35 s."
    )


@pytest.mark.parametrize(
    ("ended", "says"),
    [("finished", "finished its workload"), ("duration", "its duration was over"), ("interrupted", "was interrupted"),
     ("violation", "stopped at a violation"), ("plugin-error", "a plugin failed")],
)
def test_the_headline_says_why_the_run_ended(ended: str, says: str, report: Json, printed: Printed) -> None:
    assert says in printed(report | {"ended": ended}, 200).split("\n")[0]


def test_what_the_vcpus_did_is_told(report: Json, printed: Printed) -> None:
    lines = tidy(printed(report, 80)).split("\n")
    row = lines[lines.index("What the vCPUs did") + 4]
    assert row.split() == ["123,456", "2,345", "6,800", "77", "654", "4,321"]


@pytest.mark.parametrize(
    "row", ["P1 seen no kick is lost in the guest 5,000 holds", "P4 walk no page is freed under a walk 0 not checked"]
)
def test_a_property_is_listed_with_its_checks(row: str, report: Json, printed: Printed) -> None:
    assert row in [one_line(line) for line in printed(report, 80).split("\n")]


def test_a_good_run_ends_with_its_verdict(report: Json, printed: Printed) -> None:
    assert last_line(printed(report, 80)) == "No property was violated in 35,000 checks. Not checked in this run: P4, P9, P10."


def test_a_violation_is_the_last_word(violated: Json, printed: Printed) -> None:
    assert last_line(printed(violated, 200)) == (
        "P2 (wait) was VIOLATED 3 times in 5,000 checks: a TLB_FLUSH call returned while vCPU 2 was still in entry 42."
    )


def test_a_violated_run_never_says_that_nothing_was_violated(violated: Json, printed: Printed) -> None:
    assert "No property was violated" not in printed(violated, 200)


def test_a_violation_shows_only_the_guilty_vcpu(violated: Json, printed: Printed) -> None:
    text = printed(violated, 80)
    assert "  vCPU 2: IN_GUEST_MODE, cpu 1, holds slot 2, awake, entry 42\n    requests: TLB_FLUSH\n" in text
    assert "vCPU 0:" not in text and "2 other vCPUs not shown (-v shows all)." in text


def test_verbose_shows_every_vcpu_of_a_violation(violated: Json, printed: Printed) -> None:
    text = printed(violated, 80, verbose=True)
    assert text.count("  vCPU 0: IN_GUEST_MODE, cpu none, holds no slot, asleep, entry 40\n    requests: none\n") == 2


def test_a_violation_of_no_single_vcpu_shows_the_first_ones(violated: Json, printed: Printed) -> None:
    violated["violations"] = [violated["violations"][0] | {"vcpu": None}]
    assert printed(violated, 80).count("    requests:") == 3


def test_violations_that_were_not_kept_are_counted(violated: Json, printed: Printed) -> None:
    assert "\nand 1 more.\n" in printed(violated, 80)


def test_many_violations_are_cut_short_with_a_hint(violated: Json, printed: Printed) -> None:
    violated["violations"] *= 10
    violated["properties"][1]["violations"] = 20
    text = printed(violated, 80)
    assert text.count("P2 (wait) at ") == 3 and "and 17 more (-v shows all that were kept)." in text


def test_verbose_shows_all_violations(violated: Json, printed: Printed) -> None:
    violated["violations"] *= 10
    assert printed(violated, 80, verbose=True).count("P2 (wait) at ") == 20


def test_an_advisory_property_is_no_error(report: Json, printed: Printed) -> None:
    report["properties"][8] |= {"checked": 10, "violations": 4, "status": "violated"}
    text = printed(report, 80)
    assert "P9 (economy) was reported 4 times; this is no error by itself.\nNo property was violated in 35,010 checks." in text


def test_a_run_that_ended_early_says_so_in_its_verdict(report: Json, printed: Printed) -> None:
    assert "No property was violated in 35,000 checks until it ended early." in printed(report | {"ended": "interrupted"}, 200)


def test_an_empty_report_claims_nothing(empty: Json, printed: Printed) -> None:
    text = printed(empty, 80)
    assert "No call was made." in text and last_line(text) == "Nothing was checked: this run says nothing about the strategy."


def test_an_empty_report_says_nothing_about_savings(empty: Json, printed: Printed) -> None:
    assert "against linear" not in printed(empty, 80)


def test_the_savings_against_linear_are_one_sentence(report: Json, printed: Printed) -> None:
    assert (
        "upstream against linear on the same calls: 84,000 vCPUs visited instead of 164,000 (48.8 % saved); "
        "44,734 IPIs instead of 44,734 (the same); 20,500 sends instead of 20,500 (the same)."
    ) in one_line(printed(report, 80))


def test_a_strategy_that_cost_more_is_not_praised(report: Json, printed: Printed) -> None:
    report["economy"] |= {"ipis": 60, "ipis_linear": 40, "saved_percent": {"visited": 48.78, "ipis": -50.0, "sends": 0.0}}
    assert "60 IPIs instead of 40 (50.0 % more)" in one_line(printed(report, 80))


def test_a_reference_that_is_not_known_is_left_out(report: Json, printed: Printed) -> None:
    report["economy"] |= {"ipis_linear": None, "saved_percent": {"visited": 48.78, "ipis": None, "sends": 0.0}}
    assert "; 44,734 IPIs; " in one_line(printed(report, 80))


def test_nearly_everything_saved_is_not_rounded_to_everything(report: Json, printed: Printed) -> None:
    report["economy"] |= {"visited": 1, "visited_linear": 10_000, "saved_percent": {"visited": 99.99, "ipis": 0.0, "sends": 0.0}}
    assert "1 vCPU visited instead of 10,000 (more than 99.9 % saved)" in one_line(printed(report, 80))


def test_injected_faults_are_counted(report: Json, printed: Printed) -> None:
    assert "Injected faults: stale-cpu 1,002, delay 33." in printed(report, 80)


def test_a_plugin_failure_shows_its_traceback(report: Json, printed: Printed) -> None:
    problem = {"where": "strategy mine", "message": "it raised KeyError.", "traceback": "Traceback:\n    mask[9]\nKeyError: 9\n"}
    assert "strategy mine: it raised KeyError.\n  Traceback:\n      mask[9]\n  KeyError: 9\n" in printed(report | {"errors": [problem]}, 80)


@pytest.mark.parametrize("kind", ["report", "empty", "huge", "violated"])
def test_a_terminal_without_utf8_gets_ascii(kind: str, request: pytest.FixtureRequest, printed: Printed) -> None:
    assert printed(request.getfixturevalue(kind), 80, "ascii", verbose=True).isascii()


def test_the_ascii_table_is_the_same_but_for_its_rule(report: Json, printed: Printed) -> None:
    assert printed(report, 80, "ascii") == printed(report, 80).replace("─", "-")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_name_with_an_escape_sequence_reaches_no_terminal(encoding: str, report: Json, printed: Printed) -> None:
    report["run"]["vm"] = "größe\x1b]0;owned\x07[red]"
    text = printed(report, 200, encoding)
    assert "\x1b" not in text and "\\x1b]0;owned\\x07[red]: 8 vCPUs" in text


@pytest.mark.parametrize("width", [80, 200])
def test_a_very_long_request_name_is_folded_and_not_cut(width: int, report: Json, printed: Printed) -> None:
    report["requests"][0]["request"] = "X" * 300
    text = printed(report, width)
    assert text.count("X") % 300 == 0 and text.count("X") > 0 and max(map(len, text.split("\n"))) <= width


def test_a_pipe_gets_no_colours(violated: Json, printed: Printed) -> None:
    assert "\x1b" not in printed(violated, 80)


def test_a_terminal_gets_colours(violated: Json) -> None:
    out = io.StringIO()
    render(violated, Console(file=out, width=80, force_terminal=True, color_system="standard", no_color=False))
    assert "\x1b[1;31m" in out.getvalue()


def test_no_color_is_obeyed_on_a_terminal(violated: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    render(violated, Console(file=out, width=80, force_terminal=True, color_system="standard"))
    assert "31m" not in out.getvalue()


def test_rare_counters_are_left_out_while_they_are_zero(report: Json, printed: Printed) -> None:
    assert "deferred" not in printed(report, 200)


def test_a_rare_counter_is_shown_when_it_counted(report: Json, printed: Printed) -> None:
    report["requests"][0]["deferred"] = report["totals"]["deferred"] = 5
    assert "deferred" in printed(report, 200)


def test_verbose_shows_what_the_strategy_did(report: Json, printed: Printed) -> None:
    assert "What it took" in printed(report, 80, verbose=True)


def test_a_dict_that_is_no_report_is_refused(printed: Printed) -> None:
    with pytest.raises(ValidationError):
        printed({"schema": "minikvm.report/1"})
