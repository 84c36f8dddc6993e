"""``minikvm plugins``: what can be named in a YAML file, and where it comes from."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from minikvm.cli.choice import choice_of, plugin_options

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from minikvm.plugins import Manager, Registered

KIND_NAMES = ("strategy", "backend", "injector", "loop", "engine", "model", "workload")
FILE_WIDTH = 160
"""Columns when stdout is no terminal: a table that is not folded is easier to grep."""


@click.group(short_help="List strategies, back ends, injectors and loops; explain one.")
@plugin_options
def plugins() -> None:
    """List strategies, back ends, injectors and run loops, and explain one.

    \b
    Examples:
      minikvm plugins list
      minikvm plugins show upstream
    """


@plugins.command("list")
@plugin_options
@click.option("--kind", type=click.Choice(KIND_NAMES), help="Only this kind.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON (schema minikvm.plugins/1).")
@click.pass_context
def list_plugins(context: click.Context, kind: str | None, as_json: bool) -> None:
    """List everything that a YAML file can name.

    \b
    Examples:
      minikvm plugins list --kind strategy
      minikvm plugins list -p my_strategy.py
      minikvm plugins list --json --no-plugins        only what is built in
    """
    manager = choice_of(context).manager()
    items = manager.all(kind)
    if as_json:
        click.echo(json.dumps(as_dict(manager, items), indent=2))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("kind", "name", "from", "summary"):
        table.add_column(column, no_wrap=column in ("kind", "name"), overflow="fold")
    for item in items:
        table.add_row(item.kind, item.name, origin(item), item.summary)
    if kind is None:
        for request in manager.requests():
            table.add_row("request", request.name, "", f"id {request.id}")
    console().print(table, markup=False)


@plugins.command()
@click.argument("name", shell_complete=lambda context, _parameter, text: complete_any(context, text))
@plugin_options
@click.option("--kind", type=click.Choice(KIND_NAMES), help="Which one, if several kinds have the name.")
@click.pass_context
def show(context: click.Context, name: str, kind: str | None) -> None:
    """Explain NAME: what it is, its options, its capabilities, where it comes from.

    \b
    Examples:
      minikvm plugins show upstream
      minikvm plugins show membarrier --kind backend
      minikvm plugins show my-strategy -p my_strategy.py
    """
    from minikvm.pluginload import NotFound, did_you_mean

    manager = choice_of(context).manager()
    kinds = [kind] if kind else list(KIND_NAMES)
    found = [manager.get(k, name) for k in kinds if name in manager.names(k)]
    if not found:
        known = sorted({known for k in kinds for known in manager.names(k)})
        raise NotFound(f"there is no {kind or 'plugin'} {name!r}{did_you_mean(name, known)} (minikvm plugins list shows all)")
    for number, item in enumerate(found):
        if number:
            click.echo()
        explain(item)


def explain(item: Registered) -> None:
    """Print one class: head line, docstring, options, capabilities, origin."""
    click.echo(f"{item.kind} {item.name}")
    if doc := inspect.cleandoc(item.cls.__doc__ or ""):
        click.echo(f"\n{doc}")
    rows = option_rows(item.options)
    click.echo("\nOptions:" if rows else "\nOptions: none")
    if rows:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
        for column in ("name", "type", "default", "description"):
            table.add_column(column, no_wrap=column == "name", overflow="fold")
        for row in rows:
            table.add_row(*row)
        console().print(table, markup=False)
    if lines := traits(item):
        click.echo("\n" + "\n".join(lines))
    click.echo(f"\nFrom: {origin(item)}\nFile: {item.location or 'unknown'}")


def option_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, description) of each option, from the model's JSON schema."""
    schema = model.model_json_schema()
    required = set(schema.get("required", ()))
    return [
        (
            name,
            type_text(prop, schema.get("$defs", {})),
            "required" if name in required else json.dumps(prop.get("default")),
            prop.get("description", ""),
        )
        for name, prop in schema.get("properties", {}).items()
    ]


def type_text(prop: dict[str, Any], definitions: dict[str, Any]) -> str:
    """A JSON schema's type in a few words: ``integer 1..64``, ``"a" | "b"``."""
    if "$ref" in prop:
        return type_text(definitions.get(prop["$ref"].rpartition("/")[2], {}), definitions)
    if "anyOf" in prop:
        return " | ".join(type_text(choice, definitions) for choice in prop["anyOf"])
    if "enum" in prop or "const" in prop:
        return " | ".join(json.dumps(value) for value in prop.get("enum", [prop.get("const")]))
    kind = str(prop.get("type", "any"))
    if kind == "array" and "items" in prop:
        kind = f"list of {type_text(prop['items'], definitions)}"
    low, high = prop.get("minimum"), prop.get("maximum")
    if low is not None and high is not None:
        return f"{kind} {low}..{high}"
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {prop[key]}" for key, sign in limits.items() if key in prop)])


def traits(item: Registered) -> list[str]:
    """What the class says about itself beside its options, one line each."""
    words = ", ".join(sorted(item.capabilities))
    cls: Any = item.cls
    if item.kind == "strategy":
        half = ", ".join(cls.brings())
        return [f"Requires of the back end: {words or 'nothing'}", *([f"Brings the vCPU's half: {half}"] if half else []), *uses(cls)]
    if item.kind == "backend":
        return [f"Capabilities: {words or 'none'}", f"Cost of an IPI: {cls.cost}"]
    if item.kind == "injector":
        nature = "yes, a run must survive it" if cls.benign else "no, a run must report the violation"
        return [f"Benign: {nature}", f"Points: {', '.join(cls.points)}", *uses(cls)]
    if item.kind == "loop":
        return [f"Architecture: {cls.arch}", *uses(cls)]
    return []


def uses(cls: Any) -> list[str]:
    """What a check has to know of it, if anything."""
    return [f"Uses: {', '.join(sorted(cls.uses))}"] if cls.uses else []


def origin(item: Registered) -> str:
    """Distribution and version, or the file."""
    if item.plugin == "minikvm":
        return f"built in (minikvm {item.version})"
    return f"{item.distribution} {item.version}".strip() or item.plugin


def as_dict(manager: Manager, items: list[Registered]) -> dict[str, Any]:
    """The JSON of ``plugins list``, schema minikvm.plugins/1."""
    return {
        "schema": "minikvm.plugins/1",
        "plugins": [
            {
                "kind": item.kind, "name": item.name, "summary": item.summary, "plugin": item.plugin,
                "distribution": item.distribution or None, "version": item.version or None, "location": item.location,
                "class": f"{item.cls.__module__}.{item.cls.__qualname__}", "options": item.options.model_json_schema(),
                "capabilities": sorted(item.capabilities),
            }
            for item in items
        ],
        "requests": [vars(request) for request in manager.requests()],
        "warnings": list(manager.warnings),
    }


def complete_any(context: click.Context, incomplete: str) -> list[CompletionItem]:
    """Shell completion with the names of every kind."""
    try:
        manager = choice_of(context).manager(warn=False)
        names = sorted({name for kind in KIND_NAMES for name in manager.names(kind)})
    except Exception:
        return []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def console() -> Console:
    """A console on stdout, wide when it is no terminal."""
    from rich.console import Console

    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=FILE_WIDTH)
