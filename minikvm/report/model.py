"""The report of a run, schema ``minikvm.report/1``: what ``minikvm run --json`` writes and what the text is made from.

The dict that a run produces validates against :class:`Report`; :func:`report_schema` is its JSON schema, which is also
shipped as ``minikvm/report/schema-1.json``. Every field has a description with its unit; docs/report.md is generated
from them. A field may be added under the same version; one that is renamed, removed or given another meaning makes version 2.

Units: plain counts are events; a name that ends in ``_s`` is seconds, ``_ns`` nanoseconds, ``_percent`` percent.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "minikvm.report/1"

Flag = Literal["wait", "no_wakeup", "no_action"]
Ended = Literal["finished", "duration", "interrupted", "violation", "plugin-error"]
Status = Literal["holds", "violated", "not checked"]
Mode = Literal["OUTSIDE_GUEST_MODE", "IN_GUEST_MODE", "EXITING_GUEST_MODE", "READING_SHADOW_PAGE_TABLES"]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(le=100, allow_inf_nan=False)]


class Part(BaseModel):
    """Base of every part of the report: frozen, no unknown fields, filled by the names that the JSON uses."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, json_schema_serialization_defaults_required=True)


class Run(Part):
    """What ran, without the need to read the configuration."""

    vm: str = Field(description="Name of the VM, from the configuration.")
    engine: str = Field(description="Guest engine: what a vCPU's guest is made of.")
    vcpus: Count = Field(description="vCPUs in the table, holes left out.")
    pcpus: Count = Field(description="pCPU slots that the vCPUs were scheduled on.")
    strategy: str = Field(description="Name of the request-dispatch strategy.")
    backend: str = Field(description="Name of the IPI back end.")
    loop: str = Field(description="Name of the vCPU run loop.")
    injectors: list[str] = Field(description="Names of the race injectors, in the order of the configuration.")


class Host(Part):
    """The topology that was used, and the machine that it ran on."""

    sockets: Count = Field(description="Sockets of the topology.")
    cores: Count = Field(description="Cores per socket.")
    threads: Count = Field(description="Hardware threads per core.")
    nodes: Count = Field(description="NUMA nodes of the topology.")
    discovered: bool = Field(description="True when the topology is the machine's own (`host: auto`), false when it is configured.")
    cpus: Count = Field(description="CPUs of the real machine that the process could run on.")
    machine: str = Field(description="Machine type of the real host, as `uname -m` says it.")
    kernel: str = Field(description="Kernel release of the real host, as `uname -r` says it.")
    python: str = Field(description="Version of the Python interpreter.")


class Skipped(Part):
    """Targets that needed no IPI, by reason; a sleeper that was woken is counted in `woken` and not here."""

    outside: Count = Field(description="Targets outside guest mode: they see the request in the last check before their next entry.")
    self_: Count = Field(alias="self", description="Targets loaded on the pCPU that the call was made on: no IPI to oneself.")
    not_loaded: Count = Field(description="Targets that were loaded on no pCPU when `vcpu.cpu` was read.")
    exiting: Count = Field(
        default=0, description="Targets that an earlier IPI was already taking out of the guest, in calls without `wait`."
    )


class Latency(Part):
    """A distribution of durations, from a histogram that is recorded natively. All in nanoseconds; null when nothing was recorded."""

    count: Count = Field(description="Durations recorded.")
    p50: Count | None = Field(description="Median, nanoseconds: half of the durations were at most this long.")
    p90: Count | None = Field(description="90th percentile, nanoseconds.")
    p99: Count | None = Field(description="99th percentile, nanoseconds.")
    p99_9: Count | None = Field(alias="p99.9", description="99.9th percentile, nanoseconds.")
    max: Count | None = Field(description="The longest one, nanoseconds.")


class Latencies(Part):
    """The two durations of a request."""

    call: Latency = Field(description="From the start of the call to its return, one per call (with `wait`: and all acknowledgements).")
    handling: Latency = Field(description="From the making of a request to its consumption by the vCPU, one per handled bit.")


class Counters(Part):
    """What the calls did; a target counts once in every call that names it."""

    calls: Count = Field(description="Calls made: one call is one request to a set of vCPUs.")
    targets: Count = Field(description="Targets over all calls.")
    bits_set: Count = Field(description="Request bits that went from 0 to 1.")
    coalesced: Count = Field(description="Targets whose request bit was already set: two requests, one handling.")
    ipis: Count = Field(description="IPIs: pCPUs over all sends that a call put into its kick mask.")
    woken: Count = Field(description="Sleeping vCPUs that were woken: no IPI and no wait for these, even with `wait`.")
    skipped: Skipped = Field(description="Targets that needed no IPI, by reason.")
    deferred: Count = Field(description="Descheduled vCPUs that were marked for later instead of kicked (strategies that defer).")
    stale_ipis: Count = Field(description="IPIs sent to a pCPU that the vCPU had left by then.")
    sends: Count = Field(description="Send operations of the back end: one may carry the IPIs for many pCPUs.")
    visited: Count = Field(description="Entries of the vCPU table that the strategy looked at.")
    handled: Count = Field(description="Request bits consumed by their vCPU.")
    cleared: Count = Field(description="Request bits cleared by their own requester (entry gates).")
    pending: Count = Field(description="Request bits still set when the run ended.")


class RequestRow(Counters):
    """One request kind: a request name with the flags it was called with."""

    request: str = Field(description="Name of the request.")
    flags: list[Flag] = Field(description="Flags of the calls of this row.")
    latency_ns: Latencies = Field(description="Distributions of durations, nanoseconds.")


class Totals(Counters):
    """The sums over all request kinds, and what the vCPUs did."""

    entries: Count = Field(description="Guest entries: the last check found nothing to do, and the guest ran.")
    exits: Count = Field(description="Guest exits.")
    aborted_entries: Count = Field(description="Entries given up in the last check, because a request or other work was pending.")
    blocks: Count = Field(description="Times a vCPU went to sleep (halted).")
    walks: Count = Field(description="Shadow page table walks.")
    migrations: Count = Field(description="Times a vCPU was loaded on another pCPU than the one before.")
    preemptions: Count = Field(description="Times a vCPU was descheduled although it could run.")
    ipis_handled: Count = Field(description="IPIs received and handled, by whichever vCPU was loaded on the pCPU, or by the idle pCPU.")
    spurious_exits: Count = Field(description="Guest exits forced by an IPI that found no request for the vCPU.")


class PropertyRow(Part):
    """One property of the protocol, and what the run says about it."""

    id: str = Field(pattern=r"^P[0-9]+$", description="Id of the property, P1 to P10.")
    name: str = Field(description="Short name of the property.")
    checked: Count = Field(description="Times that it was checked.")
    violations: Count = Field(description="Times that it was violated.")
    status: Status = Field(description="`violated` when there is a violation, else `holds` when it was checked at all, else `not checked`.")

    @classmethod
    def of(cls, id: str, name: str, checked: int, violations: int) -> PropertyRow:
        """The row with the status that follows from the two counts."""
        return cls(id=id, name=name, checked=checked, violations=violations, status=status_of(checked, violations))


class VcpuDump(Part):
    """The state of one vCPU when a violation was found."""

    vcpu: Count = Field(description="Index in the vCPU table.")
    mode: Mode = Field(description="`vcpu.mode`.")
    cpu: int = Field(ge=-1, description="`vcpu.cpu`: the pCPU it says it is loaded on, -1 when none.")
    requests: list[str] = Field(description="Names of the request bits that were set.")
    slot: Count | None = Field(description="The pCPU slot that its thread held, null when none.")
    wait: bool = Field(description="Was it published as a sleeper?")
    epoch: Count = Field(description="Number of its latest guest entry; 0 before the first.")
    last_points: list[str] = Field(description="The last named points that it passed, oldest first.")


class Violation(Part):
    """One violation of a property."""

    property: str = Field(pattern=r"^P[0-9]+$", description="Id of the violated property.")
    sentence: str = Field(description="What happened, as a sentence.")
    vcpu: Count | None = Field(description="Table index of the vCPU that it happened to, null when it is about no single one.")
    at_s: Seconds = Field(description="When it was found, seconds since the start of the run.")
    dump: list[VcpuDump] = Field(description="The vCPUs at that time.")


class Saved(Part):
    """What the strategy saved; negative when it cost more, null when the reference did none."""

    visited: Percent | None = Field(description="Table entries not looked at, percent of the reference's.")
    ipis: Percent | None = Field(description="IPIs not sent, percent of the reference's.")
    sends: Percent | None = Field(description="Send operations not made, percent of the reference's.")


class Economy(Part):
    """The strategy against a reference strategy on the same calls."""

    reference: str = Field(description="Name of the strategy that it is compared with.")
    visited: Count = Field(description="Entries of the vCPU table that the strategy looked at.")
    visited_linear: Count = Field(description="Entries that the reference would have looked at.")
    ipis: Count = Field(description="IPIs that the strategy sent.")
    ipis_linear: Count | None = Field(description="IPIs that the reference would have sent, null when not known.")
    sends: Count = Field(description="Send operations that the strategy made.")
    sends_linear: Count | None = Field(description="Send operations that the reference would have made, null when not known.")
    saved_percent: Saved = Field(description="The differences, in percent of the reference.")

    @classmethod
    def of(
        cls, *, visited: int, visited_linear: int, ipis: int, ipis_linear: int | None, sends: int, sends_linear: int | None,
        reference: str = "linear",
    ) -> Economy:
        """The comparison with the percentages that follow from the counts."""
        saved = Saved(
            visited=saved_percent(visited, visited_linear), ipis=saved_percent(ipis, ipis_linear), sends=saved_percent(sends, sends_linear)
        )
        return cls(
            reference=reference, visited=visited, visited_linear=visited_linear, ipis=ipis, ipis_linear=ipis_linear,
            sends=sends, sends_linear=sends_linear, saved_percent=saved,
        )


class Problem(Part):
    """Something other than a violation that went wrong."""

    where: str = Field(description="What it happened in, for example the plugin's kind and name.")
    message: str = Field(description="What happened, as a sentence.")
    traceback: str | None = Field(default=None, description="Python traceback of a plugin's exception, null when there is none.")


class Report(Part):
    """The report of one run."""

    schema_: Literal["minikvm.report/1"] = Field(alias="schema", description="Name and version of this format.")
    minikvm: str = Field(description="Version of minikvm.")
    run: Run = Field(description="What ran.")
    config: dict[str, Any] = Field(description="The effective configuration, defaults filled in, as docs/yaml-reference.md describes it.")
    host: Host = Field(description="Topology and machine.")
    seed: int = Field(description="Seed of every random choice of the run.")
    started: str = Field(description="When the run started: ISO 8601 with the offset from UTC.")
    elapsed_s: Seconds = Field(description="How long the run took, seconds.")
    ended: Ended = Field(
        description="Why it ended: the workload was `finished`, the `duration` was over, it was `interrupted` by a signal, stopped at a "
        "`violation`, or ended by a `plugin-error`."
    )
    exit_code: Count = Field(description="Exit code of the command: 0 fine, 1 a property was violated, 3 a plugin failed, 130 interrupted.")
    requests: list[RequestRow] = Field(description="One row per request kind: a request name with its flags.")
    totals: Totals = Field(description="All request kinds together, and the vCPUs.")
    properties: list[PropertyRow] = Field(description="One row per property of the protocol.")
    violations: list[Violation] = Field(description="The violations in the order found; may hold fewer than the properties count.")
    economy: Economy | None = Field(description="What the strategy saved against a reference on the same calls, null when not measured.")
    injected: dict[str, Count] = Field(description="Faults injected, by the name of the injector.")
    errors: list[Problem] = Field(description="What else went wrong; empty in a good run.")


def status_of(checked: int, violations: int) -> Status:
    """The status of a property from how many times it was checked and violated."""
    if violations:
        return "violated"
    return "holds" if checked else "not checked"


def saved_percent(used: int, reference: int | None) -> float | None:
    """How many percent *used* is below *reference*: 0 when equal, negative when above, None without a reference above zero."""
    if not reference:
        return None
    return round(100.0 * (reference - used) / reference, 2)


def to_json(report: dict[str, Any] | Report, indent: int | None = 2) -> str:
    """The report as JSON text, checked against the schema; raises pydantic.ValidationError when it does not match."""
    checked = report if isinstance(report, Report) else Report.model_validate(report)
    return json.dumps(checked.model_dump(mode="json", by_alias=True), indent=indent, ensure_ascii=False)


def report_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the report."""
    return json_schema(Report, SCHEMA, "Report of a minikvm run")


def json_schema(model: type[BaseModel], id: str, title: str) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of what *model* writes; *id* is the name and version of the format."""
    schema = _plain(model.model_json_schema(by_alias=True, mode="serialization"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": id, **schema, "title": f"{title} ({id})"}


def _plain(schema: Any) -> Any:
    """*schema* in one form for all versions of pydantic: no titles made from names, no ``allOf`` around a single reference."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _plain(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    if kept.get("additionalProperties") is True:
        del kept["additionalProperties"]
    if isinstance(kept.get("const"), str):
        kept["type"] = "string"
    around = kept.pop("allOf", [])
    return kept | around[0] if len(around) == 1 else kept
