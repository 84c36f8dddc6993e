"""What `minikvm check` must say of each file in configs/bugs/: the table "known bugs" of the protocol as data.

SC: plain interleaving is enough. SB: it needs a store buffer. WEAK: not under tso, where set_bit() and cmpxchg() are locked instructions.
"""

from __future__ import annotations

from dataclasses import dataclass

MODELS = ("sc", "tso", "rc11", "lkmm")
SC, SB, WEAK, NEVER = MODELS, MODELS[1:], MODELS[2:], ()


@dataclass(frozen=True)
class KnownBug:
    """A file of configs/bugs/ (``config``, without ".yaml"), a property, and the models under which it is violated."""

    id: str
    config: str
    property: str
    violated_under: tuple[str, ...]

    @property
    def holds_under(self) -> tuple[str, ...]:
        """The other models."""
        return tuple(model for model in MODELS if model not in self.violated_under)


KNOWN_BUGS = (
    KnownBug("M01", "m01", "P2", SC),
    KnownBug("M02", "m02", "P2", SC),
    KnownBug("M03", "m03", "P2", SC),
    KnownBug("M04", "m04", "P6", WEAK),
    KnownBug("M04", "m04-receiver", "P6", WEAK),
    KnownBug("M05", "m05", "P1", WEAK),
    KnownBug("M06", "m06", "P1", SB),
    KnownBug("M07", "m07", "P1", SC),
    KnownBug("M09", "m09", "P1", SC),
    KnownBug("M10", "m10", "P1", WEAK),
    KnownBug("M12", "m12", "P3", SC),
    KnownBug("M13", "m13", "P3", WEAK),
    KnownBug("M14", "m14", "P3", SC),
    KnownBug("M18", "m18", "P5", SC),
    KnownBug("M21", "m21", "P1", SC),
    KnownBug("M24", "m24", "P1", SC),
    KnownBug("M24", "m24", "P2", SC),
    KnownBug("M27", "m27", "P2", SC),
    KnownBug("M27", "m27", "P8", SC),
    KnownBug("M29", "m29", "P4", SC),
    KnownBug("M30", "m30", "P4", WEAK),
    KnownBug("M47", "m47", "P1", SC),
    KnownBug("M50", "m50", "P1", SC),
)

CONTROLS = tuple(
    KnownBug(f"control {name}", f"control-{name.lower()}", property, NEVER)
    for name in "AB"
    for property in ("P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8")
)
"""What looks like a bug and is none."""

RACES = {"control-a": "races", "control-b": "no races"}
"""P10 of the controls, under every model."""
