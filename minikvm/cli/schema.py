"""``minikvm schema``: the JSON schema of the YAML files."""

from __future__ import annotations

import json

import click

from minikvm.cli.choice import choice_of, plugin_options


@click.command()
@plugin_options
@click.pass_context
def schema(context: click.Context) -> None:
    """Print the JSON schema of the YAML files.

    Give it to an editor, and it completes keys, offers the names and the options of strategies, back ends, loops and injectors (those of
    the installed plugins and of -p, too), and marks mistakes.

    \b
    Example:
      minikvm schema > minikvm.schema.json
      and as the first line of a YAML file:
      # yaml-language-server: $schema=minikvm.schema.json
    """
    from minikvm.config.schema import schema as schema_of_config

    text = schema_of_config(choice_of(context).manager())
    click.echo(json.dumps(text, indent=2, ensure_ascii=False))
