"""What `minikvm check` must say of configs/seed-*.yaml: the table "the seed question" of the protocol as data."""

from __future__ import annotations

MODELS = ("sc", "tso", "rc11", "lkmm")
WEAK = ("rc11", "lkmm")

CONFIGS = tuple(
    f"seed-{wait}{walk}{shape}" for wait in ("wait", "nowait") for walk in ("", "-walk") for shape in ("", "-1vcpu-2entries")
)

VIOLATED_UNDER = {"linear": WEAK, "v1-bitmap": MODELS, "control-a": (), "upstream": ()}
"""strategy -> the models under which it loses a kick (P1), a wait (P2), or a page under a walk (P4)."""

RACES = {"linear": True, "v1-bitmap": True, "control-a": True, "upstream": False}
"""strategy -> is its read of vcpu.cpu a race (P10)? Under every model."""


def properties_of(config: str) -> tuple[str, ...]:
    """The properties that the form of the helper decides there: P2 with WAIT, and P4 where a flush that waits meets walks."""
    waits = not config.startswith("seed-nowait")
    return ("P1", *(("P2",) if waits else ()), *(("P4",) if waits and "-walk" in config else ()))


def expected(strategy: str, model: str) -> str:
    """The verdict on each of properties_of()."""
    return "violated" if model in VIOLATED_UNDER[strategy] else "holds"
