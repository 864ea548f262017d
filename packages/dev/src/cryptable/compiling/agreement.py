"""How near a compiled model comes to the model itself, on calibration data: measured, and warned of where it is not."""

from __future__ import annotations

import math
import sys
import warnings
from dataclasses import replace

import numpy as np
from cryptable_engine import interpret
from cryptable_engine.circuit.readout import read_out
from cryptable_protocol import Decoder, Link, encode_rows
from cryptable_protocol.encoding.links import OF_PAIRS, votes_of_pairs
from cryptable_protocol.schemes.scheme import LEVELLED

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.errors import AgreementWarning, UnsupportedModelError
from cryptable.graphs.client_side import planned_graph
from cryptable.graphs.graph import FloatArray, IntArray
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.graphs.pair_votes import PairVotes
from cryptable.importers.imported_model import ImportedModel
from cryptable.planner.levelled.one_layer.networks import target_rms
from cryptable.planner.planned_model import Agreement, PlannedModel
from cryptable.planner.registry import Planner
from cryptable.planner.tolerance import deviation, deviations

MOST_ROWS = 2000
"""Of large circuits; of others, as many as are evaluated in a second or two."""
LEAST_LABELS = 0.99
"""Of the rows whose labels are the model's own, below which `compile` warns."""
LEAST_LABELS_OF_NETWORKS = 0.97
"""The same of models whose scores no bound holds for: their rounding is a bargain, of `bits=`."""
MOST_RMS, TIMES_TARGET_OF_TURNED = 0.15, 2.5
"""Of the deviation of the scores, above which it does, where no bound of their error holds; and how many times what
plans of one layer without lookups aim at, which are nearer as a rule: 0.05 of one score, 0.0875 of several."""
_MOST_MEAN = 1.2
"""Halves of a level's width, above which it does: but for what tables round, predictions are half a width off at most,
a quarter where they are spread evenly."""
_MOST_MIXED = 1000
_MOST_VALUES = 30_000_000
"""Of a circuit's nodes, over all rows."""


def measured(planned: PlannedModel, imported: ImportedModel) -> Agreement:
    """The circuit's answers beside the model's own, on calibration data.

    Args:
        planned: as clients will encode for it and decode.
        imported: the model, with its own scores and predictions.
    """
    size = sum(node.size for node in planned.circuit.nodes)
    count = max(MOST_ROWS, _MOST_VALUES // max(1, size))
    kept, wanted = imported.kept[:count], imported.reference[:count]
    decoder, whole = planned.decoder, imported.graph
    outputs = interpret(planned.circuit, encode_rows(planned.features, kept))
    values = read_out(planned.circuit, outputs, decoder.further_bits)
    if isinstance(whole, PairVotes):  # votes say too little of scores
        wanted = whole.graph.scores(imported.rows[:count])
    scores = np.asarray(_of_scores(decoder).decision_function(values), np.float64).reshape(wanted.shape)
    labels = None
    if decoder.is_classifier:
        labels = float(np.mean(imported.predicted[:count] == decoder.predict(values)))
    difference = scores - wanted
    rms = _relative(difference, wanted, is_classifier=decoder.is_classifier)
    last = getattr(imported.estimator, "steps", [("", imported.estimator)])[-1][1]
    taught = getattr(last, "teacher_agreement_", None)
    largest = float(np.abs(difference).max())
    return Agreement(len(kept), labels, rms, largest, *_of_mixed_rows(planned, imported), taught)


def _relative(difference: FloatArray, wanted: FloatArray, *, is_classifier: bool) -> float:
    """Root mean square of the score where it is largest, beside how much scores vary."""
    varies: FloatArray | float = deviation(wanted) or 1.0
    if not is_classifier:
        own = deviations(wanted)
        varies = np.where(own > 0, own, varies)
    return _root_mean_square(difference / varies)


def _of_scores(decoder: Decoder) -> Decoder:
    """What gives the scores that are answered, where labels are made of those of pairs."""
    return replace(decoder, link=Link.IDENTITY, labels=None) if decoder.link in OF_PAIRS else decoder


def _root_mean_square(difference: FloatArray) -> float:
    """Of the score where it is largest."""
    return float(np.sqrt(np.square(difference).mean(axis=0).max()))


def _of_mixed_rows(planned: PlannedModel, imported: ImportedModel) -> tuple[float | None, float | None]:
    """Labels and scores on rows whose values come from different rows of calibration data.

    Of kernel machines, whose tables reach as far as that does, and of nearest neighbours, whose comparisons are those
    of rows like it.
    """
    graph, decoder = planned_graph(imported.graph), planned.decoder
    if not isinstance(graph, KernelMachine | NeighborsModel) or not isinstance(imported.kept, np.ndarray):
        return None, None
    random = np.random.default_rng(0)
    rows = random.permuted(imported.rows[:_MOST_MIXED], axis=0)
    values = read_out(
        planned.circuit, interpret(planned.circuit, encode_rows(planned.features, rows)), decoder.further_bits
    )
    wanted = graph.scores(rows)
    scores = np.asarray(_of_scores(decoder).decision_function(values), np.float64).reshape(wanted.shape)
    labels = None
    if decoder.is_classifier:
        single = wanted[:, 0] if wanted.shape[1] == 1 else wanted
        own = votes_of_pairs(wanted) if decoder.link in OF_PAIRS else single
        labels = float(np.mean(decoder.predict(values) == decoder.predictions(own)))
    return labels, _root_mean_square(scores - wanted) / (deviation(wanted) or 1.0)


def of_labels(planned: PlannedModel, imported: ImportedModel, own: IntArray) -> Agreement:
    """Of a circuit that answers labels alone.

    Args:
        planned: as clients will encode for it and decode.
        imported: the model.
        own: places of the labels that its own scores have, shape (rows,).
    """
    count = max(MOST_ROWS, _MOST_VALUES // planned.circuit.input.size)
    kept = imported.kept[:count]
    predicted = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, kept)))
    labels = np.asarray(planned.decoder.labels)[own[:count]].reshape(predicted.shape)
    return Agreement(len(kept), float(np.mean(labels == predicted)), None, None)


def of_levels(planned: PlannedModel, imported: ImportedModel, own: FloatArray) -> Agreement:
    """Of a circuit that answers predictions in levels.

    Args:
        planned: as clients will encode for it and decode.
        imported: the model.
        own: its predictions, of a classifier the probabilities of the second label; shape (rows, 1).
    """
    count = max(MOST_ROWS, _MOST_VALUES // planned.circuit.input.size)
    kept, decoder = imported.kept[:count], planned.decoder
    values = interpret(planned.circuit, encode_rows(planned.features, kept))
    difference = np.abs(decoder.decision_function(values) - own[:count, 0])
    labels = None
    if decoder.is_classifier:
        labels = float(np.mean(imported.predicted[:count] == decoder.predict(values)))
    return Agreement(len(kept), labels, None, float(difference.max()), mean=float(difference.mean()))


def check_tolerance(planned: PlannedModel, tolerance: float | None) -> None:
    """A tolerance that is asked for is kept: by the error bound, or where there is none, on the calibration data.

    Raises:
        UnsupportedModelError: it is not.
    """
    found = planned.agreement
    if (
        tolerance is None
        or planned.error_bound is not None
        or found is None
        or found.largest is None
        or found.largest <= tolerance
    ):
        return
    raise UnsupportedModelError(
        f"tolerance is {tolerance:.3g}, but scores differ by up to {found.largest:.3g} from the network's own on "
        "X_train, since lookups keep so few bits of each sum; raise bits= or tolerance=, or leave tolerance= out: "
        "the agreement on X_train is then reported"
    )


def is_near(
    agreement: Agreement | None,
    *,
    has_bound: bool,
    scheme: str,
    outputs: int,
    step: float,
    least_labels: float | None = None,
) -> bool:
    """Whether scores and labels are as near to the model's own as `compile` wants them, which else warns.

    Args:
        agreement: as measured; what was not, is near.
        has_bound: whether the error of scores is bounded.
        scheme: that the model is planned for.
        outputs: of the circuit.
        step: of the decoder.
        least_labels: of the planner, where it has a share of its own.
    """
    if agreement is None:
        return True
    labels_say = has_bound and agreement.labels is not None  # of classifiers, more than scores do
    least = least_labels or (LEAST_LABELS if labels_say else LEAST_LABELS_OF_NETWORKS)
    mixed = min(agreement.rows, _MOST_MIXED)
    is_so = agreement.labels is None or agreement.labels >= least
    # Of few rows, a part of a row is none: 129 of 133 are 97 %.
    is_so &= agreement.mixed_labels is None or round(agreement.mixed_labels * mixed) >= math.floor(least * mixed)
    is_so &= agreement.mean is None or agreement.mean <= _MOST_MEAN * step
    # Kernel machines have been compared on mixed rows, too, which say more.
    is_turned = scheme == LEVELLED and agreement.mixed_rms is None and not has_bound
    most = TIMES_TARGET_OF_TURNED * target_rms(outputs) if is_turned else MOST_RMS
    return is_so and (labels_say or agreement.rms is None or agreement.rms <= most)


def tell_agreement(model: CompiledModel, planner: Planner, *, prints: bool, warns: bool) -> None:
    """As an AgreementWarning, where there is reason for one; else on standard error, where no bound of scores holds."""
    advice, agreement, spec = planner.closer, model.agreement, model.artifact.client_spec
    if agreement is None:
        return
    if agreement.mean is not None:
        advice += "; fewer levels= leave tables more positions"
    elif agreement.labels is None and spec.decoder.outputs > 1:
        advice += "; several targets share one step: fit on each divided by its standard deviation"
    has_bound = model.error_bound is not None
    if warns and not is_near(
        agreement,
        has_bound=has_bound,
        scheme=spec.scheme,
        outputs=spec.parameters.outputs,
        step=spec.decoder.step,
        least_labels=planner.least_labels,
    ):
        warnings.warn(
            f"the compiled {model.name!r} does not answer quite as the model itself: {agreement}; {advice}",
            AgreementWarning,
            stacklevel=3,
        )
    elif prints and not has_bound:
        sys.stderr.write(f"{model.name}: {agreement}\n")
