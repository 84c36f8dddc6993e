"""``minikvm run``: run the VM that a YAML file describes, and print the report."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import click

from minikvm.cli.choice import choice_of, complete_names, plugin_options
from minikvm.cli.configfile import allow_c_option, read, split_settings


@click.command()
@click.argument("file", metavar="FILE", type=click.Path())
@plugin_options
@click.option("--strategy", metavar="NAME", shell_complete=complete_names("strategy"), help="Use this strategy instead of the file's.")
@click.option("--backend", metavar="NAME", shell_complete=complete_names("backend"), help="Use this IPI back end instead of the file's.")
@click.option("--seed", metavar="N", help="Use this seed: the same seed makes the same random choices.")
@click.option("--duration", metavar="D", help='Stop after this time, such as "500ms", "10s".')
@click.option("--set", "settings", metavar="KEY.PATH=VALUE", multiple=True, callback=split_settings,
              help="Change any value of the file; VALUE is YAML. May be repeated.")
@allow_c_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON (schema minikvm.report/1).")
@click.option("-v", "--verbose", is_flag=True, help="Print more: every vCPU of a violation's dump, counters that are zero.")
@click.pass_context
def run(
    context: click.Context, file: str, strategy: str | None, backend: str | None, seed: str | None, duration: str | None,
    settings: list[tuple[str, str]], allow_c: bool, as_json: bool, verbose: bool,
) -> int:
    """Run the VM that FILE describes, and report what happened.

    Each vCPU is a thread. The run checks itself: a property of the vCPU request protocol that is violated is named in the report,
    with the state of every vCPU, and the exit code is 1. Ctrl-C (or SIGTERM) ends the run early; the report so far is printed.

    \b
    Examples:
      minikvm run configs/quickstart.yaml
      minikvm run configs/quickstart.yaml --strategy linear --json > report.json
      minikvm run configs/hyperv-flush.yaml --duration 5s --set vm.vcpus=64
      minikvm run configs/quickstart.yaml -p my_strategy.py --strategy my-strategy
      minikvm run configs/quickstart.yaml --set 'injectors=[{name: stale-cpu, probability: 0.1}]'
    """
    named = {"strategy": strategy, "backend": backend, "seed": seed, "duration": duration}
    changes = [*((key, value) for key, value in named.items() if value is not None), *settings]
    with terminated_as_interrupted():
        manager = choice_of(context).manager()
        config = read(file, manager, changes, allow_c)
        return watch(config, manager, as_json, verbose)


def watch(config: Any, manager: Any, as_json: bool, verbose: bool) -> int:
    """Run the VM with a progress bar; print the report, also when the run was cut short, and return its exit code."""
    from minikvm.live import VM
    from minikvm.report.progress import RunProgress

    with RunProgress() as progress:
        vm = VM(config, manager=manager, progress=progress.update)
        try:
            with vm:
                result = vm.run()
        except BaseException:
            # Interrupted, or a plugin's exception: what was done is still worth reading.
            progress.close()
            if (so_far := vm.report) is not None:
                show(so_far, as_json, verbose)
            raise
    show(result, as_json, verbose)
    return int(result.exit_code)


def show(report: Any, as_json: bool, verbose: bool) -> None:
    """Print *report* on stdout."""
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2))
        return
    from rich.console import Console

    from minikvm.report import text

    text.render(report.as_dict(), Console(), verbose)


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Within it SIGTERM does what Ctrl-C does, so that a supervisor's stop leaves no thread and still gets the report."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals belong to the main thread, and so does their handling
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """The handler: end what runs on the main thread as Ctrl-C does."""
    raise KeyboardInterrupt
