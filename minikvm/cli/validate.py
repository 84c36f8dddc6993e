"""``minikvm validate``: is a YAML file right?"""

from __future__ import annotations

import click

from minikvm.cli.choice import choice_of, plugin_options
from minikvm.cli.configfile import read, split_settings


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@plugin_options
@click.option("--set", "settings", metavar="KEY.PATH=VALUE", multiple=True, callback=split_settings,
              help="Change a value of each file first; VALUE is YAML. May be repeated.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing for a file that is right.")
@click.pass_context
def validate(context: click.Context, files: tuple[str, ...], settings: list[tuple[str, str]], quiet: bool) -> int:
    """Check FILEs without running them.

    Every problem is printed with its line and column, for all files; the exit code is 2 if there is one.

    \b
    Examples:
      minikvm validate configs/*.yaml
      minikvm validate mine.yaml -p my_strategy.py
    """
    from minikvm.config.problems import ConfigError

    manager = choice_of(context).manager()
    wrong = 0
    for file in files:
        try:
            config = read(file, manager, settings)
        except ConfigError as error:
            click.echo(str(error), err=True)
            wrong += 1
        else:
            if not quiet:
                count = config.vm.vcpus
                click.echo(f"{file}: fine ({count} vCPU{'s' if count != 1 else ''})")
    return 2 if wrong else 0
