"""What there is to say of a levelled model that is linear: how its weights are hidden, and what scores tell."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cryptable_protocol.schemes.levelled.linear_parameters import LinearParameters
from cryptable_protocol.schemes.scheme import SchemeParameters

from cryptable.cost.rates import Prediction


@dataclass(frozen=True)
class LinearFacts:
    """Of one prediction.

    Attributes:
        polynomials: of a row.
        moduli: that scores are computed modulo.
        log2_told: of the nats that an answer tells of any one weight, beside its scores, at most.
        questions: honest ones, whose scores are enough to work out all weights.
    """

    polynomials: int
    moduli: tuple[int, ...]
    log2_told: float
    questions: int

    @classmethod
    def of(cls, parameters: SchemeParameters) -> LinearFacts | None:
        """Of a model's parameters; None where it is none of this kind."""
        if not isinstance(parameters, LinearParameters):
            return None
        return cls(parameters.layout.polynomials, parameters.moduli, math.log2(parameters.told), parameters.inputs + 1)

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {**asdict(self), "moduli": list(self.moduli)}

    def rows(self, seconds: Prediction, p_error: float, security_bits: int) -> Iterator[tuple[str, str]]:
        """For people: what stands in place of lookups, and of how they fail."""
        yield "lookups", "none: the model is linear in what the client sends, and takes one product of polynomials"
        yield (
            "weights",
            f"hidden: an answer is re-randomised and flooded, and tells at most 2^{self.log2_told:.0f} nats of a "
            f"weight beside its scores; scores themselves tell all weights to who asks {self.questions} questions",
        )
        yield "residues", f"answers are computed modulo {', '.join(map(str, self.moduli))}, put together by the client"
        yield "CPU", f"about {seconds.row:.2g} s a row on one core, by rates of: {seconds.measured_on}"
        yield "keys shared", "with every linear model of the scheme levelled"
        yield "failure", f"2^{math.log2(p_error):.0f} an answer, by a bound for every row; {security_bits}-bit security"
