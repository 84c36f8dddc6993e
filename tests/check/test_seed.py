"""The seed question: may vcpu.cpu be read early? Every row of the protocol's table, from the shipped files and strategies."""

from __future__ import annotations

from pathlib import Path

import pytest
from seed_table import CONFIGS, MODELS, RACES, expected, properties_of

from minikvm.config import load, shipped

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cell(check):
    """The cell of one file, strategy and model."""

    def cell(config, strategy, model):
        forms = [option for form in RACES for option in ("--strategy", form)]
        cells = check(ROOT / f"configs/{config}.yaml", *forms)["cells"]
        return next(cell for cell in cells if (cell["strategy"], cell["model"]) == (strategy, model))

    return cell


def test_every_seed_file_is_shipped():
    assert {name for name in shipped() if name.startswith("seed-")} == set(CONFIGS)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_seed_file_has_the_scope_that_its_name_says(config):
    file = load(config)
    one = config.endswith("-1vcpu-2entries")
    assert (file.vm.vcpus, file.check.vcpus, file.check.entries) == ((1, 1, 2) if one else (2, 2, 1))
    assert (file.workload[0].wait, file.guest.walk_ratio > 0) == (not config.startswith("seed-nowait"), "-walk" in config)
    assert (file.check.models, file.injectors[0].name) == (MODELS, "stale-cpu")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strategy", RACES)
@pytest.mark.parametrize("config", CONFIGS)
def test_the_answer_is_the_one_of_the_table(cell, config, strategy, model):
    found = cell(config, strategy, model)
    verdicts = {property: found["properties"][property]["verdict"] for property in properties_of(config)}
    assert (found["exhausted"], verdicts) == (True, dict.fromkeys(verdicts, expected(strategy, model)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strategy", RACES)
@pytest.mark.parametrize("config", CONFIGS)
def test_nothing_else_is_violated(cell, config, strategy, model):
    rest = {p: said["verdict"] for p, said in cell(config, strategy, model)["properties"].items() if p not in properties_of(config)}
    assert "violated" not in rest.values(), rest


@pytest.mark.parametrize("strategy", RACES)
def test_an_early_plain_read_of_the_cpu_is_a_race_under_every_model(cell, strategy):
    found = {cell(CONFIGS[0], strategy, model)["properties"]["P10"]["verdict"] for model in MODELS}
    assert found == {"races" if RACES[strategy] else "no races"}
