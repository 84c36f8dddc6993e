"""Each .pyi of minikvm.core says what the compiled module has: the same public names, the same parameters."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import types
from pathlib import Path

import pytest

import minikvm.core

CORE = Path(minikvm.core.__file__).parent
STUBS = sorted(path.stem for path in CORE.glob("*.pyi"))
# Known to the type checker everywhere, to the runtime from 3.12 on.
ONLY_IN_STUBS = {"__buffer__"} if sys.version_info < (3, 12) else set()

Function = ast.FunctionDef | ast.AsyncFunctionDef


def names_in(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """What the statements of a stub define; what they import is not theirs."""
    found: dict[str, ast.stmt] = {}
    for statement in body:
        if isinstance(statement, Function | ast.ClassDef):
            found[statement.name] = statement
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = statement
        elif isinstance(statement, ast.Assign):
            found.update({target.id: statement for target in statement.targets if isinstance(target, ast.Name)})
        elif isinstance(statement, ast.If):
            pytest.fail(f"line {statement.lineno}: this test does not read an 'if' in a stub")
    return found


def stub(module: str) -> dict[str, ast.stmt]:
    return names_in(ast.parse((CORE / f"{module}.pyi").read_text()).body)


def public(names: dict[str, ast.stmt] | dict[str, object]) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def own_names(module: types.ModuleType) -> dict[str, object]:
    """The names of a module without what it imported."""
    return {
        name: value
        for name, value in vars(module).items()
        if not isinstance(value, types.ModuleType) and getattr(value, "__module__", module.__name__) == module.__name__
    }


def stubbed_classes() -> list[tuple[str, str]]:
    """The public ones: a stub may need a private class to say what a public name is."""
    every = [(module, name, found) for module in STUBS for name, found in stub(module).items()]
    return [(module, name) for module, name, found in every if isinstance(found, ast.ClassDef) and not name.startswith("_")]


def stubbed_functions() -> list[tuple[str, str, str]]:
    found = [(module, "", name) for module in STUBS for name, each in stub(module).items() if isinstance(each, Function)]
    for module, owner in stubbed_classes():
        body = names_in(stub(module)[owner].body)  # type: ignore[attr-defined]
        found += [(module, owner, name) for name, each in body.items() if isinstance(each, Function) and not name.startswith("_")]
    return found


def parameters_of(function: Function) -> list[str]:
    every = function.args
    given = [*every.posonlyargs, *every.args, *([every.vararg] if every.vararg else []), *every.kwonlyargs]
    return [each.arg for each in [*given, *([every.kwarg] if every.kwarg else [])] if each.arg not in ("self", "cls")]


def compiled_parameters(value: object, name: str) -> list[str]:
    """The parameters as Cython wrote them on the first line of the docstring (directive embedsignature)."""
    first = (getattr(value, "__doc__", None) or "").partition("\n")[0]
    match = re.match(rf"(?:\w+\.)*{re.escape(name)}\((.*)\)(?: -> .*)?$", first)
    assert match, f"{name} has no signature on the first line of its docstring, but {first!r}"
    text = re.sub(r"\([^()]*\)|\[[^\[\]]*\]|'[^']*'", "", match.group(1))
    words = [part.partition("=")[0].partition(":")[0].split() for part in text.split(",")]
    names = [word[-1].lstrip("*") for word in words if word and word[-1] not in ("/", "*")]
    return [each for each in names if each not in ("self", "cls")]


def test_there_is_a_stub_for_every_compiled_module() -> None:
    assert {path.stem for path in CORE.glob("*.pyx")} - set(STUBS) == set()


@pytest.mark.parametrize("module", STUBS)
def test_a_stub_has_the_public_names_of_its_module(module: str) -> None:
    assert public(stub(module)) == public(own_names(importlib.import_module(f"minikvm.core.{module}")))


@pytest.mark.parametrize(("module", "name"), stubbed_classes())
def test_a_stub_class_has_the_public_names_of_the_class(module: str, name: str) -> None:
    value = getattr(importlib.import_module(f"minikvm.core.{module}"), name)
    stubbed = names_in(stub(module)[name].body)  # type: ignore[attr-defined]
    fields = set(getattr(value, "__dataclass_fields__", ()))  # one without a default is no attribute of the class
    assert public(stubbed) == public(vars(value)) | fields
    missing = {each for each in stubbed if each.startswith("__") and not hasattr(value, each)}
    assert missing - ONLY_IN_STUBS == set()


@pytest.mark.parametrize(("module", "owner", "name"), stubbed_functions())
def test_a_stub_function_has_the_parameters_of_the_function(module: str, owner: str, name: str) -> None:
    found = stub(module)[owner or name]
    function = names_in(found.body)[name] if owner else found  # type: ignore[attr-defined]
    if any("property" in ast.dump(decorator) for decorator in function.decorator_list):  # type: ignore[attr-defined]
        return
    imported = importlib.import_module(f"minikvm.core.{module}")
    value = getattr(getattr(imported, owner), name) if owner else getattr(imported, name)
    assert parameters_of(function) == compiled_parameters(value, name)  # type: ignore[arg-type]
