"""The command ``minikvm``: its options and its commands, one file each.

Only click is imported here: what a command needs is imported when it runs, so that ``minikvm --help`` answers at once.
"""

from __future__ import annotations

import click

import minikvm
from minikvm.cli.check import check
from minikvm.cli.choice import plugin_options
from minikvm.cli.errors import Commands
from minikvm.cli.litmus import litmus
from minikvm.cli.new import new
from minikvm.cli.plugins import plugins
from minikvm.cli.races import races
from minikvm.cli.run import run
from minikvm.cli.schema import schema
from minikvm.cli.validate import validate

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@click.group(cls=Commands, context_settings=CONTEXT)
@plugin_options
@click.version_option(minikvm.__version__, prog_name="minikvm", message="%(prog)s %(version)s")
def cli() -> None:
    """Run virtual machines whose only job is to kick each other's vCPUs, and see whether a kick strategy is right.

    A YAML file says how many vCPUs and pCPUs there are, which strategy brings requests to them, which races are injected, and what
    is asked of the VM. minikvm runs it on real threads, watches the properties of the vCPU request protocol, and reports.

    \b
    Examples:
      minikvm run configs/quickstart.yaml             the first thing to try
      minikvm check configs/seed-wait.yaml            every interleaving, under every memory model
      minikvm races configs/c/v1-bitmap.yaml          the data races, and what breaks with them
      minikvm litmus tests/litmus/*.litmus            the kernel's litmus tests
      minikvm plugins list                            every strategy, back end, injector and loop
      minikvm new strategy my-idea                    start a plugin of your own
      minikvm -p my_idea.py run FILE --strategy my-idea

    \b
    Exit codes: 0 fine; 1 a property was violated; 2 usage or configuration; 3 a plugin failed; 4 a check was not
    exhausted within its budget; 130 interrupted.

    \b
    Shell completion, in ~/.bashrc (or ~/.zshrc with zsh_source; fish: fish_source):
      eval "$(_MINIKVM_COMPLETE=bash_source minikvm)"
    """


for command in (run, check, races, litmus, validate, schema, plugins, new):
    cli.add_command(command)


def main() -> None:
    """The entry point; ends the process."""
    cli(prog_name="minikvm")
