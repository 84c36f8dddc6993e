"""`minikvm races`: each race with both sides, what silences it, and whether a property fails only with it."""

from __future__ import annotations

import json
import re

import pytest
from c_forms import FORMS, ROOT

from minikvm.check import search
from minikvm.check.cells import How
from minikvm.check.racing import RaceChecker
from minikvm.config import loads

SEED = ROOT / "configs/seed-wait-1vcpu-2entries.yaml"
READ = "READ_ONCE(vcpu->cpu)"
LATE_AND_NOBODY_WAITS = (FORMS / "current-cpu.c").read_text().replace("!!(req & KVM_REQUEST_WAIT)", "false")
"""The plain read in its right place, and a bug that has nothing to do with it: WAIT is lost."""


@pytest.fixture
def races(call, tmp_path):
    """The JSON of `minikvm races`, and its exit code."""

    def races(*options, text=None):
        if text is not None:
            (tmp_path / "my.c").write_text(text)
            options = ("--strategy", "my.c", *options)
        code, out, err = call("races", SEED, "--json", *options)
        assert code in (0, 1, 4), err
        return code, json.loads(out)

    return races


@pytest.fixture
def the_race(races):
    """The one race of one strategy under one model, and the exit code."""

    def the_race(model, **options):
        code, found = races("--model", model, **options)
        ((race,),) = [cell["races"] for cell in found["cells"]]
        return code, race

    return the_race


def test_both_sides_have_their_place_their_threads_and_the_form_that_silences_them(the_race):
    _, race = the_race("sc", text=(FORMS / "linear.c").read_text())
    ours, other = race["accesses"]
    line = 1 + (FORMS / "linear.c").read_text().splitlines().index("\t\tcpu = vcpu->cpu;")
    assert ours == {"access": "read", "plain": True, "word": "vcpu->cpu", "place": f"my.c:{line}", "threads": ["task on pCPU 2"],
                    "mark": READ}
    assert (other["access"], other["plain"], other["threads"], other["mark"]) == ("write", False, ["vCPU 0"], None)


@pytest.mark.parametrize(("form", "model", "only"), [("linear", "lkmm", True), ("v1-bitmap", "sc", True), ("v1-bitmap", "lkmm", True)])
def test_a_property_that_fails_only_where_the_read_misses_the_write_is_told_so(the_race, form, model, only):
    code, race = the_race(model, text=(FORMS / f"{form}.c").read_text())
    said = {found["property"]: (found["violations"] == found["missed"] > 0, found["only_with_it"]) for found in race["properties"]}
    assert (code, said) == (1, {"P1": (True, only), "P2": (True, only)})


def test_a_property_with_another_cause_is_not_laid_to_the_race(the_race):
    code, race = the_race("sc", text=LATE_AND_NOBODY_WAITS)
    (found,) = race["properties"]
    assert (code, found["property"], found["only_with_it"], found["missed"] < found["violations"]) == (1, "P2", False, True)


@pytest.mark.parametrize(("form", "model"), [("linear", "tso"), ("current-cpu", "lkmm")])
def test_a_race_with_which_nothing_fails_is_no_error(the_race, form, model):
    code, race = the_race(model, text=(FORMS / f"{form}.c").read_text())
    assert (code, race["properties"]) == (0, [])


def test_the_mark_silences_the_race_and_changes_no_verdict(races):
    text = (FORMS / "v1-bitmap.c").read_text()
    code, found = races("--model", "sc", text=text.replace("cpu = vcpu->cpu;", f"cpu = {READ};"))
    (cell,) = found["cells"]
    assert (code, cell["races"], cell["violated"]) == (0, [], ["P1", "P2"])


def test_a_race_that_is_meant_is_silent(races):
    text = (FORMS / "current-cpu.c").read_text().replace("cpu = vcpu->cpu;", "cpu = data_race(vcpu->cpu);")
    assert [cell["races"] for cell in races(text=text)[1]["cells"]] == [[]] * 4


def test_a_compiled_strategy_is_asked_like_any_other(races):
    _, found = races("--model", "sc", "--strategy", "linear")
    assert found["cells"][0]["races"][0]["accesses"][0]["place"].startswith("minikvm/strategies/linear.pyx:")


@pytest.mark.parametrize("form", ["linear", "v1-bitmap", "current-cpu"])
def test_two_processes_find_what_one_does(form, monkeypatch, manager):
    monkeypatch.setattr(search, "ALONE", 0.0)
    text = SEED.read_text()
    found = []
    for jobs in (1, 2):
        checker = RaceChecker(loads(text, registry=manager), manager, "scene.yaml", text, strategies=[str(FORMS / f"{form}.c")],
                              models=["lkmm"])
        checker.how = How(jobs)
        checker.run()
        found.append([(cell.executions, cell.blocked, cell.racing) for cell in checker.cells])
    assert found[0] == found[1] and found[0][0][2]


def test_jobs_is_an_option_of_the_command(races):
    both = [races("--model", "lkmm", "--jobs", jobs, text=(FORMS / "v1-bitmap.c").read_text()) for jobs in ("1", "2")]
    assert both[0] == both[1]


def test_a_budget_that_ends_first_is_exit_code_4(races):
    code, found = races("--model", "sc", "--budget-executions", "1", text=(FORMS / "upstream.c").read_text())
    assert (code, found["cells"][0]["exhausted"]) == (4, False)


def test_what_a_person_reads(call, tmp_path):
    (tmp_path / "my.c").write_text((FORMS / "v1-bitmap.c").read_text())
    code, out, _ = call("races", SEED, "--strategy", "my.c", "--model", "sc,tso", COLUMNS="140")
    said = re.sub(r"entry\.pyx:\d+", "entry.pyx:N", out).partition("\n\n")[2].splitlines()
    assert (code, said[:4]) == (1, [
        "my.c: a race under sc, tso",
        "  plain read of vcpu->cpu at my.c:23 (task on pCPU 2)",
        "  marked write of vcpu->cpu at minikvm/core/entry.pyx:N (vCPU 0)",
        f"  silenced by {READ}; or by data_race(vcpu->cpu), if it is meant to race",
    ])
    assert "  sc, tso: P1 (seen) fails, and only where this read misses that write (its only violation)." in said
