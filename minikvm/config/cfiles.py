"""C files in a configuration: ``strategy: {c: my_patch.c}``. From here on the file's path, which ends in .c, is the plugin's name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minikvm.config.problems import Problem, did_you_mean, quoted
from minikvm.config.yamldoc import NOWHERE, Document
from minikvm.kinds import C_KINDS, is_c_file

EXPECTED = "the path of a C file, such as my_patch.c"


def name_c_files(doc: Document, data: Any, allow_c: bool, found: Mapping[str, str] | None = None) -> list[Problem]:
    """Put the path of each C file, as seen from the current folder, where a plugin's name stands in *data*; what is wrong with it.

    A path in the file is relative to the file's folder, one from the command line to the current one. Compiling a file is running
    it, so a configuration may name only what lies beside it (or below its folder), unless *allow_c*. A symbolic link beside it is
    beside it: who put it there could have put the text there. *found*: kind -> the name to take where *data* names a C file, for a
    configuration that is not where it was.
    """
    problems: list[Problem] = []
    for key in C_KINDS if isinstance(data, dict) else ():
        value = data.get(key)
        mapping = isinstance(value, dict) and "c" in value
        if found is not None and key in found and (mapping or is_c_file(value)):
            options = {option: given for option, given in value.items() if option != "c"} if mapping and is_c_file(found[key]) else {}
            data[key] = {"name": found[key], **options}
            continue
        if mapping:
            where: tuple[str | int, ...] = (key, "c")
            path = value.pop("c")
            if "name" in value:
                problems.append(_problem(doc, (key, "name"), value["name"], "name or c, not both"))
                continue
            if not is_c_file(path):
                problems.append(_problem(doc, where, path, EXPECTED))
                value["name"] = "unknown"  # what is wrong has been said
                continue
        elif is_c_file(value):
            where, path = (key,), value
        else:
            continue
        full, wrong = _resolved(doc, where, path, allow_c)
        problems += wrong
        if mapping:
            value["name"] = full
        else:
            data[key] = full
    return problems


def _resolved(doc: Document, where: tuple[str | int, ...], path: str, allow_c: bool) -> tuple[str, list[Problem]]:
    node = doc.node(where)
    asked = node is None or node.place == NOWHERE  # on the command line: a path that the user named
    folder = Path() if asked else Path(doc.name).parent
    full = Path(os.path.expanduser(path)) if asked else folder / path
    if not full.is_file():
        beside = sorted(file.name for file in full.parent.glob("*.c")) if full.parent.is_dir() else []
        fault = "a folder" if full.is_dir() else "no such file"
        return str(full), [_problem(doc, where, path, f"the path of a C file ({fault}: {full})", did_you_mean(full.name, beside))]
    if not (asked or allow_c or Path(os.path.abspath(full)).is_relative_to(os.path.abspath(folder))):
        return str(full), [
            _problem(doc, where, path, "a C file beside this file (compiling a file is running it)", "--allow-c compiles it all the same")
        ]
    return str(full), []


def _problem(doc: Document, where: tuple[str | int, ...], value: Any, expected: str, hint: str = "") -> Problem:
    line, column = doc.place(where)
    return Problem(doc.name, line, column, where, quoted(value) if isinstance(value, str) else str(value), expected, hint)
