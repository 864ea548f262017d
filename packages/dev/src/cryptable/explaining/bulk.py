"""What there is to say of rows in bulk: what one costs of thousands at once, from how many on they pay, or why not."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from cryptable_engine import Circuit, CircuitError, CompilationError, Program, verify
from cryptable_engine.schemes.squares.bulk.choice import choose_bulk_plan
from cryptable_engine.schemes.squares.bulk.price import ENCRYPTION_PRICE, least_rows_in_bulk, price
from cryptable_protocol import ClientSpec


@dataclass(frozen=True)
class BulkFacts:
    """Of a full tensor, by prices of one core.

    Attributes:
        rows: of a tensor.
        tensor_bytes: of it.
        columns: ciphertexts of it.
        modulus: that scores are computed modulo.
        modulus_bits: of the primes that columns are encrypted modulo.
        server_seconds: CPU of a row.
        client_seconds: CPU of a row, to encrypt it.
        up: bytes of a row.
        down: bytes of an answer to a row.
        least_rows: from how many on a tensor is less work than so many rows alone; None where a full one is not.
    """

    rows: int
    tensor_bytes: int
    columns: int
    modulus: int
    modulus_bits: int
    server_seconds: float
    client_seconds: float
    up: float
    down: float
    least_rows: int | None

    def __str__(self) -> str:
        from_on = f"less work from {self.least_rows} rows on"
        if self.least_rows is None:
            from_on = "more work than rows alone, so no client takes this way"
        return (
            f"up to {self.rows} in a tensor of {self.tensor_bytes / 1e6:.1f} MB, by a server with --bulk, which hides "
            f"less: about {1e3 * self.server_seconds:.2g} ms a row on one core and {1e3 * self.client_seconds:.2g} ms "
            f"of its client's, {self.up / 1000:.1f} kB up and {self.down:.0f} B down a row; {from_on}"
        )


@dataclass(frozen=True)
class InBulk:
    """Of one model; looked for when it is asked for, which takes seconds for large circuits."""

    circuit: Circuit
    program: Program
    spec: ClientSpec
    is_flooded: bool

    @classmethod
    def of(cls, circuit: Circuit, program: Program, spec: ClientSpec) -> InBulk | None:
        """None where nobody could expect it: a model that multiplies nothing."""
        flooding = getattr(program, "flooding", None)
        return cls(circuit, program, spec, flooding is not None) if circuit.products or circuit.squares else None

    @cached_property
    def facts(self) -> BulkFacts | None:
        """None where rows are not evaluated in bulk."""
        return self._found[0]

    @property
    def refused(self) -> str | None:
        """Why not."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[BulkFacts | None, str | None]:
        if self.is_flooded:
            return None, "answers are flooded, which those of rows in bulk are not"
        try:
            plan = choose_bulk_plan(self.circuit, verify(self.circuit), self.spec.p_error)
        except (CircuitError, CompilationError) as error:
            return None, str(error)
        parameters, took = plan.parameters, price(plan)
        rows = parameters.rows
        facts = BulkFacts(
            rows,
            parameters.row_bytes,
            parameters.columns,
            parameters.modulus,
            sum(prime.bit_length() for prime in parameters.fresh.data),
            1e-6 * took / rows,
            1e-6 * ENCRYPTION_PRICE * parameters.row_bytes / rows,
            parameters.row_bytes / rows,
            parameters.answer_bytes / rows,
            least_rows_in_bulk(self.spec, self.program.price, parameters, took),
        )
        return facts, None

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {"refused": self.refused, "facts": None if self.facts is None else asdict(self.facts)}

    def __str__(self) -> str:
        return f"none: {self.refused}" if self.facts is None else str(self.facts)
