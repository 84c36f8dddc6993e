"""The seed question asked of the kernel's function in C: the protocol's table again, and the same executions as the Cython twins have."""

from __future__ import annotations

import re

import pytest
from c_forms import FORMS, ROOT, TWINS
from seed_table import CONFIGS, MODELS, RACES, expected, properties_of

from minikvm.check.cells import Checker
from minikvm.config import load


@pytest.fixture(scope="module")
def cells(manager):
    """(config) -> {(strategy, model): cell}, each C form and each twin; a configuration is checked once."""
    made = {}

    def cells(config):
        if config not in made:
            file = ROOT / f"configs/{config}.yaml"
            strategies = [*(str(FORMS / f"{form}.c") for form in TWINS), *sorted(set(TWINS.values()))]
            checker = Checker(load(file, registry=manager), manager, str(file), file.read_text(), strategies=strategies, models=MODELS)
            made[config] = {(cell.strategy.rpartition("/")[2], cell.model): cell for cell in checker.run()}
        return made[config]

    return cells


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", TWINS)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_c_form_gets_the_answer_of_the_table(cells, config, form, model):
    cell = cells(config)[f"{form}.c", model]
    verdicts = {property: cell.verdict_of(property)["verdict"] for property in properties_of(config)}
    assert (cell.exhausted, verdicts) == (True, dict.fromkeys(verdicts, expected(TWINS[form], model)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", TWINS)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_c_form_violates_nothing_that_its_twin_does_not(cells, config, form, model):
    found = cells(config)
    assert set(found[f"{form}.c", model].violations) == set(found[TWINS[form], model].violations)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", TWINS)
@pytest.mark.parametrize("config", CONFIGS)
def test_a_c_form_has_as_many_executions_as_its_twin(cells, config, form, model):
    found = cells(config)
    twin = found[TWINS[form], model]
    assert (found[f"{form}.c", model].executions, found[f"{form}.c", model].blocked) == (twin.executions, twin.blocked)


@pytest.fixture
def line_of():
    """The text of a source place, file:line."""

    def line_of(place):
        file, line = place.split(":")
        return (ROOT / file).read_text().splitlines()[int(line) - 1].strip()

    return line_of


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("form", ["linear", "v1-bitmap", "current-cpu"])
def test_the_plain_read_of_the_cpu_is_a_race_with_both_lines_named(cells, line_of, form, model):
    (race,) = cells(CONFIGS[0])[f"{form}.c", model].races
    sides = [re.fullmatch(r"(.*) of vcpu->cpu at (\S+)", side).groups() for side in race]
    assert [kind for kind, _ in sides] == ["plain read", "write"]
    ours, other = (line_of(place) for _, place in sides)
    assert (f"/{form}.c:" in sides[0][1], "cpu = vcpu->cpu;" in ours, "v.cpu" in other) == (True, True, True)


@pytest.mark.parametrize("model", MODELS)
def test_the_merged_form_has_no_race(cells, model):
    assert [cells(config)["upstream.c", model].races for config in CONFIGS] == [[]] * len(CONFIGS)


def test_the_table_knows_the_twins():
    assert set(TWINS.values()) <= set(RACES)


@pytest.mark.parametrize("form", TWINS)
def test_the_shipped_file_of_a_form_shows_the_answer(manager, form):
    file = ROOT / f"configs/c/{form}.yaml"
    checker = Checker(load(file, registry=manager), manager, str(file), file.read_text())
    found = {cell.model: sorted(cell.violations) for cell in checker.run()}
    assert found == {model: ["P1", "P2"] if expected(TWINS[form], model) == "violated" else [] for model in MODELS}


@pytest.mark.parametrize("form", TWINS)
def test_the_shipped_file_of_a_form_is_the_plugins(form):
    assert (ROOT / f"configs/c/{form}.c").read_text() == (FORMS / f"{form}.c").read_text()
