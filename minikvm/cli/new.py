"""``minikvm new``: write a plugin package to start from."""

from __future__ import annotations

import re
from pathlib import Path

import click

from minikvm.cli.scaffold import LANGUAGES, Package, write

SLUG = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
MAX_NAME = 40


def checked_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    """Refuse a name that no plugin may have."""
    if not SLUG.fullmatch(name) or len(name) > MAX_NAME:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        hint = f"; {near} would do" if SLUG.fullmatch(near) and len(near) <= MAX_NAME else ""
        raise click.BadParameter(
            f"{name!r}: expected small letters, digits and single dashes, a letter first, at most {MAX_NAME} characters{hint}"
        )
    return name


@click.command(short_help="Write a new plugin package.")
@click.argument("kind", type=click.Choice(["strategy", "backend", "injector", "loop"]))
@click.argument("name", callback=checked_name)
@click.option("--lang", "language", type=click.Choice(LANGUAGES), default="python", show_default=True,
              help="python: easy to write, called with the GIL. cython: compiled, called without it. c: a strategy in kernel-style C.")
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("."), metavar="D",
              help="Write the package's folder below this one; the current folder if not given.")
def new(kind: str, name: str, language: str, folder: Path) -> None:
    """Write a new plugin package: a strategy, backend, injector or loop called NAME.

    The folder minikvm-NAME is complete: code that works, a test that passes, a README, an entry point. Nothing is overwritten.

    \b
    Examples:
      minikvm new strategy my-idea
      minikvm new injector slow-put --lang cython --dir ~/src
      minikvm new strategy my-patch --lang c
    \b
    then:
      pip install -e minikvm-my-idea && minikvm run minikvm-my-idea/tests/small.yaml
    """
    from minikvm.pluginload import builtin_files

    if language == "c" and kind != "strategy":
        raise click.UsageError(f"--lang c: a {kind} is written in python or cython; only a strategy in c")
    if name in builtin_files(kind):
        raise click.UsageError(f"there is a built-in {kind} {name!r}: a plugin of that name would clash with it, choose another")
    package = Package(kind, name, language)
    target = folder / package.distribution
    if target.exists() or target.is_symlink():
        raise click.UsageError(f"{target} is there already: remove it, or choose another name or --dir")
    files = write(package, target)
    click.echo(f"{target} is a {language} package with the {kind} {name}:")
    for file in files:
        click.echo(f"  {file}")
    click.echo(f"\nInstall and run it:\n  {package.install(target)}\n  minikvm run {target / 'tests' / 'small.yaml'}")
