"""CompileSettings: every option of `compile`, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy.typing as npt
from cryptable_protocol import CompileOptions, KeysetParameters, limits
from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.cost.prices import PriceList, price_list
from cryptable.planner.settings import PlanSettings


@dataclass(frozen=True, kw_only=True, eq=False)
class CompileSettings(PlanSettings):
    """What `compile` is told besides the model and its rows; it documents each.

    Raises:
        InvalidInputError: an option out of range, or options that do not go together; the message names them.
    """

    name: str | None = None
    version: str = "1"
    p_error: float = DEFAULT_P_ERROR
    missing: str | Sequence[str] = "seen"
    labels: Sequence[int] | Sequence[str] | None = None
    y_train: npt.ArrayLike | None = None
    keys_of: CompiledModel | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        CompileOptions(p_error=self.p_error)  # which checks it

    @property
    def options(self) -> CompileOptions:
        """For the engine: which keyset, if that of another model."""
        if self.keys_of is None:
            return CompileOptions(p_error=self.p_error)
        entry = self.keys_of.artifact.compile_options.keyset_entry
        entry = entry or f"keys of {self.keys_of.name}"[: limits.MAX_NAME_LENGTH]
        return CompileOptions(p_error=self.p_error, keyset_entry=entry, keyset=self._keyset)

    @property
    def prices(self) -> PriceList:
        """For the planner: of the keys that the model is to run with."""
        return price_list(self.p_error, keyset=self._keyset)

    @property
    def _keyset(self) -> KeysetParameters | None:
        return None if self.keys_of is None else self.keys_of.artifact.client_spec.keyset
