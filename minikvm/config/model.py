"""VMConfig: one YAML file, that is one VM and what is done to it. Descriptions and examples become docs/yaml-reference.md."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, GetJsonSchemaHandler, Tag, field_validator, model_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from minikvm.config.fields import (
    MAX_PCPUS,
    MAX_VCPUS,
    Expected,
    IdList,
    IndexList,
    Many,
    Micros,
    MicrosOrForever,
    PluginName,
    Ratio,
    RequestName,
    RunDuration,
    Section,
    at_most,
    problem,
)
from minikvm.config.workload import WorkloadLine

OVERCOMMIT_TEXT = f"a number 1..{MAX_VCPUS}, or null"


class VM(Section):
    """The virtual machine: its vCPU table and the engine that runs it."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=100, description="The VM's name in reports.", examples=["hyperv-flush"]),
        Expected("a name of 1 to 100 printable characters"),
    ] = "vm"
    vcpus: Annotated[
        int, Field(ge=1, le=MAX_VCPUS, description="Slots of the vCPU table, holes included; indexes are 0..vcpus-1.", examples=[8])
    ]
    ids: Annotated[
        IdList | None,
        Field(description="The vCPUs' ids in ascending order, as many as vcpus, in list format; null: 0..vcpus-1.", examples=["0-3,8-11"]),
        Expected('as many vCPU ids as vcpus, such as "0-7,16-23", or null'),
    ] = None
    holes: Annotated[
        IndexList | None,
        Field(description="Indexes of the table that stay empty, in list format; null: none.", examples=["3,5-6"]),
        Expected('vCPU indexes, such as "3,5-6", or null'),
    ] = None
    engine: Annotated[PluginName, Field(description="The guest engine.", examples=["threads"]), Expected("the name of an engine")] = (
        "threads"
    )

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not name.isprintable():
            raise problem("a name of 1 to 100 printable characters")
        return name


class Host(Section):
    """A made-up host. sockets * cores * threads, its pCPUs, is at most 4096."""

    sockets: Annotated[int, Field(ge=1, le=MAX_PCPUS, description="Sockets.", examples=[2])]
    cores: Annotated[int, Field(ge=1, le=MAX_PCPUS, description="Cores of a socket.", examples=[36])]
    threads: Annotated[int, Field(ge=1, le=MAX_PCPUS, description="Threads of a core.", examples=[2])] = 1
    nodes: Annotated[
        int | None,
        Field(ge=1, le=MAX_PCPUS, description="NUMA nodes, at most one a core; null: one a socket.", examples=[2]),
        Expected(f"a whole number 1..{MAX_PCPUS}, or null"),
    ] = None

    @property
    def pcpus(self) -> int:
        """sockets * cores * threads."""
        return self.sockets * self.cores * self.threads


class Placement(Section):
    """Which pCPU each vCPU starts on, and how it moves."""

    policy: Annotated[
        Literal["spread", "pack", "random"],
        Field(
            description="spread: over nodes and cores first, siblings last; pack: neighbours together; random: by the seed.",
            examples=["pack"],
        ),
    ] = "spread"
    overcommit: Annotated[
        float | None,
        Field(
            ge=1, le=MAX_VCPUS, description="vCPUs a pCPU: ceil(vcpus / overcommit) pCPUs are used; null: all of the host's.", examples=[2]
        ),
        Expected(OVERCOMMIT_TEXT),
    ] = None
    pins: Annotated[
        dict[int, int],
        at_most(MAX_VCPUS),
        Field(description="vCPU index: the pCPU it starts on, whatever the policy.", max_length=MAX_VCPUS, examples=[{0: 0, 1: 4}]),
        Expected("a mapping of vCPU indexes to pCPUs, such as {0: 0, 1: 4}", item=f"a pCPU 0..{MAX_PCPUS - 1}"),
    ] = Field(default_factory=dict)
    migrate: Annotated[Ratio, Field(description="Probability that a descheduled vCPU is next loaded on another pCPU.", examples=[0.05])] = (
        0.05
    )
    timeslice_us: Annotated[
        Micros, Field(description="A vCPU is descheduled after so long when others wait for its pCPU.", examples=[2000])
    ] = 2000.0


class Plugin(Section):
    """A plugin by name, alone or in a mapping with its own options beside the key name."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[PluginName, Field(description="The plugin's name.", examples=["upstream"]), Expected("the name of a plugin")]

    @property
    def options(self) -> dict[str, Any]:
        """Every key but those of the class itself, as read."""
        return dict(self.model_extra or {})

    @model_serializer(mode="plain")
    def _serialize(self) -> Any:
        own = {key: getattr(self, key) for key in type(self).model_fields if getattr(self, key) is not None}
        return self.name if len(own) == 1 and not self.options else {**own, **self.options}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """pydantic's protocol: anyOf the bare name, the mapping."""
        mapping = dict(handler.resolve_ref_schema(super().__get_pydantic_json_schema__(core, handler)))
        plain: JsonSchemaValue = {str(key): mapping.pop(key) for key in ("title", "description") if key in mapping}
        return {**plain, "anyOf": [{"type": "string"}, mapping]}


class InjectorPlugin(Plugin):
    """A race injector by name, with the probability that it strikes where it is asked, and its own options."""

    probability: Annotated[
        float | None,
        Field(ge=0, le=1, description="Probability at each point; null: the injector's own.", examples=[0.05]),
        Expected("a number 0..1, or null"),
    ] = None


class Guest(Section):
    """What a vCPU does between the requests. Ratios are probabilities at each exit."""

    work: Annotated[
        Literal["sleep", "spin"] | None,
        Field(description="How guest time passes; null: sleep where the back end can interrupt a sleeper, else spin.", examples=["spin"]),
        Expected("sleep, spin or null"),
    ] = None
    enter_us: Annotated[MicrosOrForever, Field(description="Mean stay in the guest, or forever: until kicked.", examples=[50])] = 50.0
    jitter: Annotated[Ratio, Field(description="Stays differ from their mean by up to this part of it.", examples=[0.5])] = 0.5
    halt_ratio: Annotated[Ratio, Field(description="Exits after which the vCPU blocks.", examples=[0.2])] = 0.0
    halt_us: Annotated[MicrosOrForever, Field(description="Longest block, or forever: until woken.", examples=[1000])] = 1000.0
    walk_ratio: Annotated[Ratio, Field(description="Exits after which the vCPU walks its shadow page tables.", examples=[0.1])] = 0.0
    walk_us: Annotated[Micros, Field(description="Length of a walk.", examples=[20])] = 20.0
    fastpath_ratio: Annotated[Ratio, Field(description="Exits that re-enter at once, after the last check alone.", examples=[0.3])] = 0.0


class OwnRequest(Section):
    """A request id of the file's own."""

    name: Annotated[
        RequestName,
        Field(description="Its name, for the workload.", examples=["MY_REQUEST"]),
        Expected("the name of a request in capitals"),
    ]
    id: Annotated[int, Field(ge=8, le=63, description="Its bit; 0..7 are common to all architectures.", examples=[48])]
    flags: Annotated[
        Many[Literal["wait", "no_wakeup", "no_action"]],
        at_most(3),
        Field(description="What holds unless a workload line says otherwise.", max_length=3, examples=[["wait", "no_wakeup"]]),
        Expected("a list of wait, no_wakeup, no_action", item="wait, no_wakeup or no_action"),
    ] = ()
    gate: Annotated[
        bool, Field(description="The requester clears it itself and so keeps vCPUs from entering meanwhile.", examples=[True])
    ] = False
    sticky: Annotated[bool, Field(description="Never cleared once made, such as VM_DEAD.", examples=[False])] = False


class Watchdog(Section):
    """When a vCPU that owes an answer comes under suspicion."""

    suspect_ms: Annotated[
        float,
        Field(gt=0, le=10**6, description="Milliseconds without an answer.", examples=[1000]),
        Expected("a number of milliseconds above 0, at most 1000000"),
    ] = 1000.0


class Check(Section):
    """Bounds for exploring every interleaving; a run takes no notice."""

    vcpus: Annotated[int, Field(ge=1, le=64, description="vCPUs.", examples=[2])] = 2
    pcpus: Annotated[int, Field(ge=1, le=64, description="pCPUs.", examples=[2])] = 2
    entries: Annotated[int, Field(ge=1, le=64, description="Guest entries of each vCPU.", examples=[2])] = 2
    initiators: Annotated[int, Field(ge=1, le=32, description="Initiators, the first ones of the workload.", examples=[2])] = 4
    calls: Annotated[int, Field(ge=1, le=64, description="Calls of each initiator, at most its line's count.", examples=[1])] = 1
    tasks: Annotated[
        Literal["own", "shared"],
        Field(
            description="own: a pCPU for each task, beyond the vCPUs'; shared: the pCPUs that the lines name, vCPUs on them or not.",
            examples=["shared"],
        ),
    ] = "own"
    faults: Annotated[int, Field(ge=0, le=64, description="Injected faults in one execution.", examples=[1])] = 1
    models: Annotated[
        Many[PluginName],
        at_most(16),
        Field(min_length=1, max_length=16, description="Memory models.", examples=[["sc", "tso", "lkmm"]]),
        Expected("a list of memory models, such as [sc, tso, lkmm]", item="the name of a memory model, such as sc or lkmm"),
    ] = ("sc", "tso")
    properties: Annotated[
        Many[Literal["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10"]],
        at_most(10),
        Field(max_length=10, description="The properties that are judged; empty: all.", examples=[["P1", "P2"]]),
        Expected("a list of properties out of P1 to P10", item="one of P1 to P10"),
    ] = ()


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _host_kind(value: Any) -> str | None:
    return "<auto>" if value == "auto" else "<made-up>" if isinstance(value, dict | Host) else None


HOST_TEXT = "auto, or a mapping such as {sockets: 2, cores: 36, threads: 2}"
_PLUGIN_TEXT = "the name of a {}, or a mapping of its name and its options"


class VMConfig(Section):
    """One VM, the host it runs on, and the workload."""

    vm: Annotated[VM, Field(description="The virtual machine."), Expected("a mapping such as {vcpus: 8}")]
    host: Annotated[
        Annotated[Literal["auto"], Tag("<auto>")] | Annotated[Host, Tag("<made-up>")],
        Discriminator(_host_kind),
        Field(description="The host: auto is this machine's own topology.", examples=["auto"]),
        Expected(HOST_TEXT),
    ] = "auto"
    placement: Annotated[Placement, Field(description="vCPUs on pCPUs.")] = Placement()
    strategy: Annotated[
        Plugin,
        BeforeValidator(_by_name),
        Field(description="The request-dispatch strategy; {c: my_patch.c} is a file in kernel-style C beside this one.",
              examples=["upstream"]),
        Expected(_PLUGIN_TEXT.format("strategy")),
    ] = Plugin(name="upstream")
    backend: Annotated[
        Plugin,
        BeforeValidator(_by_name),
        Field(description="The IPI back end.", examples=["futex"]),
        Expected(_PLUGIN_TEXT.format("back end")),
    ] = Plugin(name="futex")
    loop: Annotated[
        Plugin,
        BeforeValidator(_by_name),
        Field(description="The vCPU run loop; {c: my_loop.c} is a file in kernel-style C beside this one.", examples=["x86"]),
        Expected(_PLUGIN_TEXT.format("run loop")),
    ] = Plugin(name="x86")
    injectors: Annotated[
        Many[Annotated[InjectorPlugin, BeforeValidator(_by_name)]],
        at_most(64),
        Field(max_length=64, description="Race injectors.", examples=[[{"name": "stale-cpu", "probability": 0.05}]]),
        Expected("a list of injectors", item=_PLUGIN_TEXT.format("race injector")),
    ] = ()
    guest: Annotated[Guest, Field(description="What the guests do.")] = Guest()
    requests: Annotated[
        Many[OwnRequest],
        at_most(56),
        Field(max_length=56, description="Request ids of the file's own."),
        Expected("a list of requests, each {name: ..., id: ...}", item="a mapping such as {name: MY_REQUEST, id: 48}"),
    ] = ()
    workload: Annotated[
        Many[WorkloadLine],
        at_most(1000),
        Field(max_length=1000, description="The streams of requests, all at the same time."),
        Expected("a list of workload lines, each {request: ..., ...}", item="a mapping such as {request: TLB_FLUSH, count: 1000}"),
    ] = ()
    duration: Annotated[
        RunDuration | None,
        Field(description="The run ends after this; null: when every count is done; forever: when interrupted.", examples=["10s"]),
        Expected("a duration with a unit, such as 1.5ms or 2s, forever, or null"),
    ] = None
    seed: Annotated[int, Field(ge=0, lt=2**64, description="Of everything random.", examples=[1])] = 1
    watchdog: Annotated[Watchdog, Field(description="The watchdog.")] = Watchdog()
    check: Annotated[Check, Field(description="Bounds of minikvm check.")] = Check()
