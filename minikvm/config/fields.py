"""Types that the models share: what a message expects of a field, durations, index lists, names."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from minikvm.config.listformat import BadList, parse_list, parse_set
from minikvm.kinds import is_c_file

MAX_VCPUS = 4096
MAX_PCPUS = 4096
MAX_VCPU_ID = 4 * MAX_VCPUS - 1
"""Highest vCPU id; KVM on x86 allows four ids a vCPU (KVM_VCPU_ID_RATIO, arch/x86/include/asm/kvm_host.h)."""

FOREVER = math.inf


@dataclass(frozen=True)
class Expected:
    """Field metadata: what a message says was expected; ``item`` is the same for one element of a list or mapping."""

    text: str
    item: str = ""


def problem(expected: str, hint: str = "") -> PydanticCustomError:
    """The error that a validator raises when it knows better than ``Expected`` what is wrong."""
    return PydanticCustomError("minikvm", "expected {expected}", {"expected": expected, "hint": hint})


class Section(BaseModel):
    """A mapping of the YAML file: frozen, unknown keys are errors, and nothing is converted ("8" is no number)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """pydantic's protocol: every key carries ``x-expected``, the words of the messages."""
        from minikvm.config.explain import expected_of

        body = handler(core)
        properties = handler.resolve_ref_schema(body).get("properties", {})
        for name, field in cls.model_fields.items():
            if (field.alias or name) in properties:
                properties[field.alias or name]["x-expected"] = expected_of(field)
        return body


_UNITS = {"ns": Decimal("0.001"), "us": Decimal(1), "µs": Decimal(1), "ms": Decimal(1000), "s": Decimal(10**6), "min": Decimal(60 * 10**6)}
_DURATION = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE][-+]?[0-9]{1,3})?) ?(ns|us|µs|ms|s|min)", re.ASCII)
_MAX_US = 30 * 24 * 3600 * 1e6
_DURATION_TEXT = "a duration with a unit, such as 10us, 1.5ms or 2s"


def parse_duration(value: object) -> float:
    """Microseconds of "10us", "1.5ms", "2s", "1min", 0. Raises PydanticCustomError."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        if value == 0:
            return 0.0
        raise problem(_DURATION_TEXT, "the unit is missing")
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise problem(_DURATION_TEXT)
    microseconds = float(Decimal(match[1]) * _UNITS[match[2]])
    if microseconds > _MAX_US:
        raise problem("a duration of at most 30 days")
    return microseconds


def format_duration(microseconds: float) -> str | int:
    """The shortest text that parse_duration reads back to the same value; 0 is the number 0, infinity is "forever"."""
    if math.isinf(microseconds):
        return "forever"
    if microseconds == 0:
        return 0
    for unit, scale in (("s", 1e6), ("ms", 1e3)):
        if microseconds % scale == 0:
            return f"{int(microseconds / scale)}{unit}"
    return f"{int(microseconds) if microseconds.is_integer() else repr(microseconds)}us"


def _run_duration(value: object) -> float:
    if value in ("forever", FOREVER):
        return FOREVER
    microseconds = parse_duration(value)
    if microseconds == 0:
        raise problem("a duration above 0", "leave it out to run until every count is done")
    return microseconds


def _us_or_forever(value: object) -> float:
    if value in ("forever", FOREVER):
        return FOREVER
    if isinstance(value, float | int) and not isinstance(value, bool) and 0 < value <= _US_LIMIT:
        return float(value)
    raise problem(f"a number of microseconds above 0, at most {_US_LIMIT}, or forever")


_US_LIMIT = 10**9
_DURATION_SCHEMA: JsonSchemaValue = {
    "anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)? ?(ns|us|µs|ms|s|min)$"}, {"const": 0}]
}
Duration = Annotated[
    float,
    PlainValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema(_DURATION_SCHEMA),
    Expected(_DURATION_TEXT),
]
"""Microseconds; written with a unit."""

RunDuration = Annotated[
    float,
    PlainValidator(_run_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"anyOf": [*_DURATION_SCHEMA["anyOf"][:1], {"const": "forever"}]}),
]
"""Microseconds above 0, or FOREVER."""

MicrosOrForever = Annotated[
    float,
    PlainValidator(_us_or_forever),
    PlainSerializer(lambda us: "forever" if math.isinf(us) else us),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": _US_LIMIT}, {"const": "forever"}]}),
    Expected(f"a number of microseconds above 0, at most {_US_LIMIT}, or forever"),
]
Micros = Annotated[float, Field(gt=0, le=_US_LIMIT), Expected(f"a number of microseconds above 0, at most {_US_LIMIT}")]
Ratio = Annotated[float, Field(ge=0, le=1), Expected("a number 0..1")]


def _list_validator(what: str, limit: int, parse: Callable[[str, int], tuple[int, ...]]) -> Callable[[object], str]:
    example = '"0,2-7"' if parse is parse_list else '"0,2-7" or "0x1f"'

    def validate(value: object) -> str:
        if not isinstance(value, str):
            hint = "put it in quotes" if isinstance(value, int) and not isinstance(value, bool) else ""
            raise problem(f"{what} as text, such as {example}", hint)
        try:
            parse(value, limit)
        except BadList as bad:
            where = f'at "{bad.part[:20]}"' if bad.part else "between the commas"
            hint = where if bad.part != value else ""
            raise problem(bad.expected, hint) from None
        return value

    return validate


_LIST_SCHEMA: JsonSchemaValue = {"type": "string", "pattern": r"^\s*[0-9]+(-[0-9]+)?\s*(,\s*[0-9]+(-[0-9]+)?\s*)*$"}
_SET_SCHEMA: JsonSchemaValue = {"anyOf": [_LIST_SCHEMA, {"type": "string", "pattern": "^0[xX][0-9a-fA-F]+$"}]}
IndexList = Annotated[str, PlainValidator(_list_validator("vCPU indexes", MAX_VCPUS, parse_list)), WithJsonSchema(_LIST_SCHEMA)]
IdList = Annotated[str, PlainValidator(_list_validator("vCPU ids", MAX_VCPU_ID + 1, parse_list)), WithJsonSchema(_LIST_SCHEMA)]
IndexSet = Annotated[str, PlainValidator(_list_validator("vCPU indexes", MAX_VCPUS, parse_set)), WithJsonSchema(_SET_SCHEMA)]
Index = Annotated[int, Field(ge=0, lt=MAX_VCPUS), Expected(f"a vCPU index 0..{MAX_VCPUS - 1}")]
Pcpu = Annotated[int, Field(ge=0, lt=MAX_PCPUS), Expected(f"a pCPU 0..{MAX_PCPUS - 1}")]

_PREFIX = "KVM_REQ_"
_REQUEST = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)


def _request_name(value: object) -> str:
    name = value.removeprefix(_PREFIX) if isinstance(value, str) else ""
    if not _REQUEST.fullmatch(name):
        hint = f"did you mean {name.upper()}?" if _REQUEST.fullmatch(name.upper()) else ""
        raise problem("the name of a request in capitals, such as TLB_FLUSH", hint)
    return name


RequestName = Annotated[str, PlainValidator(_request_name), WithJsonSchema({"type": "string", "pattern": "^(KVM_REQ_)?[A-Z][A-Z0-9_]*$"})]
"""Without the prefix KVM_REQ_, which a file may write or leave out."""


def _plugin_name(value: object) -> str:
    if is_c_file(value):
        return str(value)
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", value, re.ASCII):
        raise problem("a name: a letter, then letters, digits, - or _")
    return value


PluginName = Annotated[str, PlainValidator(_plugin_name), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.-]*$|\\.c$"})]


class OneOrMany:
    """Field metadata for a tuple: a single element may be written without the list."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: Callable[[Any], CoreSchema]) -> CoreSchema:
        """pydantic's protocol: the tuple's own schema; the element is wrapped by ``wrap_one``."""
        return handler(source)

    @staticmethod
    def __get_pydantic_json_schema__(core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """pydantic's protocol: anyOf the element, the list."""
        many = handler(core)
        return {"anyOf": [many["items"], many]}


_T = TypeVar("_T")
Many = Annotated[tuple[_T, ...], Field(strict=False)]
"""A YAML list. (A strict pydantic tuple would refuse Python's list; the elements stay strict.)"""


def at_most(count: int) -> BeforeValidator:
    """Field metadata: a list or mapping of more elements is refused before any is looked at; pydantic would validate them all first."""

    def check(value: Any) -> Any:
        if isinstance(value, list | tuple | dict) and len(value) > count:
            raise problem(f"at most {count} elements")
        return value

    return BeforeValidator(check)
