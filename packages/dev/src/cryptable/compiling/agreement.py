"""How near a compiled model comes to the model itself, on calibration data: measured, and warned of where it is not."""

from __future__ import annotations

import sys
import warnings

import numpy as np
from cryptable_engine import interpret
from cryptable_protocol import encode_rows

from cryptable.errors import AgreementWarning, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, Rows
from cryptable.planner.planned_model import Agreement, PlannedModel
from cryptable.planner.tolerance import deviation

MOST_ROWS = 2000
LEAST_LABELS = 0.97
"""Of the rows whose labels are the model's own, below which `compile` warns."""
MOST_RMS = 0.15
"""Of the deviation of the scores, above which it does."""


def measured(planned: PlannedModel, rows: Rows, reference: FloatArray) -> Agreement:
    """The circuit's answers beside the model's own.

    Args:
        planned: as clients will encode for it and decode.
        rows: calibration data, as clients have it.
        reference: the model's own scores of them, shape (rows, scores).
    """
    kept, wanted = rows[:MOST_ROWS], reference[:MOST_ROWS]
    decoder = planned.decoder
    values = interpret(planned.circuit, encode_rows(planned.features, kept))
    scores = np.asarray(decoder.decision_function(values), np.float64).reshape(wanted.shape)
    labels = None
    if decoder.is_classifier:
        chosen = wanted[:, 0] > 0 if wanted.shape[1] == 1 else wanted.argmax(axis=1)
        labels = float(np.mean(np.asarray(decoder.labels)[chosen.astype(np.int64)] == decoder.predict(values)))
    difference = scores - wanted
    rms = float(np.sqrt(np.square(difference).mean(axis=0).max()))
    return Agreement(len(kept), labels, rms / (deviation(wanted) or 1.0), float(np.abs(difference).max()))


def check_tolerance(planned: PlannedModel, tolerance: float | None) -> None:
    """A tolerance that is asked for is kept: by the error bound, or where there is none, on the calibration data.

    Raises:
        UnsupportedModelError: it is not.
    """
    found = planned.agreement
    if tolerance is None or planned.error_bound is not None or found is None or found.largest <= tolerance:
        return
    raise UnsupportedModelError(
        f"tolerance is {tolerance:.3g}, but scores differ by up to {found.largest:.3g} from the network's own on "
        "X_train, since lookups keep so few bits of each sum; raise bits= or tolerance=, or leave tolerance= out: "
        "the agreement on X_train is then reported"
    )


def tell_agreement(agreement: Agreement | None, name: str, *, advice: str, prints: bool, warns: bool) -> None:
    """On standard error; as an AgreementWarning, where there is reason for one."""
    if agreement is None:
        return
    is_near = (agreement.labels is None or agreement.labels >= LEAST_LABELS) and agreement.rms <= MOST_RMS
    if warns and not is_near:
        warnings.warn(
            f"the compiled {name!r} does not answer quite as the model itself: {agreement}; {advice}",
            AgreementWarning,
            stacklevel=3,
        )
    elif prints:
        sys.stderr.write(f"{name}: {agreement}\n")
