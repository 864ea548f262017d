"""What there is to say of a circuit of squares: how many, modulo what, how rarely it fails, what its layout tells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from cryptable_engine import Circuit, Program, Square
from cryptable_protocol.schemes.squares.answers import P_ERROR
from cryptable_protocol.schemes.squares.parameters import SquaresParameters

from cryptable.cost.rates import Prediction
from cryptable.cost.squares import flooding_price, modulus_bits

LAYOUT_TELLS = (
    "the widths of the first and the last hidden layer, rounded up to powers of two, and from the time, its depth"
)
CRAFTED = (
    "Copies of an input that differ, or keys made for the purpose, tell a dishonest client more: limit rows for each "
    "principal where the model is worth hiding (docs/threat-model.md)."
)


@dataclass(frozen=True)
class SquaresFacts:
    """Of one prediction.

    Attributes:
        squares_by_layer: values that are squared, layer by layer.
        moduli: that scores are computed modulo.
        ring_size: slots of a ciphertext.
        modulus_bits: of all primes of the keys' chain.
        rotations: kinds of them that there are keys for.
        flooding_bits: by which the server's own noise exceeds the circuit's in answers, 0 for none.
        price_over_plain: the price, over that without flooding.
        plain_modulus_bits: of the primes that there would be without it; None where there is none.
    """

    squares_by_layer: tuple[int, ...]
    moduli: tuple[int, ...]
    ring_size: int
    modulus_bits: float
    rotations: int
    flooding_bits: int = 0
    price_over_plain: float = 1.0
    plain_modulus_bits: float | None = None

    @classmethod
    def of(cls, circuit: Circuit, program: Program, p_error: float) -> SquaresFacts | None:
        """Of a circuit and its program; None where that is another scheme's."""
        parameters = program.parameters
        if not isinstance(parameters, SquaresParameters):
            return None
        chain, flooding = parameters.keyset.chain, flooding_price(circuit, program, p_error)
        return cls(
            tuple(node.size for node in circuit.nodes if isinstance(node, Square)),
            parameters.moduli,
            chain.ring_size,
            modulus_bits(parameters),
            len(parameters.keyset.elements),
            *(() if flooding is None else (flooding.bits, flooding.ratio, modulus_bits(flooding.plain))),
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {**asdict(self), "squares_by_layer": list(self.squares_by_layer), "moduli": list(self.moduli)}

    def rows(self, seconds: Prediction, p_error: float, security_bits: int) -> Iterator[tuple[str, str]]:
        """For people: what stands in place of lookups, and of how they fail."""
        layers = " and ".join(map(str, self.squares_by_layer))
        yield "squares", f"{layers} values, in one multiplication of ciphertexts a layer; no bootstrapping, no rounding"
        yield "moduli", f"{', '.join(map(str, self.moduli))}: scores are computed modulo each, within sound bounds"
        if self.flooding_bits:
            yield (
                "flooding",
                f"answers of equal scores differ by 2^-{self.flooding_bits} at most, whatever the weights, for "
                f"{self.price_over_plain:.2g} times the CPU and {self.modulus_bits:.0f} instead of "
                f"{self.plain_modulus_bits:.0f} bits of primes",
            )
        else:
            yield "flooding", "none: the noise of answers tells a little of the weights; flooding_bits=40 drowns it"
        yield "CPU", f"about {seconds.row:.2g} s a row on one core, by rates of: {seconds.measured_on}"
        yield "keys shared", f"with models of the same chain of primes and the same {self.rotations} rotations"
        yield (
            "failure",
            f"2^{math.log2(min(p_error, P_ERROR)):.0f} an answer, by a bound for every honest row; "
            f"{security_bits}-bit security (N = {self.ring_size}, {self.modulus_bits:.0f} bits of primes)",
        )
