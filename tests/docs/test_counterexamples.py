"""docs/counterexamples/ and docs/seed-question.md say what `minikvm check` says today. To make both again: docs/counterexamples/make.py."""

import json
import re

import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli
from minikvm.report import read_schedule

FORMS = "linear,v1-bitmap,upstream"
CHEAP = ["seed-nowait-1vcpu-2entries", "seed-nowait-walk-1vcpu-2entries", "seed-wait-1vcpu-2entries", "seed-wait-walk-1vcpu-2entries"]
NAME = re.compile(r"counterexample-(.*)-(sc|tso|rc11|lkmm)-(P\d+)\.json")
PAGE = "docs/seed-question.md"


@pytest.fixture
def check(workplace):
    """`minikvm check ...` in the workplace: what it prints, and its exit code."""

    def check(*arguments):
        done = CliRunner().invoke(cli, ["check", *arguments], prog_name="minikvm")
        return done.output, done.exit_code

    return check


@pytest.fixture
def kept(root):
    """(strategy, model, property) of each schedule file of a configuration."""

    def kept(config):
        names = [path.name for path in (root / "docs/counterexamples" / config).iterdir()]
        return {NAME.fullmatch(name).groups() for name in names}

    return kept


@pytest.mark.parametrize("config", CHEAP)
def test_there_is_a_file_for_each_violated_cell_and_no_other(config, check, kept):
    verdict = json.loads(check(f"configs/{config}.yaml", "--strategy", FORMS, "--json")[0])
    violated = {(cell["strategy"], cell["model"], name) for cell in verdict["cells"]
                for name, said in cell["properties"].items() if said["verdict"] == "violated"}  # fmt: skip
    assert violated and kept(config) == violated


@pytest.mark.parametrize("config", CHEAP)
def test_two_vcpus_violate_what_one_with_two_entries_violates(config, kept):
    assert kept(config.removesuffix("-1vcpu-2entries")) == kept(config)


def test_every_file_is_a_schedule_that_says_what_its_name_says(root):
    files = sorted((root / "docs/counterexamples").glob("*/*.json"))
    assert files
    for path in files:
        schedule = read_schedule(path)
        said = (f"configs/{path.parent.name}.yaml", schedule.strategy, schedule.model, schedule.property)
        assert (schedule.file, *said[1:]) == (said[0], *NAME.fullmatch(path.name).groups())
        assert schedule.config == (root / schedule.file).read_text(encoding="utf-8"), f"{path}: {schedule.file} has changed"


@pytest.mark.parametrize("config", CHEAP)
def test_a_file_replays(config, check, kept, root):
    for strategy, model, name in sorted(kept(config)):
        output, code = check("--replay", str(root / f"docs/counterexamples/{config}/counterexample-{strategy}-{model}-{name}.json"))
        assert code == 1 and f"{name} is violated again" in output, output


def facts(text):
    """The lines that carry a verdict, without numbers, which other changes move."""
    lines = (line for line in text.splitlines() if re.search("holds|VIOLATED|violated|races", line))
    return [" ".join(re.sub(r"\d[\d,]* executions|[Ss]tep \d+", "", line).split()) for line in lines]


def test_the_page_shows_what_is_printed(page_blocks, check, monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")
    blocks = [block for block in page_blocks(PAGE) if block.language == "console" and "1vcpu-2entries" in block.text]
    assert blocks
    for block in blocks:
        output, code = check(*block.commands[0].split()[2:])
        assert code == block.exit_code
        shown = facts(block.text)
        assert shown and [line for line in shown if line not in facts(output)] == [], f"{block}: see docs/counterexamples/make.py"
