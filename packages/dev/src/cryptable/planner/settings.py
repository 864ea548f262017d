"""PlanSettings: what planners heed of the options of `compile`, whose documentation says what each means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Literal, TypeAlias, get_args

from cryptable_protocol import InvalidInputError
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED, LEVELLED, SQUARES

from cryptable.planner.budget import Budget
from cryptable.planner.thresholds.grid import MOST_BINS, Edges

RangeChoice: TypeAlias = Literal["sound", "minmax", "percentile", "mse"]
"""Where the ends of a network's tables lie; see `networks.ranges`."""
Rounding: TypeAlias = Literal["approximate", "exact"]
"""How the bits that a lookup drops are taken off: by the lookup itself, or by one lookup of one bit each before it."""
Readout: TypeAlias = Literal["exact", "approximate"]

Explain: TypeAlias = Literal["contributions"]
"""What is answered beside the scores."""
Answer: TypeAlias = Literal["score", "label", "threshold", "probability", "prediction"]
"""What clients get: scores, labels alone, the side of a threshold, or the prediction in levels."""
PROBABILITY, PREDICTION = "probability", "prediction"
DEFAULT_LEVELS, MOST_LEVELS = 32, 256
Scheme: TypeAlias = Literal["auto", "levelled", "bootstrapped", "squares"]
"""How ciphertexts are evaluated; "auto" is the cheapest way that is able to."""

Engine: TypeAlias = Literal["own", "concrete"]
"""What compiles and evaluates circuits of the scheme bootstrapped: we ourselves, or concrete-python."""

DEFAULT_BITS = 4
"""Kept before each lookup of a network."""
DEFAULT_BINS = 64
TABLE_BITS = (2, 3, 4, 5, 6)
_MOST_INPUT_BITS = 24


def check_number(name: str, given: object, *, whole: bool = False) -> None:
    """Refuse what is neither None nor a number: raises InvalidInputError, which names the option."""
    kind, wanted = (Integral, "a whole number") if whole else (Real, "a number")
    if given is not None and (isinstance(given, bool) or not isinstance(given, kind)):
        raise InvalidInputError(f"{name} is {given!r}, expected {wanted}")


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanSettings:
    """Checked when it is made.

    Raises:
        InvalidInputError: an option out of range, or options that do not go together; the message names them.
    """

    tolerance: float | None = None
    table_bits: int | None = None
    input_bits: int | None = None
    edges: Edges = "model"
    bins: int = DEFAULT_BINS
    bits: int | Mapping[str, int] | Literal["auto"] | None = None
    ranges: RangeChoice = "minmax"
    rounding: Rounding = "approximate"
    readout: Readout = "exact"
    scheme: Scheme = "auto"
    explain: Explain | None = None
    answer: Answer = "score"
    threshold: float | None = None
    levels: int | None = None
    hide_weights: bool | None = None
    budget: Budget | None = None
    show_progress: bool = False
    most_seconds: float | None = None
    """CPU of a row that another scheme takes: what costs more is not looked for. None where nothing is compared."""

    def __post_init__(self) -> None:
        check_number("tolerance", self.tolerance)
        for name in ("table_bits", "input_bits", "bins", "levels"):
            check_number(name, getattr(self, name), whole=True)
        if self.budget is not None and not isinstance(self.budget, Budget):
            raise InvalidInputError(f"budget is {self.budget!r}, expected a cryptable.Budget, as Budget(seconds=1)")
        if self.tolerance is not None and not 0 < self.tolerance < float("inf"):
            raise InvalidInputError(
                f"tolerance is {self.tolerance}, expected a positive number, in the unit of the scores"
            )
        if self.table_bits is not None and self.table_bits not in TABLE_BITS:
            raise InvalidInputError(
                f"table_bits is {self.table_bits}, expected one of {', '.join(map(str, TABLE_BITS))}"
            )
        if self.input_bits is not None and not 1 <= self.input_bits <= _MOST_INPUT_BITS:
            raise InvalidInputError(f"input_bits is {self.input_bits}, expected 1 to {_MOST_INPUT_BITS}")
        if not 2 <= self.bins <= MOST_BINS:
            raise InvalidInputError(f"bins is {self.bins}, expected 2 to {MOST_BINS}")
        if isinstance(self.bits, str) and self.bits != "auto":
            raise InvalidInputError(f"bits is {self.bits!r}, expected a number, one for each layer by name, or 'auto'")
        for name, given, known in (
            ("ranges", self.ranges, get_args(RangeChoice)),
            ("rounding", self.rounding, get_args(Rounding)),
            ("readout", self.readout, get_args(Readout)),
            ("scheme", self.scheme, get_args(Scheme)),
            ("answer", self.answer, get_args(Answer)),
        ):
            if given not in known:
                raise InvalidInputError(f"{name} is {given!r}, expected {' or '.join(map(repr, known))}")
        if self.explain not in (None, *get_args(Explain)):
            raise InvalidInputError(f"explain is {self.explain!r}, expected 'contributions', or None for scores alone")
        if self.explain and self.readout != "exact":
            raise InvalidInputError(
                f"readout is {self.readout!r}, expected 'exact' with explain={self.explain!r}: contributions add up to "
                "the score exactly, which noisy ones do not"
            )
        if self.scheme in (LEVELLED, SQUARES) and self.needs_lookups:
            raise InvalidInputError(
                f"scheme {self.scheme!r} has no lookups and no noise in scores: leave table_bits=None, "
                "readout='exact' and the budget's max_lookups=None, or use scheme='bootstrapped'"
            )
        self._check_answer()
        self._check_hiding()
        if self.budget is not None and self.moves_edges:
            raise InvalidInputError(
                f"edges is {self.edges!r}, expected 'model' with a budget, which merges thresholds itself"
            )

    def _check_answer(self) -> None:
        check_number("threshold", self.threshold)
        if (self.threshold is None) == (self.answer == "threshold"):
            raise InvalidInputError(
                f'threshold is {self.threshold!r} with answer={self.answer!r}: answer="threshold" takes a number, in '
                "the unit of predictions, and other answers none"
            )
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise InvalidInputError(f"threshold is {self.threshold}, expected a finite number")
        self._check_levels()
        if self.answer == "score":
            return
        if self.explain or self.budget is not None:
            raise InvalidInputError(
                f"answer={self.answer!r} tells no scores: leave explain=None and budget=None with it, or leave "
                'answer="score"'
            )
        if self.scheme == BOOTSTRAPPED or self.needs_lookups:
            raise InvalidInputError(
                f"answer={self.answer!r} is of scheme 'levelled', whose tables are as wide as scores, which lookups "
                "are not: leave scheme='auto', table_bits=None and readout='exact'"
            )

    def _check_levels(self) -> None:
        if self.levels is None:
            return
        if not self.in_levels:
            raise InvalidInputError(
                f"levels is {self.levels} with answer={self.answer!r}: only probabilities and predictions are answered "
                'in levels, with answer="probability" or answer="prediction"'
            )
        if not 2 <= self.levels <= MOST_LEVELS or (self.answer == PROBABILITY and self.levels % 2):
            even = ", an even number, so that a border is at one half" if self.answer == PROBABILITY else ""
            raise InvalidInputError(f"levels is {self.levels}, expected 2 to {MOST_LEVELS}{even}")

    def _check_hiding(self) -> None:
        if self.hide_weights not in (None, True, False):
            raise InvalidInputError(f"hide_weights is {self.hide_weights!r}, expected True, False or None")
        if self.hide_weights and (self.scheme in (BOOTSTRAPPED, SQUARES) or self.needs_lookups):
            raise InvalidInputError(
                "hide_weights=True is of scheme 'levelled', whose answers are re-randomised: leave scheme='auto', "
                "table_bits=None, readout='exact' and the budget's max_lookups=None"
            )
        if self.hide_weights and self.explain:
            raise InvalidInputError(
                f"hide_weights=True with explain={self.explain!r}: contributions tell a model's weights, so that "
                "nothing is left to hide; leave one of them"
            )

    @property
    def in_levels(self) -> bool:
        """Whether predictions are answered, in so many levels."""
        return self.answer in (PROBABILITY, PREDICTION)

    @property
    def count_of_levels(self) -> int:
        """Where predictions are answered."""
        return self.levels or DEFAULT_LEVELS

    @property
    def answers(self) -> str:
        """Which kind of planner there must be: "score", or "label" for whatever a table after the score answers."""
        return "score" if self.answer == "score" else "label"

    @property
    def moves_edges(self) -> bool:
        """Whether thresholds are moved to a grid."""
        return not (isinstance(self.edges, str) and self.edges == "model")

    @property
    def needs_lookups(self) -> bool:
        """Whether options are set that only the scheme bootstrapped has."""
        counted = self.budget is not None and self.budget.max_lookups is not None
        return self.table_bits is not None or self.readout != "exact" or counted

    @property
    def speaks_of_lookups(self) -> bool:
        """Whether options are set that mean something else, or nothing, where a network's tables are turned."""
        return self.bits is not None or self.rounding != "approximate"

    @property
    def widths(self) -> tuple[int, ...] | None:
        """Of tables, where that is asked for."""
        return None if self.table_bits is None else (self.table_bits,)
