"""Reading a YAML file for a command, with the changes that the command line asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from minikvm.plugins import Manager


def split_settings(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> list[tuple[str, str]]:
    """``key.path=value`` -> (path, value text), for ``--set``."""
    pairs = []
    for value in values:
        path, sign, text = value.partition("=")
        if not sign or not all(path.split(".")):
            raise click.BadParameter(f"{value!r}: expected KEY.PATH=VALUE, such as guest.halt_ratio=0.5 or injectors.0.probability=1")
        pairs.append((path, text))
    return pairs


allow_c_option = click.option("--allow-c", is_flag=True, help="Compile C files that FILE names though they are not beside it.")


def read(path: str, manager: Manager, settings: list[tuple[str, str]], allow_c: bool = False) -> Any:
    """The configuration in *path* with *settings* (path, YAML text) laid over it, in order.

    Raises ConfigError with every problem of the file and of the settings.
    """
    from minikvm.config.overrides import load_with

    return load_with(path, settings, registry=manager, allow_c=allow_c)
