"""TrainedIntegers: a network that was trained as the integers it is, and needs no quantizing: only to be laid out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from cryptable_engine import verify
from cryptable_protocol import Labels, Link

from cryptable.errors import ImportMismatchError
from cryptable.graphs.graph import FloatArray, Rows
from cryptable.importers.calibration import read_rows
from cryptable.planner.networks import READOUT_TOLERANCE, Rounding
from cryptable.planner.networks.integers import IntegerNetwork
from cryptable.planner.networks.lower import lower
from cryptable.planner.networks.quantize import encode
from cryptable.planner.readout import Readout, approximate
from cryptable.planner.trees.lower import PlannedModel

_TOLERANCE = 1e-4
"""Of the largest score: torch adds up in single precision."""


@dataclass(frozen=True, eq=False)
class TrainedIntegers:
    """The integers, and what its scores mean."""

    network: IntegerNetwork
    link: Link
    labels: Labels | None


@runtime_checkable
class HasIntegers(Protocol):
    """What estimators of `cryptable.neural` have, so that compiling one loads no torch here."""

    def trained_integers(self) -> TrainedIntegers:
        """Read out of the fitted module."""

    def reference_scores(self, X: Rows) -> FloatArray:
        """The module's own, shape (rows, scores)."""


def plan_trained(
    estimator: HasIntegers,
    X: Rows,
    *,
    rounding: Rounding = "approximate",
    readout: Readout = "exact",
    tolerance: float | None = None,
    p_error: float = 2.0**-40,
) -> PlannedModel:
    """The circuit of a network that was trained as integers; arguments of `compile`.

    Raises:
        ImportMismatchError: its scores on X are not the module's own.
    """
    kept, rows, names = read_rows(estimator, X)
    trained = estimator.trained_integers()
    network = trained.network
    reference = estimator.reference_scores(kept)
    difference = float(np.abs(network.scores(encode(network.input_grid, rows)) - reference).max(initial=0.0))
    if not difference <= _TOLERANCE * max(1.0, float(np.abs(reference).max(initial=0.0))):
        raise ImportMismatchError(
            f"{type(estimator).__name__}: the integers read from it give scores that differ by {difference:.3g} from "
            "its own. Nothing was compiled; please report this model"
        )
    planned = lower(network, feature_names=names, link=trained.link, labels=trained.labels, rounding=rounding)
    if readout == "approximate":
        if tolerance is None:
            tolerance = READOUT_TOLERANCE * float(reference.std(axis=0).max())
        planned = approximate(planned, tolerance=tolerance, p_error=p_error)
    verify(planned.circuit)
    return replace(planned, ranges="trained")
