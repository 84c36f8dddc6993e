"""A counterexample on a terminal: what is seen, and that it fits."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.cells import cell_len
from rich.console import Console

from minikvm.report import Schedule, print_counterexample, schedule_of

Drawn = Callable[..., str]
WIDTHS = (20, 44, 60, 80, 100, 130, 200, 400)

TSO_100 = """\
     vCPU 0                                         task on pCPU 2
───────────────────────────────────────────────────────────────────────────────────────────────────
   1 ├ is loaded on pCPU 0                          │
     │   minikvm/core/entry.pyx:38                  │
   2 ├ WRITE_ONCE(vcpu0->mode, IN_GUEST_MODE)       │
     │   minikvm/core/entry.pyx:119                 │
     │   into the store buffer                      │
   3 ├ READ_ONCE(vcpu0->mode) = IN_GUEST_MODE       │
     │   minikvm/core/entry.pyx:80                  │
     │   reads step 2 out of its own store buffer   │
"""
TSO_100_END = """\
   9 ├ vcpu0->mode = IN_GUEST_MODE reaches memory   │
     │   the store of step 2                        │
>>10 ├ rests in the guest: waits for an IPI to      │
>>   │   pCPU 0                                     │
>>   │   minikvm/core/entry.pyx:139                 │
>>   │   TLB_FLUSH is owed, and nobody will tell it │
>>   │   ^^^ here P1 (seen) is violated             │

Step 10: vCPU 0 rests in the guest although TLB_FLUSH was made for it: its store of IN_GUEST_MODE
was still in the store buffer when the task read the mode (step 7), so no IPI was sent.
"""
LIST_80 = """\
   1 vCPU 0          WRITE_ONCE(vcpu0->cpu, 0)         minikvm/core/entry.pyx:37
   2                 is loaded on pCPU 0
   3 task on pCPU 2  calls kvm_make_vcpus_request_mask(TLB_FLUSH, {0})
                       minikvm/strategies/v1_bitmap.pyx:87
   4                 vcpu0->cpu, a plain read = 0
                       minikvm/strategies/v1_bitmap.pyx:37
                       reads step 1 (vCPU 0)
"""


def one_line(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def test_two_threads_are_two_columns_at_100(tso: Schedule, drawn: Drawn) -> None:
    assert TSO_100 in drawn(tso, 100)


def test_the_drawing_ends_with_the_marked_row_and_the_sentence(tso: Schedule, drawn: Drawn) -> None:
    assert drawn(tso, 100).endswith(TSO_100_END)


def test_three_threads_are_a_list_at_80(sc: Schedule, drawn: Drawn) -> None:
    assert LIST_80 in drawn(sc, 80)


def test_a_wide_terminal_has_the_places_in_a_column(sc: Schedule, drawn: Drawn) -> None:
    lines = drawn(sc, 200).splitlines()
    row = next(line for line in lines if "WRITE_ONCE(vcpu0->cpu, 0)" in line)
    assert row.endswith("│" + " " * (row.index("minikvm") - row.rindex("│") - 1) + "minikvm/core/entry.pyx:37")


def test_a_very_narrow_terminal_has_threads_as_headings(lkmm: Schedule, drawn: Drawn) -> None:
    lines = drawn(lkmm, 44).splitlines()
    assert "task on pCPU 2" in lines and "   1 WRITE_ONCE(vcpu0->cpu, 0)" in lines


@pytest.mark.parametrize("width", WIDTHS)
def test_every_step_is_there_once(width: int, any_schedule: Schedule, drawn: Drawn) -> None:
    numbers = [line[2:].split()[0] for line in drawn(any_schedule, width).splitlines() if line[:2] in ("  ", ">>") and line[3:4].isdigit()]
    assert numbers == [str(row.step) for row in any_schedule.rows]


@pytest.mark.parametrize("width", [80, 160, 200])
def test_every_operation_and_place_is_there(width: int, any_schedule: Schedule, drawn: Drawn) -> None:
    shown = set(drawn(any_schedule, width).split())
    wanted = " ".join(found for row in any_schedule.rows for found in (row.text, row.place, row.remark))
    assert set(wanted.split()) - shown == set()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["sc", "tso", "lkmm", "long_schedule", "hostile"])
def test_no_line_is_longer_than_the_terminal(kind: str, width: int, request: pytest.FixtureRequest, drawn: Drawn) -> None:
    assert [line for line in drawn(request.getfixturevalue(kind), width).splitlines() if cell_len(line) > width] == []


@pytest.mark.parametrize("width", [80, 200])
def test_the_marked_row_is_marked_without_colours(width: int, any_schedule: Schedule, drawn: Drawn) -> None:
    lines = drawn(any_schedule, width).splitlines()
    marked = [line for line in lines if line.startswith(">>")]
    assert marked[0][2:4] == f"{any_schedule.marked_row().step}" and "^^^ here P1 (seen) is violated" in marked[-1]
    assert "".join(lines).count("^^^") == 1


def test_the_header_says_what_was_found_and_where(sc: Schedule, drawn: Drawn) -> None:
    text = one_line(drawn(sc, 80))
    assert text.startswith(
        "P1 (seen: no kick is lost in the guest) is violated. Strategy v1-bitmap, run loop x86, injectors stale-cpu, memory model sc "
        "(every interleaving, and nothing else). Scope: 2 vCPUs on 3 pCPUs, 1 guest entry each, 1 call of each initiator, at most 1 "
        "injected fault. task on pCPU 2: TLB_FLUSH of 0. configs/seed-stale-cpu.yaml: 18 steps, 5 context switches; found after 1,234 "
        "executions."
    )


def test_an_old_value_says_what_it_did_not_see_and_why(lkmm: Schedule, drawn: Drawn) -> None:
    assert (
        "vcpu0->cpu, a plain read = 0 minikvm/strategies/linear.pyx:36 reads the old value 0 of step 1; did not see step 4: no smp_mb() "
        "between step 10 and step 11 of task on pCPU 2"
    ) in one_line(drawn(lkmm, 100))


def test_an_old_value_that_no_single_barrier_forbids_says_only_what_it_did_not_see(lkmm: Schedule, drawn: Drawn) -> None:
    data = lkmm.model_dump(mode="json")
    data["rows"][10]["missed"]["missing"] = ""
    assert "did not see step 4 " in one_line(drawn(data, 100)) and "did not see step 4:" not in drawn(data, 100)


def test_an_ipi_says_whom_it_goes_to(sc: Schedule, drawn: Drawn) -> None:
    assert "smp_call_function_many({pCPU 0}) -> pCPU 0" in drawn(sc, 80)


def test_what_was_read_stands_behind_the_operation(sc: Schedule, drawn: Drawn) -> None:
    assert "READ_ONCE(vcpu0->requests) = 0" in drawn(sc, 80)


def test_a_text_that_says_its_value_is_left_alone(sc: Schedule, drawn: Drawn) -> None:
    data = sc.model_dump(mode="json")
    data["rows"][9]["text"] = "READ_ONCE(vcpu0->requests) = 0"
    assert "READ_ONCE(vcpu0->requests) = 0 = 0" not in drawn(data, 80) and "READ_ONCE(vcpu0->requests) = 0" in drawn(data, 80)


def test_a_flush_without_reads_from_is_found_by_its_remark(tso: Schedule, drawn: Drawn) -> None:
    data = tso.model_dump(mode="json")
    data["rows"][8]["reads_from"] = None
    assert "reads step 2 out of its own store buffer" in drawn(data, 100)


def test_a_name_is_never_broken_before_its_number(sc: Schedule, drawn: Drawn) -> None:
    steps = [line for width in range(60, 140) for line in drawn(sc, width).splitlines() if line[:3] != "Ste"]
    assert [line for line in steps if line.rstrip(" │").endswith(("an IPI to pCPU", "in step"))] == []


def test_the_saved_file_is_named_for_a_replay(sc: Schedule, drawn: Drawn) -> None:
    assert "minikvm check --replay found.json" in drawn(sc, 80, saved="found.json")


def test_an_unknown_property_and_model_are_shown_by_their_names(sc: Schedule, drawn: Drawn) -> None:
    text = drawn(schedule_of(sc.model_dump(mode="json") | {"property": "P77", "model": "power"}), 80)
    assert text.startswith("P77 is violated.\n") and "memory model power." in one_line(text)


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_without_utf8_gets_ascii(width: int, any_schedule: Schedule, drawn: Drawn) -> None:
    assert drawn(any_schedule, width, "ascii").isascii()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("width", [80, 200])
def test_hostile_texts_reach_no_terminal(width: int, encoding: str, hostile: Schedule, drawn: Drawn) -> None:
    text = drawn(hostile, width, encoding, saved="\x1b]0;owned\x07")
    assert "\x1b" not in text and "\x07" not in text and "\\x1b]0;owned\\x07" in text and "[red]" in text


def test_wide_characters_keep_the_columns_straight(tso: Schedule, drawn: Drawn) -> None:
    data = tso.model_dump(mode="json")
    data["threads"][0]["name"] = "漢字" * 30
    for row in data["rows"]:
        row["remark"] = "漢字" * 40
    assert {cell_len(line[: line.rindex("│")]) for line in drawn(data, 100).splitlines() if line.count("│") == 2} == {52}


def test_a_pipe_gets_no_colours(sc: Schedule, drawn: Drawn) -> None:
    assert "\x1b" not in drawn(sc, 200)


def test_a_terminal_gets_the_marked_row_in_colour(sc: Schedule) -> None:
    out = io.StringIO()
    print_counterexample(Console(file=out, width=80, force_terminal=True, color_system="standard", no_color=False), sc)
    assert "\x1b[1;31m>>18" in out.getvalue()


def test_an_operation_on_a_terminal_is_not_dim(sc: Schedule) -> None:
    out = io.StringIO()
    print_counterexample(Console(file=out, width=80, force_terminal=True, color_system="standard", no_color=False), sc)
    assert f"\x1b[2m   8 \x1b[0m{' ' * 16}smp_mb()" in out.getvalue()
