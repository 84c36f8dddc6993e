"""Every known bug of the protocol is found under the models that its row names, and under no stronger one; the controls are clean."""

from __future__ import annotations

from pathlib import Path

import pytest
from known_bugs import CONTROLS, KNOWN_BUGS, MODELS, RACES

from minikvm.config import load

ROOT = Path(__file__).parents[2]
BUGS = ROOT / "configs/bugs"
CASES = [*KNOWN_BUGS, *CONTROLS]
NAMES = sorted({bug.config for bug in CASES})


@pytest.fixture
def cells(check):
    """model -> the cell of a file's verdict."""
    return lambda config: {cell["model"]: cell for cell in check(BUGS / f"{config}.yaml")["cells"]}


def test_every_file_is_in_the_table():
    assert {path.stem for path in BUGS.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("config", NAMES)
def test_a_file_is_named_after_itself_ends_and_is_judged_under_every_model(config):
    file = load(BUGS / f"{config}.yaml")
    assert (file.vm.name, file.check.models, file.duration <= 20e6) == (config, MODELS, True)
    assert all(line.count for line in file.workload)


@pytest.mark.parametrize("bug", KNOWN_BUGS, ids=lambda bug: f"{bug.config}-{bug.property}")
def test_a_file_judges_the_property_that_it_is_about(bug):
    assert bug.property in load(BUGS / f"{bug.config}.yaml").check.properties


@pytest.mark.parametrize("config", NAMES)
def test_a_file_runs_live_and_ends_with_a_verdict(minikvm, config):
    assert minikvm("run", BUGS / f"{config}.yaml", "--duration", "200ms").returncode in (0, 1)


@pytest.mark.parametrize("config", NAMES)
def test_every_model_is_exhausted_within_20_seconds(cells, config):
    found = cells(config)
    assert {model: (cell["exhausted"], cell["seconds"] < 20) for model, cell in found.items()} == dict.fromkeys(MODELS, (True, True))


@pytest.mark.parametrize("bug", CASES, ids=lambda bug: f"{bug.config}-{bug.property}")
def test_it_is_violated_under_the_models_that_its_row_names_and_no_other(cells, bug):
    verdicts = {model: cell["properties"][bug.property]["verdict"] for model, cell in cells(bug.config).items()}
    wanted = {model: "violated" if model in bug.violated_under else "holds" for model in MODELS}
    if bug in CONTROLS:
        wanted = {model: ("holds", "not judged") for model in MODELS}  # P3 and P4 need sleepers and walks
        assert {model: verdict in wanted[model] for model, verdict in verdicts.items()} == dict.fromkeys(MODELS, True)
    else:
        assert verdicts == wanted


@pytest.mark.parametrize("config", RACES)
def test_the_race_of_a_control_is_reported(cells, config):
    assert {cell["properties"]["P10"]["verdict"] for cell in cells(config).values()} == {RACES[config]}
