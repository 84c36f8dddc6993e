"""A violating execution as a schedule: threads, steps in an order that makes sense, the one that breaks the property, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minikvm.check.execution import Event, Graph, Note
from minikvm.check.linear import Order, linearise, missing_barrier
from minikvm.check.scope import Scope
from minikvm.check.words import place_of, words_of

# Notes of scene.pxd and of enum mk_event that are worth a row, and what they say.
CALL, RETURNED, RESTS, SLEEPS, IPI, HANDLED, GATE = 100, 101, 102, 103, 104, 105, 106
COMMIT, ENTRY_END, ABORT, WALK_BEGIN, WALK_END, WOKE = 11, 12, 13, 14, 15, 2


@dataclass(frozen=True)
class Finding:
    """Where a property is violated, as judge.pyx found it."""

    property: str
    thread: int
    index: int
    vcpu: int
    call: int
    other: tuple[int, int] | None
    needless: int = 0

    @classmethod
    def of(cls, property: str, where: Mapping[str, Any]) -> Finding:
        """From what a scene says of it."""
        return cls(property, **where)


class Drawer:
    """Makes the schedule of one execution."""

    def __init__(self, scope: Scope, graph: Graph, model: str, finding: Finding) -> None:
        self.scope = scope
        self.graph = graph
        self.model = model
        self.finding = finding
        self.words = words_of(scope)
        self.order: Order = linearise(graph, model)
        self.rows: list[dict[str, Any]] = []
        self.step_of: dict[tuple[int, int], int] = {}
        self.flush_of: dict[tuple[int, int], int] = {}
        self.note_steps: dict[tuple[int, int], int] = {}
        self.holder: dict[int, int] = {
            actor.home: t for t, actor in enumerate(scope.actors) if actor.kind == "vcpu" and actor.home not in scope.shared
        }

    # ---- rows ----

    def draw(self) -> list[dict[str, Any]]:
        """The rows, numbered."""
        told = [0] * len(self.graph.threads)
        last = {t: len(events) for t, events in enumerate(self.graph.threads)}
        for t, i, what in self.order.steps:
            if what == "flush":
                self._flush(t, i)
                continue
            told[t] = self._notes(t, told[t], i)
            self._event(t, i)
            if i + 1 == last[t]:
                told[t] = self._notes(t, told[t], last[t])
        for t in range(len(told)):
            self._notes(t, told[t], 1 << 30)
        self._link()
        self._mark()
        return self.rows

    def _row(self, t: int, kind: str, text: str, **more: Any) -> dict[str, Any]:
        row: dict[str, Any] = {
            "step": len(self.rows) + 1, "thread": t, "kind": kind, "text": text, "place": "", "value": None, "remark": "",
            "reads_from": None, "missed": None, "marked": False, "ipi_to": None, **more,
        }  # fmt: skip
        self.rows.append(row)
        return row

    def _notes(self, t: int, at: int, index: int) -> int:
        """The notes that stand before the event of this index."""
        notes = self.graph.notes[t]
        while at < len(notes) and notes[at].pos <= index:
            text = self._note_text(notes[at])
            if text:
                self.note_steps[t, at] = self._row(t, "note", text)["step"]
            at += 1
        return at

    def _note_text(self, note: Note) -> str:
        if note.kind == CALL:
            call = self.scope.calls[note.subject]
            who = ", ".join(str(v) for v in range(self.scope.vcpus) if note.a >> v & 1)
            return f"calls for {call.name} on vCPU {who}{' and waits' if call.waits else ''}"
        if note.kind == RETURNED:
            return f"the call for {self.scope.calls[note.subject].name} returns"
        texts = {
            COMMIT: "the last check passes: enters the guest", ENTRY_END: "is out of the guest", ABORT: "the last check fails: no entry",
            WALK_BEGIN: "walks the shadow page tables", WALK_END: "the walk ends", WOKE: f"wakes vCPU {note.subject}",
        }  # fmt: skip
        return texts.get(note.kind, "")

    def _event(self, t: int, i: int) -> None:
        event = self.graph.threads[t][i]
        place = place_of(f"{event.file}:{event.line}") if event.file else ""
        row = self._row(t, self.words.kind(event), self.words.text(event), place=place)
        self.step_of[t, i] = row["step"]
        row["value"] = self.words.seen(event)
        if event.name == "send IPI":
            pcpu = self.words.target(event.loc or "")[1]
            if event.rval and event.rval & 1 and pcpu in self.holder:
                row["ipi_to"] = self.holder[pcpu]
        if event.name in ("load", "put"):
            pcpu = self.words.target(event.loc or "")[1]
            if event.name == "load":
                self.holder[pcpu] = t
            else:
                self.holder.pop(pcpu, None)
        if event.blocked:
            row["remark"] = "waits for ever"

    def _flush(self, t: int, i: int) -> None:
        event = self.graph.threads[t][i]
        row = self._row(t, "flush", f"the store of {self.words.target(event.loc or '')[2]} reaches memory", reads_from=self.step_of[t, i])
        row["remark"] = f"step {self.step_of[t, i]}"
        self.flush_of[t, i] = row["step"]

    def _link(self) -> None:
        """reads_from, and under the weak models what a read did not see."""
        for (t, i), step in self.step_of.items():
            event = self.graph.threads[t][i]
            row = self.rows[step - 1]
            if isinstance(event.rf, tuple) and event.rf in self.step_of:
                row["reads_from"] = self.step_of[event.rf]
            if (t, i) in self.order.unseen:
                self._missed(row, event, (t, i), self.order.unseen[t, i])

    def _missed(self, row: dict[str, Any], event: Event, read: tuple[int, int], write: tuple[int, int]) -> None:
        newer = self.step_of[write]
        barrier = missing_barrier(self.graph, read, write)
        missing = ""
        if barrier is not None:
            name, after, before = barrier
            missing = f"{name} between step {self.step_of[after]} and step {self.step_of[before]} of {self.scope.actors[after[0]].name}"
        row["missed"] = {"step": newer, "missing": missing}

    # ---- what went wrong ----

    def _mark(self) -> None:
        f = self.finding
        row = None
        if f.property in ("P2", "P9"):
            for at, note in enumerate(self.graph.notes[f.thread]):
                if note.kind == RETURNED and note.subject == f.call:
                    row = self.note_steps.get((f.thread, at))
        if row is None:
            row = self.step_of.get((f.thread, max(0, f.index)))
        if row is None:
            row = len(self.rows)
        self.rows[row - 1]["marked"] = True

    def _step(self, place: tuple[int, int] | None) -> str:
        return f"step {self.step_of[place]}" if place is not None and place in self.step_of else "its last check"

    def _call_step(self, number: int) -> str:
        for t, notes in enumerate(self.graph.notes):
            for at, note in enumerate(notes):
                if note.kind == RETURNED and note.subject == number and (t, at) in self.note_steps:
                    return f"step {self.note_steps[t, at]}"
        return "its return"

    def _in_walk(self, f: Finding) -> bool:
        """Is the look at the requests that missed one a walk's, right after its beginning?"""
        return f.other is not None and any(note.kind == WALK_BEGIN and note.pos == f.other[1] for note in self.graph.notes[f.other[0]])

    def _pending(self, vcpu: int) -> str:
        order = self.graph.co.get(f"requests{vcpu}", ())
        last = order[-1] if order else None
        value = self.graph.event(last).wval if isinstance(last, tuple) else 0
        return self.words.bits(value or 0)

    def _owed(self, vcpu: int) -> str:
        """What is owed to a vCPU in the guest: a request that is pending, a sticky one whose bit is gone, or what is no request."""
        bits = self._pending(vcpu)
        if bits != "0":
            return f"{bits} is pending for it"
        sticky = [call.name for call in self.scope.calls if vcpu in call.targets and self.scope.registry[call.name].sticky]
        return f"{sticky[0]} was made to it and holds for ever" if sticky else "an event was published for it"

    def _sent_elsewhere(self, vcpu: int) -> str:
        """Where an IPI went that was meant for a vCPU in the guest."""
        events = [event for events in self.graph.threads for event in events]
        sends = [(self.words.target(e.loc or "")[1], bool(e.rval and e.rval & 1)) for e in events if e.name == "send IPI"]
        been = {self.scope.actors[vcpu].home, *(e.wval for e in self.graph.threads[vcpu] if e.name == "vcpu.cpu" and e.wval is not None)}
        for pcpu, taken in sends:
            if pcpu in been and not taken:
                return f", and the IPI went to pCPU {pcpu}, which it had left"
        return "" if sends else ", and no IPI was sent"

    def sentence(self) -> str:
        """What went wrong, in one sentence."""
        f, scope = self.finding, self.scope
        vcpu = f"vCPU {f.vcpu}"
        name = scope.calls[f.call].name if f.call >= 0 else ""
        if f.property == "P1":
            missed, sent = self._step(f.other), self._sent_elsewhere(f.vcpu)
            return f"{vcpu} rests in the guest although {self._owed(f.vcpu)}: {missed} missed it{sent}."
        if f.property == "P2":
            end, begun = ("end its walk", "begun") if self._in_walk(f) else ("leave the guest", "entered")
            return (f"The call for {name} waits, and yet returned ({self._call_step(f.call)}) without having seen {vcpu} {end}, "
                    f"which it had {begun} without seeing the request ({self._step(f.other)}).")
        if f.property == "P3":
            return f"{vcpu} sleeps for ever although {self._pending(f.vcpu)} is pending: it saw no request, and nobody saw it asleep."
        if f.property == "P4":
            here, there = self._step((f.thread, f.index)), self._step(f.other)
            return f"{vcpu} reads a page ({here}) that is freed ({there}), and nothing orders the two."
        if f.property == "P5":
            return f"{vcpu} cannot enter the guest: {self._pending(f.vcpu)} keeps it out, and nobody will clear it."
        if f.property == "P6":
            return f"{vcpu} saw the request {name} and yet reads a payload older than that request's ({self._step(f.other)})."
        if f.property == "P7":
            what = self.words.text(self.graph.threads[f.thread][f.index])
            return f"{scope.actors[f.thread].name} waits for ever: {what}."
        if f.property == "P9":
            some = f"{f.needless} IPIs in this execution are" if f.needless > 1 else "An IPI in this execution is"
            return f"{some} more than the truth table allows, most of them of the call for {name}."
        if f.vcpu >= 0:
            return f"The call for {name} did not do what its targets ask: vCPU {f.vcpu} was {self._touched(f)}."
        return f"The call for {name} sent another mask than it had built: a pCPU is missing in it."

    def _touched(self, f: Finding) -> str:
        drawn = [note.a for note in self.graph.notes[f.thread] if note.kind == CALL and note.subject == f.call]
        return "left out" if drawn and drawn[-1] >> f.vcpu & 1 else "touched, which is no target"


def make_schedule(scope: Scope, graph: Graph, finding: Finding, head: dict[str, Any], path: list[tuple[int, int]]) -> dict[str, Any]:
    """The schedule (report's JSON, version 1) of a violating execution. *head*: strategy, loop, model, file, config and so on."""
    drawer = Drawer(scope, graph, head["model"], finding)
    rows = drawer.draw()
    kinds = {"vcpu": "vcpu", "task": "initiator", "irq": "handler"}
    taking_part = {row["thread"] for row in rows} | {row["ipi_to"] for row in rows if row["ipi_to"] is not None}
    return {
        "minikvm_schedule": 1, **head, "injectors": list(scope.injectors), "scope": scope.counts(),
        "path": [n for step in path for n in step], "property": finding.property, "sentence": drawer.sentence(),
        "switches": drawer.order.switches,
        "threads": [{"id": t, "name": a.name, "kind": kinds[a.kind]} for t, a in enumerate(scope.actors) if t in taking_part],
        "rows": rows,
    }  # fmt: skip
