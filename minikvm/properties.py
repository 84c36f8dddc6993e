"""The properties that a verdict is about: names, one-line meanings, and which of them are errors (docs/protocol.md)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Property:
    """A property of the protocol.

    ``meaning`` says, in at most 30 characters, what holds when it is not violated. A property with ``advisory`` is reported
    and is no error by itself.
    """

    id: str
    name: str
    meaning: str
    advisory: bool = False


PROPERTIES: dict[str, Property] = {
    p.id: p
    for p in (
        Property("P1", "seen", "no kick is lost in the guest"),
        Property("P2", "wait", "WAIT returns after the exit"),
        Property("P3", "awake", "no wake-up is lost"),
        Property("P4", "walk", "no page is freed under a walk"),
        Property("P5", "progress", "no entry is aborted for ever"),
        Property("P6", "payload", "no request with an old payload"),
        Property("P7", "deadlock", "nobody waits for ever"),
        Property("P8", "targets", "the targets, and only those"),
        Property("P9", "economy", "no needless IPI", advisory=True),
        Property("P10", "race", "no data race", advisory=True),
    )
}


def is_advisory(id: str) -> bool:
    """Is a violation of property *id* only reported, and no error? A property that is not known here is an error."""
    return id in PROPERTIES and PROPERTIES[id].advisory
