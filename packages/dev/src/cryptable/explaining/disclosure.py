"""What each party learns from one prediction, in sentences, and what the client would learn under other `edges`."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import (
    AffineEncoder,
    BitsEncoder,
    CategoricalEncoder,
    ClientSpec,
    CurvesEncoder,
    DigitsEncoder,
    FeatureEncoder,
    PolylineEncoder,
    QuadraticEncoder,
    ThermometerEncoder,
    UnusedFeature,
)
from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.scheme import LEVELLED, SQUARES

from cryptable.explaining.levelled import CRAFTED, DIGITS_TELL, LAYOUT_TELLS
from cryptable.explaining.squares import CRAFTED as SQUARES_CRAFTED
from cryptable.explaining.squares import LAYOUT_TELLS as SQUARES_LAYOUT_TELLS
from cryptable.planner.planned_model import ThresholdDisclosure

SERVER_LEARNS = (
    "The server learns the model, who asks, when and how often. It learns no value, no score and no secret key: a row "
    "and its result are ciphertexts under the client's key."
)

_LABELS_TELL = (
    "Its honest questions tell a bit each, or an order, so that taking the model apart takes many times as many; what "
    "is encrypted to be no row can tell more of an answer's table, a position a question."
)
_LEVELS_TELL = (
    "Its honest questions tell no more than a level each, so that taking the model apart takes more of them than with "
    "scores, the more so the fewer the levels; what is encrypted to be no row can tell more of the answer's table, a "
    "position a question."
)
_CONTRIBUTIONS_TELL = (
    "Contributions tell the model itself, feature by feature: the weight of a linear feature follows from one row, the "
    "steps of an additive one from a row in each, and the leaves of trees from far fewer rows than scores alone would "
    "take. Leave explain=None where the model is worth hiding; weights cannot be hidden "
    "while contributions are told."
)
_HIDDEN = (
    "An answer tells nothing of the weights beside its scores, but scores tell them: one more question than there are "
    "numbers in a row is enough to work all of them out, and fewer of a client that encrypts what is no row. Limit "
    "rows for each principal where the model is worth hiding (docs/threat-model.md)."
)

EDGES_TELL = {
    "model": "the thresholds that the model compares with",
    "quantile": "quantiles of the calibration data, and none of the model's thresholds",
    "uniform": "the range of the calibration data, of features that are used, and none of the model's thresholds",
    "public": "the developer's own grid, and none of the model's thresholds",
}
"""By what `edges` chooses."""


def client_learns(
    spec: ClientSpec,
    lookups: int,
    edges: ThresholdDisclosure | None,
    *,
    labels_alone: bool = False,
    levels: int | None = None,
) -> str:
    """What the client specification and the answers tell. `edges` is None where it is not known (a loaded model)."""
    features = [part for feature in spec.features for part in _parts(feature)]
    count = sum(feature.size for feature in features if isinstance(feature, ThermometerEncoder))
    stairs = [steps for feature in features if isinstance(feature, PolylineEncoder) and (steps := _steps(feature))]
    if stairs:  # whose edges thermometers repeat
        count = sum(stairs)
    ranged = sum(isinstance(feature, (AffineEncoder, DigitsEncoder, QuadraticEncoder)) for feature in features)
    unused = sum(isinstance(feature, UnusedFeature) for feature in features)
    told = ["its scores" + (" and the class labels" if spec.decoder.is_classifier else "")]
    if labels_alone:
        order = ", and the order of all" if spec.decoder.scores > 1 else ""
        told = [f"the class labels, without scores{order}"]
    if levels is not None and spec.decoder.is_classifier:
        told = [f"which of {levels} levels the probability is in, without scores, and so the class labels"]
    elif levels is not None:
        told = [
            f"which of {levels} levels the prediction is in, without scores",
            "about which range its predictions have on the calibration data",
        ]
    if spec.decoder.members:
        how = "the median of which is taken" if spec.decoder.median else "and how they are added up"
        told.append(f"the scores of each of its {len(spec.decoder.members)} members, {how}")
    if count and edges is None:
        told.append(
            f"the {count} numbers that its encoders compare with: thresholds, or a grid that they were moved to"
        )
    elif count and edges is not None:
        numbers = f"{count} numbers to compare with: " if edges.kind != "model" else f"{count} numbers: "
        told.append(numbers + EDGES_TELL[edges.kind])
    categorical = sum(isinstance(feature, CategoricalEncoder) for feature in features)
    if categorical:
        told.append(f"the categories of {categorical} features, and which of them the model tells apart")
    if ranged:
        told.append(f"the ranges and steps of {ranged} features, which tell how much each can weigh at most")
    curves = sum(isinstance(feature, PolylineEncoder) for feature in features) - len(stairs)
    if curves:
        told.append(f"{curves} functions of single features that the model begins with, which clients evaluate")
    if unused:
        told.append(f"which {unused} features the model does not use")
    is_linear = isinstance(spec.parameters, LinearParameters)
    if spec.scheme == LEVELLED and not is_linear:
        digits = bool(stairs) or any(isinstance(feature, DigitsEncoder) for feature in spec.features)
        told.append(DIGITS_TELL if digits else LAYOUT_TELLS)
    if spec.scheme == SQUARES:
        told.append(SQUARES_LAYOUT_TELLS)
    if spec.decoder.contributions:
        told[0] += f", and what each of {len(spec.decoder.contributions)} features or pairs adds to each score"
    listed = told[-1] if len(told) == 1 else f"{'; '.join(told[:-1])}; and {told[-1]}"
    if spec.decoder.contributions:
        weights = _CONTRIBUTIONS_TELL
        more = f" {CRAFTED}" if spec.scheme == LEVELLED else ""
        return f"The client learns {listed}. {weights}{more}"
    if is_linear:
        return f"The client learns {listed}. {_HIDDEN}"
    if spec.scheme == LEVELLED:
        how = _LABELS_TELL if labels_alone else CRAFTED if levels is None else _LEVELS_TELL
        return f"The client learns {listed}; not the weights of the model or other rows. {how}"
    if spec.scheme == SQUARES:
        return f"The client learns {listed}; not the weights of the model or other rows. {SQUARES_CRAFTED}"
    if not lookups:
        # docs/threat-model.md, "What the client learns": answers of a linear circuit are not re-randomised.
        return (
            f"The client learns {listed}. A model without lookups also gives its weights away, exactly, to a client "
            "that looks into one encrypted answer: serve it only where they may be known, or hide_weights=True."
        )
    return f"The client learns {listed}; not the tables of the model, its weights or other rows."


def _steps(curve: PolylineEncoder) -> int:
    """Of a curve that consists of steps, whole levels that a number next to another one leads to; 0 of others."""
    knots, heights = np.array(curve.knots), np.array(curve.levels_at)
    rises = np.diff(heights) != 0
    is_step = np.nextafter(knots[:-1], np.inf) == knots[1:]
    return int(rises.sum()) if is_step[rises].all() and (heights == np.rint(heights)).all() else 0


def _parts(feature: FeatureEncoder) -> tuple[FeatureEncoder, ...]:
    """The encoders that a feature's is made of."""
    if isinstance(feature, CurvesEncoder):
        return feature.curves
    return feature.parts if isinstance(feature, BitsEncoder) else (feature,)  # type: ignore[return-value]
