"""``minikvm litmus``: the kernel's litmus tests, decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from minikvm.cli.run import terminated_as_interrupted

if TYPE_CHECKING:
    from minikvm.litmus import Decided, LitmusError

MODELS = ("sc", "tso", "rc11", "lkmm")
EXIT_CONTRADICTED, EXIT_UNUSABLE, EXIT_UNDECIDED = 1, 2, 4


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option("--model", type=click.Choice(MODELS), default="lkmm", show_default=True, help="Under this memory model.")
@click.option("--budget-executions", type=click.IntRange(min=1), metavar="N", help="Explore at most so many executions of each file.")
@click.option("--budget-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Explore each file for at most so long.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Work on so many files at a time.")
@click.option("-v", "--verbose", count=True, help="How many executions end in each state; where data races are.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
def litmus(
    files: tuple[str, ...], model: str, budget_executions: int | None, budget_seconds: float | None, jobs: int, verbose: int,
    as_json: bool,
) -> int:
    """Decide the litmus tests in FILEs: can what a test asks about happen under a memory model?

    The files are in the C format of the Linux kernel's tools/memory-model, and the answers in the layout of herd7. Every execution
    is explored, except those with load buffering; of each test it is said whether there may be such.
    A file that cannot be read does not stop the others. What is wrong is said again at the end, a line for each file.

    The exit code is 1 when a test is not what its "Result:" comment, or its ~exists or forall, says; 2 when a file could not be
    decided; 4 when a budget ended first, or only load buffering could bear out the comment.

    \b
    Examples:
      minikvm litmus tests/litmus/*.litmus
      minikvm litmus SB.litmus --model tso -v
      minikvm litmus tools/memory-model/litmus-tests/*.litmus --jobs 2 --json
    """
    from minikvm import __version__
    from minikvm.litmus.decide import Decided
    from minikvm.litmus.many import How, decide_all
    from minikvm.report.litmus import complaint, text, to_json

    answers: list[Decided | LitmusError] = []
    with terminated_as_interrupted():
        for answer in decide_all(files, How(model, budget_executions, budget_seconds), jobs):
            answers.append(answer)
            if isinstance(answer, Decided) and not as_json:
                click.echo(f"{text(answer, verbose)}\n")
    code = exit_code(answers)
    if as_json:
        click.echo(to_json(answers, model, __version__, code))
    for answer in answers:
        if not isinstance(answer, Decided):
            click.echo(str(answer), err=True)
        elif len(files) > 1 and (said := complaint(answer)):
            click.echo(said, err=True)
    return code


def exit_code(answers: list[Decided | LitmusError]) -> int:
    """The gravest: a contradiction, then a file that was not decided, then what is not known."""
    from minikvm.litmus.decide import CONTRADICTED, UNDECIDED, Decided

    verdicts = [answer for answer in answers if isinstance(answer, Decided)]
    if any(verdict.agreement == CONTRADICTED for verdict in verdicts):
        return EXIT_CONTRADICTED
    if len(verdicts) < len(answers):
        return EXIT_UNUSABLE
    return EXIT_UNDECIDED if any(verdict.agreement == UNDECIDED or not verdict.exhausted for verdict in verdicts) else 0
