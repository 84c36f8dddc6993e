"""Every built-in strategy but the two old forms keeps P1 to P8, exhausted, in all four models."""

from __future__ import annotations

from pathlib import Path

import pytest

from minikvm.check.cells import Checker
from minikvm.config import load
from minikvm.plugins import Manager

ROOT = Path(__file__).parents[2]
OLD_FORMS = {"linear", "v1-bitmap"}
STRATEGIES = sorted(set(Manager(no_plugins=True).names("strategy")) - OLD_FORMS)
MODELS = ("sc", "tso", "rc11", "lkmm")
SCENES = {"standard": "P1 P2 P3 P5 P6 P7 P8", "seed-wait": "P1 P2 P5 P6 P7 P8", "seed-nowait": "P1 P5 P6 P7 P8"}


@pytest.fixture(scope="module")
def manager():
    return Manager(no_plugins=True)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("scene", SCENES)
def test_a_strategy_holds_in_every_execution(manager, scene, strategy, model):
    path = ROOT / f"configs/{scene}.yaml"
    checker = Checker(load(path, registry=manager), manager, str(path), path.read_text(), strategies=[strategy], models=[model])
    (cell,) = checker.run()
    verdicts = {name: said["verdict"] for name, said in cell.as_dict()["properties"].items() if said["verdict"] != "not judged"}
    assert cell.exhausted
    economy = "exceeded" if strategy == "broadcast" else "holds"
    assert verdicts == {**dict.fromkeys(SCENES[scene].split(), "holds"), "P9": economy, "P10": "no races"}


def test_there_are_strategies_to_hold():
    assert len(STRATEGIES) == 9
