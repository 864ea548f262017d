"""PlannedModel: what every planner makes, with what is to be told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from cryptable_engine import Circuit
from cryptable_protocol import Decoder, FeatureEncoder

from cryptable.graphs.contributions import Contributions
from cryptable.graphs.graph import FloatArray, IntArray, TreeEnsemble
from cryptable.graphs.teacher_agreement import TeacherAgreement


@dataclass(frozen=True)
class ThresholdDisclosure:
    """Which edges the client is told, and what moving the thresholds there does to scores of the calibration data."""

    kind: str
    """"model", "quantile", "uniform" or "public"."""
    largest_difference: float = 0.0
    mean_difference: float = 0.0


@dataclass(frozen=True)
class ScoreDrop:
    """What an approximation within a budget scores less than the model itself, on the calibration data.

    `before` is what the model itself scores by `measure`, `after` what its approximation does.
    """

    measure: str
    before: float
    after: float

    @property
    def score(self) -> float:
        """What is given up."""
        return self.before - self.after

    def __str__(self) -> str:
        return (
            f"{self.score:.4g} of {self.measure}, from {self.before:.4g} to {self.after:.4g}, on the calibration data"
        )


@dataclass(frozen=True)
class TreeDraft:
    """What a plan of trees would cost, about: lookups of at most `table_bits` bits, or products of bits.

    `price` is in the unit of the price list that the plan is made by.
    """

    price: float
    lookups: int = 0
    table_bits: int = 0
    products: int = 0


@dataclass(frozen=True)
class Agreement:
    """What a compiled model answers, in the clear, beside what the model itself does, on rows of the calibration data.

    `labels` is the share of them with the same label, None for a regression. `rms` is the root mean square of the
    differences of scores, in standard deviations of the scores, of the score where it is largest; `largest` the largest
    difference, in the unit of the scores; both are None where labels alone are answered. `mixed_labels` and `mixed_rms`
    are the same of rows whose values are taken from anywhere in each column: rows unlike any that the model knows. They
    are measured of kernel machines, whose tables reach as far as the calibration data do, and of nearest neighbours.
    `teacher` is of a network that was distilled: how that answers beside what it learned from. Where predictions are
    answered in levels, `rms` is None, `mean` the mean and `largest` the largest difference of predictions, in their
    unit.
    """

    rows: int
    labels: float | None
    rms: float | None
    largest: float | None
    mixed_labels: float | None = None
    mixed_rms: float | None = None
    teacher: TeacherAgreement | None = None
    mean: float | None = None

    def __str__(self) -> str:
        taught = "" if self.teacher is None else f"; of the network that was distilled, {self.teacher}"
        return f"{self._near}{self._far}{taught}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**vars(self), "teacher": None if self.teacher is None else vars(self.teacher).copy()}

    @property
    def _far(self) -> str:
        if self.mixed_rms is None:
            return ""
        labels = "" if self.mixed_labels is None else f"{self.mixed_labels:.1%} of the labels, and "
        return f"; where columns are mixed at random, {labels}scores within {self.mixed_rms:.2g} of their deviation"

    @property
    def _near(self) -> str:
        labels = "" if self.labels is None else f"{self.labels:.1%} of the labels are the model's own, "
        if self.mean is not None:
            what = "predictions" if self.labels is None else "probabilities"
            return (
                f"{labels}{what} differ by {self.mean:.3g} on average, by {self.largest:.3g} at most, on {self.rows} "
                "rows of the calibration data"
            )
        if self.rms is None or self.largest is None:
            return f"{labels}on {self.rows} rows of the calibration data"
        return (
            f"{labels}scores differ by {self.rms:.2g} of their deviation (root mean square), by {self.largest:.3g} at "
            f"most, on {self.rows} rows of the calibration data"
        )


@dataclass(frozen=True)
class SchemeOffer:
    """What a scheme would take for a model, where scheme="auto" has compared several.

    Attributes:
        scheme: its name.
        seconds: CPU of a row on one core, as predicted before crypto parameters are chosen; None where it is not able.
        rms: of the difference of scores, as `Agreement` has it; None where it is not able, or a bound holds.
        refusal: why it is not able; else empty.
    """

    scheme: str
    seconds: float | None = None
    rms: float | None = None
    refusal: str = ""

    def __str__(self) -> str:
        if self.seconds is None:
            return f"{self.scheme} is not able ({self.refusal})"
        off = "" if self.rms is None else f", scores off by {self.rms:.2g} of their deviation"
        return f"{self.scheme} {self.seconds:.2g} s{off}"


@dataclass(frozen=True, eq=False)
class PlannedTrees:
    """The trees that a plan is of, and what drafts plans of other ones for the same scheme.

    `draft` gives None of trees that the scheme cannot evaluate; `apart` is the draft of trees each of which asks about
    one feature alone: scores are sums of bits then.
    """

    graph: TreeEnsemble
    draft: Callable[[TreeEnsemble], TreeDraft | None]
    apart: TreeDraft


@dataclass(frozen=True, eq=False)
class PlannedModel:
    """What the planner makes: the circuit, the client's encoders and decoder, and how exact the scores are.

    `layer_names` has one name for each Lookup of the circuit, where the model has names for them.
    """

    circuit: Circuit
    features: tuple[FeatureEncoder, ...]
    decoder: Decoder
    error_bound: float | None
    """No score differs from the float model graph's by more, for inputs within the encoders' ranges; None where no such
    bound is known."""
    edges: ThresholdDisclosure | None = None
    """Which thresholds the client is told; None where the model compares with none."""
    layer_names: tuple[str, ...] = ()
    given_up: ScoreDrop | None = None
    """Of an approximation within a budget."""
    ranges: str | None = None
    """Where the tables of a network end, as `cryptable.compile` names it; None for any other model."""
    trees: PlannedTrees | None = None
    """Of a model of trees, for advice on what would make them cheaper."""
    agreement: Agreement | None = None
    """With the model itself, of a network."""
    scheme: Literal["levelled", "bootstrapped", "squares"] = "bootstrapped"
    """That evaluates the circuit."""
    offers: tuple[SchemeOffer, ...] = ()
    """Of the schemes that "auto" has compared, the one that was taken first; empty where it had none to compare."""
    places: Callable[[FloatArray], IntArray] | None = None
    """Where labels alone are answered: of which label, for the model's own scores, shape (rows, scores): (rows,)."""
    predictions: Callable[[FloatArray], FloatArray] | None = None
    """Where predictions are answered in levels: the model's own, of its own scores, shape (rows, 1), as they are."""
    contributions: Contributions | None = None
    """In the clear, where the circuit answers them beside the scores."""
    contribution_error: float | None = None
    """No contribution, and no base, differs from those by more, for inputs within the encoders' ranges; None where that
    is not known."""
