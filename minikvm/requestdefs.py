"""Request ids that a plugin brings, and the flags of a request as a plugin sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from minikvm.core.requests import (
    FLAGS,
    KVM_REQUEST_MASK,
    KVM_REQUEST_NO_ACTION,
    KVM_REQUEST_NO_WAKEUP,
    KVM_REQUEST_WAIT,
    RequestRegistry,
)

# A request is an id (bits 0-7) with flags above it: the core's numbers, under the names that plugins use.
REQUEST_ID_MASK = KVM_REQUEST_MASK
REQUEST_NO_WAKEUP = KVM_REQUEST_NO_WAKEUP
REQUEST_WAIT = KVM_REQUEST_WAIT
REQUEST_NO_ACTION = KVM_REQUEST_NO_ACTION

MAX_NAME = 64


@dataclass(frozen=True)
class RequestDef:
    """A request id of a plugin's own. Ids 0-7 are the common ones, 8-40 x86's, the rest is free.

    wait, no_wakeup, no_action: the flags it has unless a call says otherwise. gate: the requester clears it itself, and no vCPU
    enters the guest while it is set. sticky: the vCPU tests it without clearing it.

    >>> RequestDef("MY_SCAN", 50, wait=True).id
    50
    >>> RequestDef("MY_SCAN", 7)
    Traceback (most recent call last):
    ValueError: request MY_SCAN has id 7: expected 8..63
    """

    name: str
    id: int
    wait: bool = False
    no_wakeup: bool = False
    no_action: bool = False
    gate: bool = False
    sticky: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Z][A-Z0-9_]*", self.name) or len(self.name) > MAX_NAME:
            raise ValueError(f"request name {self.name!r}: expected capitals, digits and underscores, such as MY_SCAN")
        if type(self.id) is not int or not 8 <= self.id <= 63:
            raise ValueError(f"request {self.name} has id {self.id!r}: expected 8..63")
        if self.gate and self.sticky:
            raise ValueError(f"request {self.name} is a gate and sticky: a gate is cleared by its requester, a sticky one never")


def traits_of(definition: RequestDef) -> frozenset[str]:
    """The flags and the nature of a request, as words."""
    return frozenset(word for word in ("wait", "no_wakeup", "no_action", "gate", "sticky") if getattr(definition, word))


def kvm_requests() -> dict[str, tuple[int, frozenset[str]]]:
    """KVM's own requests, from the core's table: name -> (id, traits as traits_of gives them)."""
    return {
        request.name: (
            request.nr,
            frozenset(
                [
                    *(word for word, flag in FLAGS.items() if request.flags & flag),
                    *(word for word in ("gate", "sticky") if getattr(request, word)),
                ]
            ),
        )
        for request in RequestRegistry()
    }


KVM_REQUESTS = kvm_requests()
