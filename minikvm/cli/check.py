"""``minikvm check``: every interleaving under every memory model, or the shortest one that breaks a property."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from minikvm.cli.choice import choice_of, complete_names, plugin_options
from minikvm.cli.configfile import allow_c_option, read, split_settings
from minikvm.cli.run import terminated_as_interrupted

if TYPE_CHECKING:
    from minikvm.check.cells import Cell, Checker, How
    from minikvm.check.search import Progress
    from minikvm.report.checkprogress import CheckUpdate

EXIT_VIOLATED, EXIT_NOT_EXHAUSTED = 1, 4


def several(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[str]:
    """Options that may be repeated, or hold names with commas between them (but a comma in the path of a C file that is there)."""
    pieces = [[value] if value.endswith(".c") and Path(value).is_file() else value.split(",") for value in values]
    return [name.strip() for piece in pieces for name in piece if name.strip()]


@click.command()
@click.argument("file", metavar="[FILE]", type=click.Path(), required=False)
@plugin_options
@click.option("--strategy", "strategies", metavar="NAME", multiple=True, callback=several, shell_complete=complete_names("strategy"),
              help="Check this strategy, or this C file, instead of the file's. May be repeated.")
@click.option("--all-strategies", is_flag=True, help="Check every strategy that is installed or named with -p.")
@click.option("--loop", metavar="NAME", shell_complete=complete_names("loop"), help="Use this run loop instead of the file's.")
@click.option("--model", "models", metavar="NAME", multiple=True, callback=several, shell_complete=complete_names("model"),
              help="Under this memory model: sc, tso, rc11, lkmm. May be repeated; otherwise the file's.")
@click.option("--property", "properties", metavar="P", multiple=True, callback=several,
              help="Judge only this property, P1 to P10. May be repeated.")
@click.option("--budget-executions", type=click.IntRange(min=1), metavar="N", help="Explore at most so many executions of each cell.")
@click.option("--budget-seconds", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Explore each cell for at most so long.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Explore each cell in so many processes.")
@click.option("--checkpoint", metavar="FILE", type=click.Path(dir_okay=False),
              help="Write how far it is, when interrupted and every 30 s. With several cells, a file for each: FILE-strategy-model.")
@click.option("--resume", metavar="FILE", type=click.Path(dir_okay=False), help="Go on from a checkpoint, and write it further.")
@click.option("--random", type=click.IntRange(min=1), metavar="N", help="So many random walks instead, and an estimate of the whole.")
@click.option("--seed", type=int, default=1, metavar="S", help="Of the random walks.")
@click.option("--set", "settings", metavar="KEY.PATH=VALUE", multiple=True, callback=split_settings,
              help="Change any value of the file; VALUE is YAML. May be repeated.")
@allow_c_option
@click.option("--replay", metavar="SCHEDULE", type=click.Path(), help="Run the execution of a schedule file again, step by step.")
@click.option("--out", metavar="DIR", type=click.Path(file_okay=False), default=".", help="Write schedule files to this folder.")
@click.option("--html", metavar="FILE", type=click.Path(dir_okay=False), help="Draw the counterexample as an HTML page, too.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@click.pass_context
def check(
    context: click.Context, file: str | None, strategies: list[str], all_strategies: bool, loop: str | None, models: list[str],
    properties: list[str], budget_executions: int | None, budget_seconds: float | None, jobs: int, checkpoint: str | None,
    resume: str | None, random: int | None, seed: int, settings: list[tuple[str, str]],
    allow_c: bool, replay: str | None, out: str, html: str | None, as_json: bool,
) -> int:
    """Check FILE's strategy in every interleaving, under every memory model of its check: part.

    The same compiled kick path and run loops that `minikvm run` executes are explored, in the small scope that the file's check: part
    states. Each property holds, with the number of executions, or is violated, with the shortest counterexample found.
    The exit code is 0 when all hold, 1 when one is violated, 4 when the budget ended first.

    \b
    Examples:
      minikvm check configs/quickstart.yaml
      minikvm check configs/seed-wait.yaml --strategy linear,v1-bitmap,upstream
      minikvm check configs/seed-wait.yaml --strategy v1-bitmap --model sc --html race.html
      minikvm check --replay counterexample-v1-bitmap-sc-P1.json --strategy upstream
    """
    with terminated_as_interrupted():
        manager = choice_of(context).manager()
        if replay is not None:
            return run_again(replay, manager, strategies, allow_c, html)
        if file is None:
            raise click.UsageError("Missing argument 'FILE': the configuration to check (or --replay SCHEDULE).")
        config = read(file, manager, settings, allow_c)
        wanted = list(manager.names("strategy")) if all_strategies else strategies
        checker = checker_of(config, manager, file, wanted, loop, models, properties, budget_executions, budget_seconds,
                             changed=bool(settings))
        checker.how = how_of(jobs, checkpoint, resume, random, seed)
        return watch(checker, Path(out), html, as_json)


def how_of(jobs: int, checkpoint: str | None, resume: str | None, random: int | None, seed: int) -> How:
    """How to search; UsageError for what does not go together."""
    from minikvm.check.cells import How

    if random is not None and (jobs != 1 or checkpoint is not None or resume is not None):
        raise click.UsageError("--random does not go with --jobs, --checkpoint or --resume: walks have no subtrees and nothing to resume")
    save_to = checkpoint or resume
    return How(jobs, Path(save_to) if save_to else None, Path(resume) if resume else None, random=random, seed=seed)


def checker_of(
    config: Any, manager: Any, file: str, strategies: list[str], loop: str | None, models: list[str], properties: list[str],
    executions: int | None, seconds: float | None, cls: type[Checker] | None = None, changed: bool = False,
) -> Checker:
    """The checker, with everything that was named on the command line looked up first. *changed*: it differs from the file."""
    from minikvm import __version__
    from minikvm.check.cells import Checker
    from minikvm.check.search import Budget
    from minikvm.config import as_data, dumps, override
    from minikvm.config.files import find
    from minikvm.config.files import read as read_text
    from minikvm.properties import PROPERTIES

    for kind, names in (("strategy", strategies), ("model", models), ("loop", [loop] if loop else [])):
        for name in names:
            manager.get(kind, name)
    for name in properties:
        if name not in PROPERTIES:
            raise click.BadParameter(f"{name!r} is no property; expected one of {', '.join(PROPERTIES)}", param_hint="--property")
    text = read_text(find(file))
    if properties:  # a replay judges, and so explores, no others
        config = override(config, check={**as_data(config)["check"], "properties": properties})
    if changed or properties:
        text = dumps(config)  # what a schedule keeps is what was checked, not what the file says
    return (cls or Checker)(config, manager, file, text, strategies=strategies, loop=loop, models=models, properties=properties,
                   budget=Budget(executions, seconds), version=__version__)


def progress_of(number: int, total: int, cell: Cell, state: Progress) -> CheckUpdate:
    """How far a check is, for CheckProgress."""
    from minikvm.kinds import label

    return {"cell": f"{label(cell.strategy)}, {cell.model}", "cells_done": number, "cells_total": total,
            "executions": state.executions + state.blocked, "rate": state.rate, "elapsed_s": state.seconds, "share": state.share}


def watch(checker: Checker, out: Path, html: str | None, as_json: bool) -> int:
    """Explore with a progress line; print the verdict, also when it was cut short."""
    from minikvm.report.checkprogress import CheckProgress

    with CheckProgress() as progress:

        def tell(number: int, total: int, cell: Cell, state: Progress) -> None:
            progress.update(progress_of(number, total, cell, state))

        checker.progress = tell
        try:
            checker.run()
        except KeyboardInterrupt:
            progress.close()
            show(checker, out, html, as_json)
            raise
    show(checker, out, html, as_json)
    if checker.violated:
        return EXIT_VIOLATED
    return 0 if checker.exhausted else EXIT_NOT_EXHAUSTED


def show(checker: Checker, out: Path, html: str | None, as_json: bool) -> None:
    """Write the schedule files, print the verdict and the first counterexample."""
    from rich.console import Console

    from minikvm.properties import is_advisory
    from minikvm.report.checktable import print_verdict
    from minikvm.report.counterexample import write_schedule
    from minikvm.report.drawing import print_counterexample
    from minikvm.report.html import write_html

    verdict = checker.verdict()
    first: tuple[dict[str, Any], Path] | None = None
    pages = 0
    for cell, said in zip(checker.cells, verdict["cells"], strict=True):
        for name, schedule in cell.schedules.items():
            what = checker.slug(cell.strategy) + ("" if cell.loop in ("x86", "arm64") else f"-{checker.slug(cell.loop)}")
            path = out / f"{'worst' if is_advisory(name) else 'counterexample'}-{what}-{cell.model}-{name}.json"
            out.mkdir(parents=True, exist_ok=True)
            write_schedule(path, schedule)
            if name in said["properties"]:
                said["properties"][name]["file"] = str(path)
            if is_advisory(name):
                continue
            first = first or (schedule, path)
            if html is not None:
                target = Path(html)
                pages += 1
                named = target.with_stem(f"{target.stem}-{what}-{cell.model}-{name}")
                write_html(target if pages == 1 else named, schedule)
    if as_json:
        click.echo(json.dumps(verdict, indent=2))
        return
    console = Console()
    print_verdict(console, verdict)
    if first is not None:
        print_counterexample(console, *first)


def run_again(path: str, manager: Any, strategies: list[str], allow_c: bool, html: str | None) -> int:
    """--replay: the same execution, or where another strategy parts from it."""
    from rich.console import Console

    from minikvm import __version__
    from minikvm.check.replay import replay
    from minikvm.properties import is_advisory
    from minikvm.report.counterexample import read_schedule, schedule_of
    from minikvm.report.drawing import print_counterexample
    from minikvm.report.html import write_html

    if len(strategies) > 1:
        raise click.UsageError("--replay runs one strategy")
    saved = read_schedule(path)
    strategy = strategies[0] if strategies else None
    again, message = replay(saved.model_dump(mode="json", by_alias=True), Path(path), manager, strategy, __version__, allow_c)
    console = Console()
    if again is not None:
        print_counterexample(console, again)
        if html is not None:
            write_html(html, schedule_of(again))
    console.print(message, markup=False, highlight=False)
    return EXIT_VIOLATED if again is not None and not is_advisory(saved.property) else 0
