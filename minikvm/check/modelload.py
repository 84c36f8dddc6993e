"""Memory models by name, through the plugin registry."""

from __future__ import annotations

from typing import Any

from minikvm.kinds import MemoryModel
from minikvm.plugins import Manager


def model_object(model: str | MemoryModel | type[MemoryModel]) -> Any:
    """An instance of a memory model. ConfigError or KeyError for a name that no plugin has."""
    if isinstance(model, MemoryModel):
        return model
    if isinstance(model, type):
        return model()
    return Manager().create("model", model)
