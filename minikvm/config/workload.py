"""The workload section: which requests are made, to whom, from where, how often."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from minikvm.config.fields import (
    MAX_PCPUS,
    MAX_VCPUS,
    Duration,
    Expected,
    Index,
    IndexSet,
    Many,
    OneOrMany,
    Pcpu,
    RequestName,
    Section,
    at_most,
    problem,
)

TARGETS_TEXT = 'all, a list of vCPU indexes, a text such as "0-3,7" or "0x1f", {random: k} or {except: ...}'
FROM_TEXT = "one of {pcpu: n}, {irq: n}, {vcpu: n}"


class RandomTargets(Section):
    """So many different vCPUs, drawn anew for each call."""

    random: Annotated[
        int,
        Field(ge=1, le=MAX_VCPUS, description="How many vCPUs each call draws.", examples=[4]),
        Expected(f"a whole number 1..{MAX_VCPUS}"),
    ]


def _except_kind(value: Any) -> str:
    return "<indexes>" if isinstance(value, list | tuple) else "<text>"


class ExceptTargets(Section):
    """All vCPUs but some."""

    but: Annotated[
        Annotated[Many[Index], Field(min_length=1, max_length=MAX_VCPUS), at_most(MAX_VCPUS), Tag("<indexes>")]
        | Annotated[IndexSet, Tag("<text>")],
        Discriminator(_except_kind),
        Field(alias="except", description="The vCPUs that are left out: a list of indexes, or a text.", examples=["0,2-7"]),
        Expected('a list of vCPU indexes, or a text such as "0,2-7"', item=f"a vCPU index 0..{MAX_VCPUS - 1}"),
    ]


def _targets_kind(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return "<indexes>"
    if isinstance(value, ExceptTargets) or (isinstance(value, dict) and "except" in value and "random" not in value):
        return "<except>"
    if isinstance(value, RandomTargets | dict):
        return "<random>"
    if value == "all":
        return "<all>"
    return "<text>" if isinstance(value, str) and any(c.isdigit() for c in value) else None


def _no_number(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        raise problem(TARGETS_TEXT, "one vCPU is a list of one, and a mask needs quotes")
    return value


Targets = (
    Annotated[Literal["all"], Tag("<all>")]
    | Annotated[Many[Index], Field(min_length=1, max_length=MAX_VCPUS), at_most(MAX_VCPUS), Tag("<indexes>")]
    | Annotated[IndexSet, Tag("<text>")]
    | Annotated[RandomTargets, Tag("<random>")]
    | Annotated[ExceptTargets, Tag("<except>")]
)


class Initiator(Section):
    """Who makes the requests: a task on a pCPU, an interrupt on a pCPU, or a vCPU's own thread. Exactly one key."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    pcpu: Annotated[Pcpu | None, Field(description="A task on this pCPU.", examples=[0]), Expected(f"a pCPU 0..{MAX_PCPUS - 1}")] = None
    irq: Annotated[
        Pcpu | None,
        Field(description="An interrupt on this pCPU, with IRQs off; it cannot wait (R25).", examples=[1]),
        Expected(f"a pCPU 0..{MAX_PCPUS - 1}"),
    ] = None
    vcpu: Annotated[
        Index | None, Field(description="This vCPU's own thread.", examples=[2]), Expected(f"a vCPU index 0..{MAX_VCPUS - 1}")
    ] = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Initiator:
        if [self.pcpu, self.irq, self.vcpu].count(None) != 2:
            raise problem(FROM_TEXT)
        return self

    @property
    def kind(self) -> Literal["pcpu", "irq", "vcpu"]:
        """Which of the three keys is there."""
        return "pcpu" if self.pcpu is not None else "irq" if self.irq is not None else "vcpu"

    @property
    def index(self) -> int:
        """The number behind the key: a pCPU slot for pcpu and irq, a vCPU index for vcpu."""
        value = getattr(self, self.kind)
        assert isinstance(value, int)
        return value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Flag = Annotated[bool | None, Expected("true, false, or null for the request's own flag")]


class WorkloadLine(Section):
    """One stream of requests."""

    request: Annotated[
        RequestName,
        Field(description="The request to make, by KVM's name, with or without KVM_REQ_.", examples=["TLB_FLUSH"]),
        Expected("the name of a request, such as TLB_FLUSH"),
    ]
    wait: Annotated[
        Flag, Field(description="Return only when every target has left the guest; null: as the request says.", examples=[True])
    ] = None
    no_wakeup: Annotated[Flag, Field(description="Leave sleepers asleep; null: as the request says.", examples=[False])] = None
    no_action: Annotated[Flag, Field(description="Log no request bit, only kick; null: as the request says.", examples=[False])] = None
    targets: Annotated[
        Targets,
        Discriminator(_targets_kind),
        BeforeValidator(_no_number),
        Field(
            description="The vCPUs asked: all of them, some by index, a set as text, so many at random, all but some.", examples=["0-3,7"]
        ),
        Expected(TARGETS_TEXT, item=f"a vCPU index 0..{MAX_VCPUS - 1}"),
    ] = "all"
    sources: Annotated[
        Many[Annotated[Initiator, Expected(FROM_TEXT)]],
        BeforeValidator(_as_list),
        at_most(MAX_PCPUS),
        OneOrMany,
        Field(
            alias="from",
            min_length=1,
            max_length=MAX_PCPUS,
            description="Who makes the requests; of a list, all at the same time.",
            examples=[{"vcpu": 2}],
        ),
        Expected(f"{FROM_TEXT}, or a list of them", item=FROM_TEXT),
    ] = (Initiator(pcpu=0),)
    initiators: Annotated[
        int,
        Field(
            ge=1, le=MAX_PCPUS, description="So many initiators at the same time, on this and the following pCPUs (or vCPUs).", examples=[2]
        ),
    ] = 1
    every: Annotated[Duration, Field(description="From the start of one call to the next; 0: at once.", examples=["1ms"])] = 0.0
    count: Annotated[
        int | None,
        Field(ge=1, le=10**12, description="Calls of each initiator; null: until the duration ends.", examples=[1000]),
        Expected("a whole number 1..1000000000000, or null"),
    ] = None
    hold: Annotated[
        Duration, Field(description="How long the requester of an entry gate keeps it closed; only for a gate.", examples=["50us"])
    ] = 0.0
