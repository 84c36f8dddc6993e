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
NEED_A_REQUEST = ["m09", "m50"]
WITH_A_REQUEST = "[{request: EVENT, targets: [0], from: {pcpu: 1}, count: 1}]"


def by_model(verdict):
    return [(cell["model"], cell) for cell in verdict["cells"]]


@pytest.fixture
def cells(check):
    """model -> the cell of a file's verdict."""
    return lambda config: dict(by_model(check(BUGS / f"{config}.yaml")))


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
def test_a_file_runs_live_and_ends_with_a_verdict(run_codes, config):
    assert run_codes[config] in (0, 1)


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


@pytest.mark.parametrize("config", [name for name in NAMES if name not in NEED_A_REQUEST])
def test_the_same_scene_is_clean_with_the_merged_form_and_the_kernels_loop(check, config):
    judged = check(BUGS / f"{config}.yaml", "--strategy", "upstream", "--loop", "x86", "--set", "check.properties=[]")
    found = {model: [p for p, said in cell["properties"].items() if said["verdict"] == "violated"] for model, cell in by_model(judged)}
    assert found == {model: [] for model in MODELS}


@pytest.mark.parametrize("config", NEED_A_REQUEST)
def test_a_kick_without_a_request_is_lost_by_the_merged_form_too_and_not_with_one(check, config):
    options = ("--strategy", "upstream", "--loop", "x86")
    without = check(BUGS / f"{config}.yaml", *options)
    having = check(BUGS / f"{config}.yaml", *options, "--set", f"workload={WITH_A_REQUEST}")
    verdicts = [{cell["properties"]["P1"]["verdict"] for _, cell in by_model(judged)} for judged in (without, having)]
    assert verdicts == [{"violated"}, {"holds"}]


@pytest.mark.parametrize("config", RACES)
def test_the_race_of_a_control_is_reported(cells, config):
    assert {cell["properties"]["P10"]["verdict"] for cell in cells(config).values()} == {RACES[config]}
