"""``minikvm races``: the data races alone, and whether anything breaks because of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from minikvm.cli.check import EXIT_NOT_EXHAUSTED, EXIT_VIOLATED, checker_of, progress_of, several
from minikvm.cli.choice import choice_of, complete_names, plugin_options
from minikvm.cli.configfile import allow_c_option, read, split_settings
from minikvm.cli.run import terminated_as_interrupted

if TYPE_CHECKING:
    from minikvm.check.cells import Checker


@click.command(short_help="List the data races, and what breaks with them.")
@click.argument("file", metavar="FILE", type=click.Path())
@plugin_options
@click.option("--strategy", "strategies", metavar="NAME", multiple=True, callback=several, shell_complete=complete_names("strategy"),
              help="Look at this strategy, or this C file, instead of the file's. May be repeated.")
@click.option("--loop", metavar="NAME", shell_complete=complete_names("loop"), help="Use this run loop instead of the file's.")
@click.option("--model", "models", metavar="NAME", multiple=True, callback=several, shell_complete=complete_names("model"),
              help="Under this memory model: sc, tso, rc11, lkmm. May be repeated; otherwise the file's.")
@click.option("--budget-executions", type=click.IntRange(min=1), metavar="N", help="Explore at most so many executions of each cell.")
@click.option("--budget-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Explore each cell for at most so long.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Explore each cell in so many processes.")
@click.option("--set", "settings", metavar="KEY.PATH=VALUE", multiple=True, callback=split_settings,
              help="Change any value of the file; VALUE is YAML. May be repeated.")
@allow_c_option
@click.option("--json", "as_json", is_flag=True, help="Print the races as JSON.")
@click.pass_context
def races(
    context: click.Context, file: str, strategies: list[str], loop: str | None, models: list[str], budget_executions: int | None,
    budget_seconds: float | None, jobs: int, settings: list[tuple[str, str]], allow_c: bool, as_json: bool,
) -> int:
    """List the data races (P10) in every execution of FILE's scope, as KCSAN would report them, and what breaks with them.

    Of each race: both accesses, the marked form that would silence it, and whether a property fails only where the racing read misses
    the racing write.

    The exit code is 0 without a race or when all races are benign in this scope, 1 when a property is violated in a cell that has a
    race, 4 when the budget ended before that was known.

    \b
    Examples:
      minikvm races configs/seed-wait.yaml --strategy linear
      minikvm races configs/c/v1-bitmap.yaml --model lkmm
    """
    from minikvm.check.cells import How
    from minikvm.check.racing import RaceChecker

    with terminated_as_interrupted():
        manager = choice_of(context).manager()
        config = read(file, manager, settings, allow_c)
        checker = checker_of(config, manager, file, strategies, loop, models, [], budget_executions, budget_seconds, RaceChecker)
        checker.how = How(jobs)
        explore(checker)
    found = found_by(checker)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
    else:
        from rich.console import Console

        from minikvm.report.races import print_races

        print_races(Console(), found)
    if any(cell.races and cell.violated for cell in found.cells):
        return EXIT_VIOLATED
    return 0 if checker.exhausted else EXIT_NOT_EXHAUSTED


def explore(checker: Checker) -> None:
    """Explore every cell, with a progress line."""
    from minikvm.report.checkprogress import CheckProgress

    with CheckProgress() as progress:
        checker.progress = lambda number, total, cell, state: progress.update(progress_of(number, total, cell, state))
        checker.run()


def found_by(checker: Checker) -> Any:
    """What was found, in the form of the JSON."""
    from minikvm.properties import is_advisory
    from minikvm.report.races import Races

    cells = [
        {"strategy": cell.strategy, "loop": cell.loop, "model": cell.model, "executions": cell.executions + cell.blocked,
         "exhausted": cell.exhausted, "violated": sorted(name for name in cell.violations if not is_advisory(name)), "races": cell.racing}
        for cell in checker.cells
    ]  # fmt: skip
    verdict = checker.verdict()
    head = {key: verdict[key] for key in ("minikvm", "file", "scope", "injectors")}
    return Races.model_validate({"minikvm_races": 1, **head, "cells": cells})
