"""``minikvm schema``: the JSON schema of the YAML files."""

from __future__ import annotations

import click

from minikvm.cli.choice import choice_of, plugin_options


@click.command()
@plugin_options
@click.pass_context
def schema(context: click.Context) -> None:
    """Print the JSON schema of the YAML files.

    The names and options of the installed plugins, and of those that -p names, are part of it. Give it to an editor, and it
    completes keys and marks mistakes.

    \b
    Example:
      minikvm schema > minikvm.schema.json
      and as the first line of a YAML file:
      # yaml-language-server: $schema=minikvm.schema.json
    """
    from minikvm.config import schema_text

    click.echo(schema_text(choice_of(context).manager()).rstrip("\n"))
