"""The commands that the pages show: all of them parse; those of a page, run in its order, end as the page says."""

import re
import shlex

import click
import pytest
from click.testing import CliRunner

from minikvm.cli.main import cli

VIOLATED = re.compile(r"P\d+ \(\w+\) was VIOLATED")
STORIES = ["README.md", "docs/tutorial.md", "docs/protocol.md", "docs/c-strategies.md"]
# Compiled packages are built for real in tests/packaging and tests/cli/test_new.py.
NEEDS_A_COMPILED_PACKAGE = "--strategy second"
ENDS_LATER = ("hyperv-flush.yaml", "chaos.yaml")


def minikvm(command):
    """The arguments of a minikvm command line, or None for another program's."""
    words = shlex.split(command)
    return words[1:] if words[0] == "minikvm" else None


def parse(arguments):
    """Parse as click would, down to the last command, and run nothing."""
    command, name, context = cli, "minikvm", None
    while True:
        context = command.make_context(name, list(arguments), parent=context)
        if not isinstance(command, click.Group):
            return
        rest = [*(getattr(context, "_protected_args", None) or ()), *context.args]
        name, command, arguments = command.resolve_command(context, rest)


def test_every_command_of_a_block_parses(console, workplace):
    for command in console.commands:
        if (arguments := minikvm(command)) is not None:
            parse(arguments)


def test_an_option_that_is_not_there_is_found():
    with pytest.raises(click.UsageError, match="no-such-option"):
        parse(["run", "some.yaml", "--no-such-option"])


def lost(shown, printed):
    """The first line of an output, as a page shows it with cuts, that was not printed behind the ones before it; None if all were."""
    lines = iter([line.rstrip() for line in printed.splitlines()])
    return next((line for line in shown.splitlines() if line.strip() not in ("", "...") and line.rstrip() not in lines), None)


def test_a_line_that_is_not_printed_is_found():
    assert lost("a\n...\nc", "a\nb\nc  \n") is None
    assert lost("a\n...\nd", "a\nb\nc\n") == "d"


@pytest.fixture
def run(workplace):
    """Run a command line in the workplace; one of a long configuration is cut short."""

    def run(command):
        cut = ["--duration", "300ms"] if command.endswith(ENDS_LATER) or any(f"{name} " in command for name in ENDS_LATER) else []
        return CliRunner().invoke(cli, [*minikvm(command), *(cut if " run " in command else [])], prog_name="minikvm")

    return run


@pytest.mark.parametrize("story", STORIES)
def test_the_commands_of_a_page_end_as_it_says(story, page_blocks, workplace, run):
    for block in page_blocks(story):
        if block.file:
            path = workplace / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if block.language != "console":
            continue
        for command in block.commands:
            if minikvm(command) is None or NEEDS_A_COMPILED_PACKAGE in command:
                continue
            done = run(command)
            assert done.exit_code == block.exit_code, f"{block}: {command}\n{done.output}"
            missing = set(VIOLATED.findall(block.output)) - set(VIOLATED.findall(done.output))
            assert not missing, f"{block}: {command} no longer prints {missing}\n{done.output}"
            if command.startswith(("minikvm check", "minikvm races")) and command == block.commands[-1]:
                assert lost(block.output, done.output) is None, f"{block}: {command} no longer prints this line\n{done.output}"
            if command.startswith(("minikvm new", "minikvm validate")) and block.output:
                assert done.output.startswith(block.output), f"{block}: {command} prints something else\n{done.output}"
