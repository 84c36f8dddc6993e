"""The outputs on docs/litmus.md are what the command prints; only the time is another."""

import re

import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli

TIME = re.compile(r"^(Time \S+) \d+\.\d\d$", re.MULTILINE)


@pytest.fixture
def shown(page_blocks):
    """The console blocks of the page."""
    return [block for block in page_blocks("docs/litmus.md") if block.language == "console"]


def test_the_page_shows_what_the_command_prints(shown, root, monkeypatch):
    monkeypatch.chdir(root)
    assert len(shown) >= 3
    for block in shown:
        done = CliRunner().invoke(cli, block.commands[-1].split()[1:], prog_name="minikvm")
        assert done.exit_code == block.exit_code, f"{block}: {done.output}"
        assert TIME.sub(r"\1 0.00", done.output).rstrip() == TIME.sub(r"\1 0.00", block.output).rstrip(), str(block)


def test_the_example_of_the_format_is_understood(page_blocks):
    from minikvm.litmus import decide, load

    example = next(block for block in page_blocks("docs/litmus.md") if block.text.startswith("C SB+example"))
    assert decide(load("example", example.text)).executions > 0


def test_the_page_names_every_function(page_blocks, root):
    """Each by its name, or as one of a family that is named."""
    from minikvm.litmus.operations import OPERATIONS

    page = (root / "docs/litmus.md").read_text(encoding="utf-8")
    families = ("atomic_", "atomic_long_", "atomic64_", "xchg_", "cmpxchg_")
    missing = [name for name in OPERATIONS if name not in page and not name.startswith(families)]
    assert missing == []
