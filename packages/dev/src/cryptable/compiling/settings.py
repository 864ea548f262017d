"""CompileSettings: every option of `compile`, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt
from cryptable_protocol import CompileOptions, InvalidInputError, KeysetParameters, limits
from cryptable_protocol.model.artifact import MOST_FLOODING_BITS
from cryptable_protocol.model.client_spec import DEFAULT_P_ERROR
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, LEVELLED, SQUARES

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.cost.prices import PriceList, price_list
from cryptable.planner.settings import Engine, PlanSettings, check_number

CONCRETE = "concrete"
"""The engine that is not our own."""
LEVELLED_P_ERROR = 2.0**-128
"""Hardly more work than a larger one; of the scheme squares, too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CompileSettings(PlanSettings):
    """What `compile` is told besides the model and its rows; it documents each.

    With scheme "auto" it is for `scheme_choice`, which makes settings of one scheme of it.

    Raises:
        InvalidInputError: an option out of range, or options that do not go together; the message names them.
    """

    name: str | None = None
    version: str = "1"
    p_error: float | None = None
    missing: str | Sequence[str] = "seen"
    labels: Sequence[float] | Sequence[str] | None = None
    y_train: npt.ArrayLike | None = None
    keys_of: CompiledModel | None = None
    flooding_bits: int | None = None
    engine: Engine = "own"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("p_error", self.p_error)
        self._check_flooding()
        for name, text in (("name", self.name), ("version", self.version)):
            if text is not None and not isinstance(text, str):
                raise InvalidInputError(f"{name} is {text!r}, expected a string")
        if not isinstance(self.missing, str | Sequence):
            raise InvalidInputError(f"missing is {self.missing!r}, expected 'seen', 'all' or names of columns")
        if self.labels is not None and (isinstance(self.labels, str) or not np.ndim(self.labels) == 1):
            raise InvalidInputError(f"labels is {self.labels!r}, expected one label a class")
        if self.keys_of is not None and not isinstance(self.keys_of, CompiledModel):
            raise InvalidInputError(f"keys_of is a {type(self.keys_of).__name__}, expected a compiled model")
        CompileOptions(p_error=self.failure)  # which checks it
        if self.engine not in get_args(Engine):
            raise InvalidInputError(f"engine is {self.engine!r}, expected 'own' or 'concrete'")
        if self.engine == CONCRETE and self.scheme not in ("auto", BOOTSTRAPPED):
            raise InvalidInputError(
                f"engine is {CONCRETE!r}, which is one of the scheme bootstrapped, and scheme is {self.scheme!r}: "
                "leave one of them out"
            )
        if self.keys_of is not None and SQUARES in (self.scheme, self.keys_of.artifact.client_spec.scheme):
            raise InvalidInputError(
                "keys_of is not for the scheme squares: models of the same layout and chain of primes share keys by "
                "themselves, and no others can; leave it out"
            )
        if self.keys_of is not None and self.scheme not in ("auto", kept := self.keys_of.artifact.client_spec.scheme):
            raise InvalidInputError(
                f"keys_of is a model of scheme {kept!r}, this one is to be of {self.scheme!r}: keys serve one scheme"
            )

    def _check_flooding(self) -> None:
        check_number("flooding_bits", self.flooding_bits, whole=True)
        if self.flooding_bits is None:
            return
        if not 1 <= self.flooding_bits <= MOST_FLOODING_BITS:
            raise InvalidInputError(
                f"flooding_bits is {self.flooding_bits}, expected 1 to {MOST_FLOODING_BITS}, or None for no flooding"
            )
        if self.scheme not in ("auto", SQUARES):
            raise InvalidInputError(
                f"flooding_bits is of scheme 'squares', and scheme is {self.scheme!r}: leave one of them out"
            )

    @property
    def failure(self) -> float:
        """`p_error`, or the scheme's own."""
        if self.p_error is not None:
            return self.p_error
        return LEVELLED_P_ERROR if self.scheme in (LEVELLED, SQUARES) else DEFAULT_P_ERROR

    @property
    def options(self) -> CompileOptions:
        """For the engine: which keyset, if that of another model. Keys of the scheme levelled serve every model."""
        if self.keys_of is None or self.scheme == LEVELLED:
            flooding = self.flooding_bits or 0 if self.scheme == SQUARES else 0
            return CompileOptions(p_error=self.failure, scheme=self.scheme, flooding_bits=flooding)
        entry = self.keys_of.artifact.compile_options.keyset_entry
        entry = entry or f"keys of {self.keys_of.name}"[: limits.MAX_NAME_LENGTH]
        return CompileOptions(p_error=self.failure, keyset_entry=entry, keyset=self._keyset)

    @property
    def prices(self) -> PriceList:
        """For the planner: of the keys that the model is to run with."""
        return price_list(self.failure, keyset=self._keyset, scheme=self.scheme)

    @property
    def _keyset(self) -> KeysetParameters | None:
        if self.keys_of is None or self.scheme == LEVELLED:
            return None
        return self.keys_of.artifact.client_spec.keyset
