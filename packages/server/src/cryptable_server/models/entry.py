"""ModelEntry: a version of a model in a directory as its operator sees it, whether it is served or not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from cryptable_server.models.settings import NO_LIMITS, ModelLimits
from cryptable_server.models.store import Model


class State(Enum):
    """Whether a version is served, and if not, why."""

    SERVED = "served"
    UNLOADED = "unloaded"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One file of a directory of models."""

    file: str
    name: str
    """Empty where the file cannot be read."""
    version: str
    state: State
    reason: str = ""
    """Why what the file holds now is refused."""
    aliases: tuple[str, ...] = ()
    model: Model | None = None
    """What is, or would be, served: what the file holds, or held before it went bad."""
    limits: ModelLimits = NO_LIMITS
    streams: int = 0
    """That use it now."""


@dataclass(frozen=True)
class Refusal:
    """Why an artifact is not served."""

    reason: str
    name: str = ""
    version: str = ""

    def entry(self, path: Path) -> ModelEntry:
        """Of an artifact of which nothing is served."""
        return ModelEntry(file=path.name, name=self.name, version=self.version, state=State.REFUSED, reason=self.reason)
