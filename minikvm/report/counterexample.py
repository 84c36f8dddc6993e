"""The schedule file, version 1: a counterexample of ``minikvm check``, step by step.

``check`` writes it, ``minikvm check --replay`` runs it again, this room draws it. Its JSON schema is shipped as
``minikvm/report/schema-schedule-1.json``; docs/check-report.md is generated from the descriptions here.

A file may be read by an older minikvm than wrote it: fields that are not known here are kept, and written back.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from minikvm.report import jsonfile
from minikvm.report.model import Count, Part, json_schema

KEY = "minikvm_schedule"
WHAT = "a schedule file of minikvm check"

RowKind = Literal["store", "flush", "load", "rmw", "fence", "choose", "await", "lock", "unlock", "ipi", "note"]


class SavedPart(Part):
    """Base of the parts of a saved file: frozen; unknown fields are kept."""

    model_config = ConfigDict(extra="allow")


class Scope(SavedPart):
    """The bounds of the exploration."""

    vcpus: Count = Field(description="Number of vCPUs.")
    pcpus: Count = Field(description="pCPUs that they are scheduled on.")
    entries: Count = Field(description="Guest entries of each vCPU.")
    calls: Count = Field(description="Calls of each initiator, at most.")
    faults: Count = Field(description="Faults that the injectors may inject in one execution, at most.")
    initiators: list[str] = Field(default=[], description="Who calls what: `task on pCPU 1: TLB_FLUSH of 0,1, wait`.")


class CFile(SavedPart):
    """A C file that the strategy or the run loop is."""

    kind: Literal["strategy", "loop"] = Field(description="Which of the two.")
    path: str = Field(description="Where it was, as seen from the folder of the schedule file.")
    sha256: str = Field(description="Of its bytes.")


class Thread(SavedPart):
    """One thread of the execution: a column of the drawing."""

    id: Count = Field(description="Its number; rows refer to it. Numbers may have gaps.")
    name: str = Field(description="Its name, such as `vCPU 0`, `task on pCPU 1`.")
    kind: str = Field(description="What runs on it, such as `vcpu`, `initiator` (of calls), `handler` (of a pCPU's interrupts).")


class Missed(SavedPart):
    """The newer store that a read did not see, and why it may not have."""

    step: Count = Field(description="Step of the newer store.")
    missing: str = Field(
        description="The barrier that would have forbidden it and where: `smp_mb() between step 3 and step 5 of task on pCPU 1`; "
        "empty when no single barrier would."
    )


class Row(SavedPart):
    """One step of one thread."""

    step: Count = Field(description="Its number: 1, 2, ... in the order drawn.")
    thread: Count = Field(description="Id of the thread.")
    kind: RowKind = Field(
        description="What it is. `flush`: a buffered store reaches memory (tso). `note`: an event of the protocol without an access."
    )
    text: str = Field(description="The operation in the kernel's words, or the event: `READ_ONCE(vcpu0->cpu)`, `enters the guest`.")
    place: str = Field(description="Source place, `file:line`; empty when there is none.")
    value: int | str | None = Field(
        description="What a load, an await or an RMW read, what a store wrote, what was chosen; a name where the value has one "
        "(`IN_GUEST_MODE`). Null when there is nothing to say."
    )
    remark: str = Field(description="What else a reader should know, a sentence or less. Of a flush: the step of its store. May be empty.")
    reads_from: Count | None = Field(description="Step of the store that was read, of a flush that of its store; null: the initial value.")
    missed: Missed | None = Field(description="rc11, lkmm: for a read of an old value, the newer store that it did not see; else null.")
    marked: bool = Field(description="Does this step break the property? True in exactly one row.")
    ipi_to: Count | None = Field(description="Id of the thread that an IPI is sent to, null when this sends none.")


class Schedule(SavedPart):
    """One execution that violates a property, in the order in which it is drawn."""

    minikvm_schedule: Literal[1] = Field(description="Version of this format.")
    minikvm: str = Field(description="Version of minikvm.")
    file: str = Field(description="The configuration's file.")
    strategy: str = Field(description="Name of the request-dispatch strategy.")
    loop: str = Field(description="Name of the vCPU run loop.")
    model: str = Field(description="Name of the memory model.")
    injectors: list[str] = Field(description="Names of the race injectors that are the environment.")
    scope: Scope = Field(description="What was explored.")
    config: str = Field(description="Text of the configuration, whole.")
    c_files: list[CFile] = Field(default=[], description="The C files that a replay has to compile again.")
    c_words: list[int] = Field(
        default=[], description="Words of C code's stacks that several threads use, and words that are accessed in pieces, as numbers."
    )
    path: list[int] = Field(description="The explorer's choices that lead here: what a replay follows.")
    property: str = Field(pattern=r"^P[0-9]+$", description="Id of the violated property.")
    sentence: str = Field(description="What went wrong, in one sentence.")
    switches: Count = Field(description="Context switches of the schedule.")
    executions_before: Count = Field(description="Executions that were explored before it was found.")
    threads: list[Thread] = Field(min_length=1, description="The threads, in the order of their columns.")
    rows: list[Row] = Field(min_length=1, description="The steps, in the order drawn.")

    @model_validator(mode="after")
    def _is_whole(self) -> Schedule:
        ids = [thread.id for thread in self.threads]
        wrong = [f"thread id {id} is there twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
        steps = range(1, len(self.rows) + 1)
        for at, row in enumerate(self.rows):
            if row.step != at + 1:
                wrong.append(f"rows[{at}].step is {row.step}, not {at + 1}")
            wrong += [f"rows[{at}].{name} names no thread: {id}" for name, id in (("thread", row.thread), ("ipi_to", row.ipi_to))
                      if id is not None and id not in ids]
            others = (("reads_from", row.reads_from), ("missed.step", row.missed.step if row.missed else None))
            wrong += [f"rows[{at}].{name} names no step: {step}" for name, step in others if step is not None and step not in steps]
        marked = sum(row.marked for row in self.rows)
        if marked != 1:
            wrong.append(f"{marked} rows are marked, not 1")
        if wrong:
            raise ValueError(f"a schedule that fits together: {'; '.join(wrong[:10])}")
        return self

    def marked_row(self) -> Row:
        """The row that breaks the property."""
        return next(row for row in self.rows if row.marked)

    def row(self, step: int) -> Row:
        """The row of *step*, from 1."""
        return self.rows[step - 1]

    def name_of(self, thread: int) -> str:
        """Name of the thread with this id."""
        return next(found.name for found in self.threads if found.id == thread)


def schedule_of(data: Any, file: str = "schedule") -> Schedule:
    """The schedule that a dict holds; ConfigError naming *file* when it holds none. A Schedule is returned as it is."""
    return data if isinstance(data, Schedule) else jsonfile.of(data, file, Schedule, KEY, WHAT)


def read_schedule(path: str | Path) -> Schedule:
    """The schedule in the file *path*: ConfigError when it is none, OSError when it cannot be read."""
    return jsonfile.parse(Path(path).read_bytes(), str(path), Schedule, KEY, WHAT)


def schedule_json(schedule: Schedule | dict[str, Any]) -> str:
    """The text of a schedule file, one row a line, for comparing two of them; what is about C only where there is some."""
    data = schedule_of(schedule).model_dump(mode="json", by_alias=True)
    for key in ("c_files", "c_words"):
        if not data[key]:
            del data[key]
    members = [f' "rows": [\n{_lines(value)}\n ]' if key == "rows" else f" {json.dumps(key)}: {json.dumps(value)}"
               for key, value in data.items()]
    return "{\n" + ",\n".join(members) + "\n}\n"


def write_schedule(path: str | Path, schedule: Schedule | dict[str, Any]) -> None:
    """Write the schedule file *path*. Its C files, named from the current folder until now, are named from the file's."""
    told = schedule_of(schedule)
    folder = Path(path).parent
    moved = [file.model_copy(update={"path": os.path.relpath(file.path, folder)}) for file in told.c_files]
    Path(path).write_text(schedule_json(told.model_copy(update={"c_files": moved})), encoding="utf-8")


def schedule_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a schedule file."""
    return json_schema(Schedule, "minikvm.schedule/1", "Schedule file of minikvm check")


def _lines(rows: list[Any]) -> str:
    return ",\n".join(f"  {json.dumps(row)}" for row in rows)
