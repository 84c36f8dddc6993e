"""Which plugins a command works with: the options ``-p``, ``--no-plugins`` and ``--strict-plugins``.

They stand before the command or after it, so that ``minikvm -p a.py run x.yaml`` and ``minikvm run x.yaml -p a.py`` are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from minikvm.cli.errors import say

if TYPE_CHECKING:
    from minikvm.plugins import Manager

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class PluginChoice:
    """What the command line said; the manager is made when a command first asks for it."""

    plugins: list[str] = field(default_factory=list)
    no_plugins: bool = False
    strict: bool = False

    def manager(self, warn: bool = True) -> Manager:
        """Load the plugins, and say on stderr which are broken."""
        from minikvm.plugins import Manager

        manager = Manager(self.plugins, no_plugins=self.no_plugins, strict=self.strict)
        for warning in manager.warnings if warn else ():
            say(f"warning: {warning}")
        return manager


def choice_of(context: click.Context) -> PluginChoice:
    """The choice that all commands of this invocation share."""
    return context.find_root().ensure_object(PluginChoice)


def plugin_options(command: Command) -> Command:
    """Give *command* the three options; their values go to the shared PluginChoice."""

    def add(context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> None:
        choice_of(context).plugins.extend(value)

    def forbid(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        choice_of(context).no_plugins |= value

    def strict(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
        choice_of(context).strict |= value

    for option in (
        click.option("--strict-plugins", is_flag=True, expose_value=False, callback=strict,
                     help="A broken installed plugin is an error (exit code 3), not a warning."),
        click.option("--no-plugins", is_flag=True, expose_value=False, callback=forbid,
                     help="Load no installed plugin, only those that -p names."),
        click.option("-p", "--plugin", "plugin", multiple=True, metavar="FILE_OR_MODULE", expose_value=False, callback=add,
                     help="Load a .py file, an installed plugin or a module; no:NAME leaves an installed one, or a built-in, out. "
                          "May be repeated."),
    ):
        command = option(command)
    return command


def complete_names(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Shell completion with the names of *kind*, the plugins' included."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            names = choice_of(context).manager(warn=False).names(kind)
        except Exception:
            return []  # a shell that completes has no place for an error; the command itself will say it
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete
