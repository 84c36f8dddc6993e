"""Reading the JSON files that ``minikvm check`` writes: every problem at once, each with the file and what was expected."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from minikvm.config.problems import ConfigError, Problem

MAX_VALUE = 40

Model = TypeVar("Model", bound=BaseModel)


def parse(text: str | bytes, file: str, model: type[Model], key: str, what: str) -> Model:
    """The *model* that *text* holds: a JSON object whose member *key* is the format's version, 1.

    *what* names the format in messages ("a schedule file"). Raises ConfigError (exit code 2) with *file* in each problem when
    it is no JSON, of another version, or does not fit.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError([_problem(file, f"no JSON ({error.msg})", what, line=error.lineno, column=error.colno)]) from None
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of thousands of digits, thousands of brackets
        raise ConfigError([_problem(file, f"no JSON ({type(error).__name__})", what)]) from None
    return of(data, file, model, key, what)


def of(data: Any, file: str, model: type[Model], key: str, what: str) -> Model:
    """The same from what a JSON text holds."""
    if not isinstance(data, dict) or key not in data:
        raise ConfigError([_problem(file, "something else", f'{what}: a JSON object with "{key}": 1')])
    if type(data[key]) is not int or data[key] != 1:
        expected = f"version 1 of {what}, which is the one that this minikvm reads"
        hint = f"written by minikvm {data['minikvm']}" if isinstance(data.get("minikvm"), str) else ""
        raise ConfigError([Problem(file, 0, 0, (key,), shorten(data[key]), expected, hint)])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_from_pydantic(file, found) for found in error.errors(include_url=False)) from None


def shorten(value: Any) -> str:
    """*value* as JSON, at most 40 characters."""
    text = json.dumps(value, default=str)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 3]}..."


def _problem(file: str, got: str, expected: str, line: int = 0, column: int = 0) -> Problem:
    return Problem(file, line, column, (), got, expected)


def _from_pydantic(file: str, found: Any) -> Problem:
    path = tuple(found["loc"])
    if found["type"] == "missing":
        return Problem(file, 0, 0, path, "", "a value", fault="missing")
    message = str(found["msg"])
    for start in ("Input should be ", "Value error, "):
        message = message.removeprefix(start)
    return Problem(file, 0, 0, path, shorten(found["input"]), message)
