"""The verdict of a check as text: what it claims, and what it must not claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from minikvm.config.problems import ConfigError
from minikvm.report import verdict_json, verdict_of

Json = dict[str, Any]
Told = Callable[..., str]

UPSTREAM_80 = """\
strategy  loop  model  property      verdict
────────────────────────────────────────────────────────────────────────────
upstream  x86   sc     P1-P3, P5-P8  holds (12,345 executions, exhausted)
                       P4            not judged
                       P10           no races
                tso    P1-P3, P5-P8  holds (12,345 executions, exhausted)
                       P4            not judged
                       P10           no races
                                     robust: TSO shows nothing that SC lacks
"""


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def one_line(text: str) -> str:
    return " ".join(text.split())


def last_line(text: str) -> str:
    return text.rstrip().rsplit("\n", 1)[-1]


def cells(verdict: Json, strategy: str, *models: str) -> Json:
    chosen = [cell for cell in verdict["cells"] if cell["strategy"] == strategy and (not models or cell["model"] in models)]
    return verdict | {"cells": chosen}


def test_properties_with_the_same_result_share_a_row(verdict: Json, told: Told) -> None:
    assert UPSTREAM_80 in tidy(told(cells(verdict, "upstream", "sc", "tso")))


def test_the_scope_comes_first(verdict: Json, told: Told) -> None:
    assert one_line(told(verdict)).startswith(
        "configs/seed-stale-cpu.yaml: 2 vCPUs on 3 pCPUs, 1 guest entry each, 1 call of each initiator, at most 1 injected fault by "
        "stale-cpu. task on pCPU 2: TLB_FLUSH of 0,1, wait strategy"
    )


def test_several_strategies_have_an_overview(verdict: Json, told: Told) -> None:
    rows = [one_line(line) for line in told(verdict, 100).splitlines()]
    assert "upstream holds holds not exhausted" in rows
    assert "v1-bitmap VIOLATED P1, P2 VIOLATED P1, P2 VIOLATED P1, P2" in rows
    assert "linear holds, races holds, races -" in rows


def test_one_strategy_has_no_overview(verdict: Json, told: Told) -> None:
    assert told(cells(verdict, "upstream")).count("strategy") == 1


def test_a_violated_property_names_its_schedule_file(verdict: Json, told: Told) -> None:
    rows = [one_line(line) for line in told(verdict, 100).splitlines()]
    assert "v1-bitmap x86 sc P1 VIOLATED -> counterexample-v1-bitmap-sc-P1.json" in rows


def test_the_same_sentence_under_several_models_is_said_once(verdict: Json, told: Told) -> None:
    text = one_line(told(verdict))
    assert text.count("vCPU 0 rests in the guest on pCPU 1") == 1 and "v1-bitmap, P1 (seen), under sc, tso, lkmm: vCPU 0 rests" in text


def test_races_are_benign_where_all_that_was_judged_holds(verdict: Json, told: Told) -> None:
    assert "races (benign: P1-P3, P5-P8 hold)" in told(cells(verdict, "linear"))


def test_races_beside_a_violation_are_never_called_benign(verdict: Json, told: Told) -> None:
    text = told(cells(verdict, "v1-bitmap"))
    assert "races, and P1, P2 violated" in text and "benign" not in text


def test_races_in_what_was_not_exhausted_are_never_called_benign(verdict: Json, told: Told) -> None:
    found = cells(verdict, "linear", "sc")
    found["cells"][0]["exhausted"] = False
    assert "(benign" not in told(found)


def test_a_race_is_told_with_both_places_and_its_models(verdict: Json, told: Told) -> None:
    assert (
        "Race in linear (sc, tso): plain read of vcpu->cpu at minikvm/strategies/linear.pyx:36 and store of vcpu->cpu at "
        "minikvm/core/entry.pyx:37."
    ) in one_line(told(cells(verdict, "linear")))


def test_many_races_are_cut_short(verdict: Json, told: Told) -> None:
    found = cells(verdict, "linear", "sc")
    found["cells"][0]["properties"]["P10"]["races"] = [[f"read {n}", f"write {n}"] for n in range(20)]
    assert told(found).count("Race in linear") == 3 and "and 17 more races; --json has them all." in told(found)


def test_what_was_not_exhausted_says_how_far_it_came(verdict: Json, told: Told) -> None:
    text = one_line(told(cells(verdict, "upstream", "lkmm")))
    assert "not exhausted: no violation in 1,000,000 executions of about 25,000,000, in 33.0 s" in text


def test_what_was_not_exhausted_is_no_proof(verdict: Json, told: Told) -> None:
    text = told(cells(verdict, "upstream"))
    assert last_line(text) == "upstream: not exhausted under lkmm, so nothing is proven there." and "in every execution" not in text


def test_a_violation_is_the_last_word(verdict: Json, told: Told) -> None:
    assert last_line(told(cells(verdict, "v1-bitmap"))) == "v1-bitmap: P1, P2 VIOLATED under sc, tso, lkmm."


def test_what_holds_everywhere_is_the_last_word(verdict: Json, told: Told) -> None:
    assert last_line(told(cells(verdict, "upstream", "sc", "tso"), 120)) == (
        "P1-P3, P5-P8 hold in every execution of this scope, under sc, tso. Not judged: P4."
    )


def test_the_last_word_does_not_hide_the_races(verdict: Json, told: Told) -> None:
    assert "There are data races; in this scope they break none of these." in one_line(told(cells(verdict, "linear")))


def test_a_property_judged_in_one_cell_only_is_not_claimed_for_all(verdict: Json, told: Told) -> None:
    found = cells(verdict, "upstream", "sc", "tso")
    found["cells"][0]["properties"]["P4"] = {"verdict": "holds"}
    assert last_line(told(found, 120)).startswith("P1-P3, P5-P8 hold") and "Not judged everywhere: P4." in told(found, 120)


def test_a_check_that_judged_nothing_claims_nothing(verdict: Json, told: Told) -> None:
    found = cells(verdict, "upstream", "sc")
    found["cells"][0]["properties"] = {"P1": {"verdict": "not judged"}}
    assert last_line(told(found)) == "No property was judged throughout: this check proves nothing. Not judged: P1."


def test_a_program_that_tso_weakens_says_so(verdict: Json, told: Told) -> None:
    found = cells(verdict, "upstream", "tso")
    found["cells"][0]["robust"] = False
    assert "not robust: TSO shows more than SC" in told(found)


def test_notes_are_told(verdict: Json, told: Told) -> None:
    assert "Note: compiled code states no dependencies: lkmm may alarm falsely, never hides." in one_line(told(verdict))


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_no_line_is_longer_than_the_terminal(width: int, verdict: Json, told: Told) -> None:
    assert [line for line in told(verdict, width).split("\n") if len(line) > width] == []


def test_a_terminal_without_utf8_gets_ascii(verdict: Json, told: Told) -> None:
    assert told(verdict, 80, "ascii").isascii()


def test_hostile_names_reach_no_terminal(verdict: Json, told: Told) -> None:
    attack = "x\x1b]0;owned\x07[red]"
    verdict["file"] = verdict["notes"][0] = attack
    for cell in verdict["cells"]:
        cell |= {"strategy": attack, "loop": attack, "model": attack}
        for found in cell["properties"].values():
            found |= {"file": attack, "sentence": attack}
    assert "\x1b" not in told(verdict, 200) and "x\\x1b]0;owned\\x07[red]" in told(verdict, 200)


def test_a_verdict_comes_back_from_json_as_it_was(verdict: Json) -> None:
    assert verdict_of(verdict_of(verdict).model_dump(mode="json")) == verdict_of(verdict)
    assert '"minikvm_verdict": 1' in verdict_json(verdict)


def test_another_version_is_refused(verdict: Json) -> None:
    with pytest.raises(ConfigError, match="expected version 1 of a verdict of minikvm check"):
        verdict_of(verdict | {"minikvm_verdict": 2})


def test_an_unknown_verdict_is_refused_with_its_place(verdict: Json) -> None:
    verdict["cells"][1]["properties"]["P1"]["verdict"] = "maybe"
    with pytest.raises(ConfigError, match=r'cells\[1\]\.properties\.P1\.verdict: got "maybe", expected \'holds\''):
        verdict_of(verdict)
