"""An event of a scene in the kernel's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import minikvm
from minikvm.check.execution import Event
from minikvm.core.vcpu import Mode

if TYPE_CHECKING:
    from minikvm.check.scope import Scope

FENCES = {
    0: "smp_mb()", 1: "smp_wmb()", 2: "smp_rmb()", 3: "smp_mb__before_atomic()", 4: "smp_mb__after_atomic()", 16: "acquire fence",
    17: "release fence", 18: "acq_rel fence", 19: "seq_cst fence",
}  # fmt: skip
PLACE = re.compile(r"([a-z]+)(\d+)\Z")
NO_CPU = 0xFFFFFFFF
PACKAGE = Path(minikvm.get_include()).parents[1]


def place_of(text: str) -> str:
    """A source place as it is shown: a C file's "/home/me/patch.c:12" from the current folder, a header of ours from the package's."""
    if not text.startswith("/"):
        return text
    path = Path(text)
    for folder in (PACKAGE, Path.cwd()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return text


class Words:
    """Texts for one scene. *requests*: bit -> name."""

    def __init__(self, requests: Mapping[int, str]) -> None:
        self.requests = requests

    def bits(self, value: int) -> str:
        """Request bits by name: "TLB_FLUSH|CLOCK_UPDATE", or 0."""
        names = [self.requests.get(n, f"bit {n}") for n in range(64) if value >> n & 1]
        return "|".join(names) or "0"

    def value(self, what: str, value: int | None) -> int | str | None:
        """A value as it is read: a mode by name, requests by name, a pCPU or -1."""
        if value is None:
            return None
        if what == "mode" and value < 4:
            return Mode(value).name
        if what == "requests":
            return self.bits(value)
        if what == "cpu" and value == NO_CPU:
            return -1
        if what == "slot":
            return "idle" if value == 0 else "no IPI" if value == 1 else "IPI pending"
        return value

    def seen(self, event: Event) -> int | str | None:
        """The value that an event read, as a row shows it; None where there is nothing to say."""
        what = self.target(event.loc)[0] if event.loc else ""
        if event.rval is None or event.kind == "CHOOSE" or what == "slot":
            return None
        return self.value(what, event.rval)

    def target(self, loc: str) -> tuple[str, int, str]:
        """(class, number, the kernel's expression) of a location."""
        match = PLACE.match(loc)
        what, number = (match[1], int(match[2])) if match else (loc, 0)
        field = {"requests": "requests", "mode": "mode", "cpu": "cpu", "wait": "wait", "strategy": "strategy word"}.get(what)
        if field is not None:
            return what, number, f"vcpu{number}->{field}"
        names = {
            "slot": f"IPIs of pCPU {number}", "run": f"run lock of pCPU {number}", "acks": f"acknowledgements {number}",
            "payload": f"payload {number}", "event": f"event {number}", "page": f"page {number}",
            "token": f"interrupt {number}", "other": f"word {number} of the plugin",
        }  # fmt: skip
        return what, number, names.get(what, loc)

    def kind(self, event: Event) -> str:
        """The row's kind."""
        what = self.target(event.loc)[0] if event.loc else ""
        if event.kind == "F":
            return "fence"
        if event.kind == "CHOOSE":
            return "choose"
        if event.name == "send IPI":
            return "ipi"
        if event.rmw and event.awaits:
            return "lock"
        if what == "run" and event.kind == "W":
            return "unlock"
        if event.awaits:
            return "await"
        return {"R": "rmw" if event.rmw else "load", "W": "store", "RMW": "rmw"}.get(event.kind, "note")

    def text(self, event: Event) -> str:
        """The operation."""
        if event.kind == "F":
            return FENCES.get(event.op, "fence")
        if event.kind == "CHOOSE":
            return f"{event.name}: {'yes' if event.rval else 'no'}" if event.operand == 2 else f"{event.name}: {event.rval}"
        what, number, target = self.target(event.loc or "")
        if what == "other" and event.name:  # a plugin's own word: as its author calls it
            target = event.name.removeprefix("&")
        if what == "slot":
            return self._slot(event, number)
        if what == "acks":
            return "awaits the acknowledgement" if event.awaits else "acknowledges the IPI"
        if event.awaits:
            return f"awaits {target}" if what in ("run", "other") else f"awaits a change of {target}"
        if event.kind == "W":
            value = self.value(what, event.wval)
            call = {"release": "smp_store_release", "plain": ""}.get(event.order, "WRITE_ONCE")
            return f"{call}({target}, {value})" if call else f"{target} = {value}"
        if event.rmw:
            return self._rmw(event, what, target)
        call = {"acquire": "smp_load_acquire", "plain": ""}.get(event.order, "READ_ONCE")
        return f"{call}({target})" if call else f"reads {target} (plain)"

    def _slot(self, event: Event, pcpu: int) -> str:
        texts = {
            "send IPI": f"sends an IPI to pCPU {pcpu}" + ("" if event.rval and event.rval & 1 else ", where nobody is loaded"),
            "load": f"is loaded on pCPU {pcpu}", "put": f"is put; leaves pCPU {pcpu}",
            "device interrupt": f"an interrupt for pCPU {pcpu}", "in the guest": "in the guest: awaits an IPI",
            "pending IPIs": "IRQs on: looks for pending IPIs", "take IPIs": "takes the IPI", "ask for the pCPU": f"wants pCPU {pcpu}",
            "wait with IRQs on": "waits, with IRQs on", "waited": "goes on", "the pCPU is idle": f"awaits that pCPU {pcpu} is idle",
        }  # fmt: skip
        return texts.get(event.name, event.name)

    def _rmw(self, event: Event, what: str, target: str) -> str:
        new = self.value(what, event.wval if event.wval is not None else event.operand)
        names = {0: "set_bit", 1: "clear_bit", 2: "atomic_add", 3: "xchg", 4: "cmpxchg", 5: "atomic_xor"}
        if event.op == 4:
            result = "" if event.kind == "RMW" else ", fails"
            return f"cmpxchg({target}, {self.value(what, event.expected)}, {self.value(what, event.operand)}){result}"
        if what == "requests" and event.op in (0, 1):
            bits = event.operand if event.op == 0 else ~event.operand & (2**64 - 1)
            return f"{names[event.op]}({self.bits(bits)}, {target})"
        return f"{names.get(event.op, 'exchanges')}({target}, {new})"


def words_of(scope: Scope) -> Words:
    """The texts of a scope's scene, with its requests by name."""
    return Words({request.nr: request.name for request in scope.registry if request.has_bit})
