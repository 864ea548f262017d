"""Explanation: what one prediction costs, and what each party learns."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cryptable_engine import Circuit, Lookup, Program
from cryptable_protocol import (
    ClientSpec,
    FeatureEncoder,
    InvalidInputError,
)
from cryptable_protocol.encoding.encoders import categories_of
from cryptable_protocol.model.artifact import SECURITY_BITS
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from cryptable.console.notebook import as_html
from cryptable.cost.prices import price_list
from cryptable.cost.rates import Prediction, machine_rates
from cryptable.explaining.bulk import InBulk
from cryptable.explaining.disclosure import EDGES_TELL, SERVER_LEARNS, client_learns
from cryptable.explaining.levelled import LevelledFacts, answers_labels, levels_told
from cryptable.explaining.linear import LinearFacts
from cryptable.explaining.lookups_by_feature import lookups_by_feature
from cryptable.explaining.picture import Figure, draw
from cryptable.explaining.sizes import Bytes, bytes_of
from cryptable.explaining.squares import SquaresFacts
from cryptable.explaining.training_options import TrainingOptions
from cryptable.planner.planned_model import Agreement, SchemeOffer, ScoreDrop, ThresholdDisclosure

RANGES_TELL = {
    "sound": "no input leads beyond them",
    "minmax": "what sums reached on the calibration data; those beyond wrap around",
    "percentile": "what sums reached on the calibration data, but for a thousandth on each side; others wrap around",
    "mse": "where tables err least on the calibration data; sums beyond wrap around",
    "trained": "as they were trained; sums beyond wrap around, in training too",
}
"""What the choice of `ranges` means, for a network."""


@dataclass(frozen=True)
class Layer:
    """Lookups that are evaluated side by side: `lookups` of them, `table_bits` wide."""

    name: str
    lookups: int
    table_bits: int


@dataclass(frozen=True)
class Explanation:
    """What one prediction costs, and what each party learns; prints as a table.

    `keyset_entry` names the entry of the catalogue whose keys the model shares with others, empty where it has keys of
    its own; `price_over_optimum` is what that costs, as a factor, None for a loaded model.
    `price` is complexity as the crypto optimizer counts it; `cpu_seconds_predicted` that on one core of a common
    server, once evaluation keys are loaded, and `cpu_seconds_measured` what `check` then measured, None before it.
    With approximate readout, `score_noise` is the most that the standard deviation of a score's noise can be,
    `score_noise_bound` what noise never exceeds but for p_error; `score_error_bound` includes the latter. Else both are
    0. `given_up` is what an approximation within a budget scores less; then there is no bound.
    `ranges` says where a network's tables end, None for others and loaded ones; `bulk`, what a row costs of thousands.
    `score_error_bound` is the most that a score differs from the estimator's own, for inputs within the encoders'
    ranges, once thresholds are where `edges` has moved them; both are None for a loaded model, whose file does not say.
    """

    model: str
    lookups_by_layer: tuple[Layer, ...]
    price: float
    p_error: float
    security_bits: int
    input_elements: int
    output_bits: int
    keyset: str
    keyset_entry: str
    price_over_optimum: float | None
    bytes: Bytes
    seconds: Prediction
    score_step: float
    score_error_bound: float | None
    edges: ThresholdDisclosure | None
    client_learns: str
    server_learns: str
    inputs: str
    neighbour_rate: float | None = None
    given_up: ScoreDrop | None = None
    ranges: str | None = None
    agreement: Agreement | None = None
    score_noise: float = 0.0
    score_noise_bound: float = 0.0
    lookups_by_feature: Mapping[str, float] = field(default_factory=dict)
    """Of those that read what the client sends: a lookup that reads several features is divided between them."""
    advice: TrainingOptions | None = None
    """What a model of trees that takes lookups would cost, trained otherwise, made when it is asked for; None for other
    models and loaded ones, whose file holds no trees."""
    contributions: tuple[str, ...] = ()
    """Names of what is told to add to each score; empty where scores alone are answered."""
    contribution_error_bound: float | None = None
    """No contribution, and no base, is off by more; None where that is not known."""
    cpu_seconds_measured: float | None = None
    scheme: str = BOOTSTRAPPED
    offers: tuple[SchemeOffer, ...] = ()
    """Of the schemes that scheme="auto" has compared, the one that was taken first; empty where it had none to compare,
    and of loaded models."""
    levelled: LevelledFacts | None = None
    """Of a model of that scheme: what it has instead of lookups."""
    squares: SquaresFacts | None = None
    """Likewise."""
    linear: LinearFacts | None = None
    """Of a levelled model that is linear: how its weights are hidden."""
    bulk: InBulk | None = None

    @property
    def _facts(self) -> LevelledFacts | SquaresFacts | LinearFacts | None:
        """Of a scheme without lookups."""
        return self.levelled or self.squares or self.linear

    @property
    def lookups(self) -> int:
        """Programmable bootstrappings of one prediction."""
        return sum(layer.lookups for layer in self.lookups_by_layer)

    @property
    def table_bits(self) -> int:
        """Bits of the widest lookup; 0 where there are none."""
        return max((layer.table_bits for layer in self.lookups_by_layer), default=0)

    @property
    def cpu_seconds_predicted(self) -> float:
        """CPU seconds of one core for one prediction on the server, once evaluation keys are loaded."""
        return self.seconds.row

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines: plain dictionaries, lists, numbers and strings."""
        return {
            "model": self.model,
            "scheme": self.scheme,
            "offers": [vars(offer).copy() for offer in self.offers],
            "levelled": None if self.levelled is None else self.levelled.to_dict(),
            "squares": None if self.squares is None else self.squares.to_dict(),
            "linear": None if self.linear is None else self.linear.to_dict(),
            "bulk": None if self.bulk is None else self.bulk.to_dict(),
            "lookups": self.lookups,
            "table_bits": self.table_bits,
            "price": self.price,
            "lookups_by_layer": [
                {"name": layer.name, "lookups": layer.lookups, "table_bits": layer.table_bits}
                for layer in self.lookups_by_layer
            ],
            "p_error": self.p_error,
            "security_bits": self.security_bits,
            "cpu_seconds_predicted": self.cpu_seconds_predicted,
            "cpu_seconds_measured": self.cpu_seconds_measured,
            "cpu_seconds_by_phase": vars(self.seconds).copy(),
            "input_elements": self.input_elements,
            "output_bits": self.output_bits,
            "keyset": self.keyset,
            "keyset_entry": self.keyset_entry,
            "price_over_optimum": self.price_over_optimum,
            "bytes": {
                "evaluation_keys": self.bytes.evaluation_keys,
                "input_row": self.bytes.input_row,
                "output_row": self.bytes.output_row,
            },
            "score_step": self.score_step,
            "score_error_bound": self.score_error_bound,
            "contributions": list(self.contributions),
            "contribution_error_bound": self.contribution_error_bound,
            "given_up": None if self.given_up is None else {**vars(self.given_up), "score": self.given_up.score},
            "score_noise": self.score_noise,
            "score_noise_bound": self.score_noise_bound,
            "edges": None if self.edges is None else vars(self.edges).copy(),
            "client_learns": self.client_learns,
            "client_learns_by_edges": dict(EDGES_TELL),
            "server_learns": self.server_learns,
            "inputs": self.inputs,
            "neighbour_rate": self.neighbour_rate,
            "ranges": self.ranges,
            "agreement": None if self.agreement is None else self.agreement.to_dict(),
            "lookups_by_feature": dict(self.lookups_by_feature),
            "advice": None if self.advice is None else self.advice.to_dict(),
        }

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """A picture: lookups by feature and layer, or products by feature and depth; seconds by phase, bytes.

        Args:
            path: where to write it, in the format that its ending says (.png, .svg, .pdf).

        Returns:
            A matplotlib figure.

        Raises:
            InvalidInputError: matplotlib is not installed, or does not know the format.
        """
        figure = draw(self.to_dict())
        if path is not None:
            try:
                figure.savefig(path, dpi=120)
            except ValueError as error:
                raise InvalidInputError(f"{os.fspath(path)}: {error}") from error
        return figure

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(title=f"What one prediction of {self.model!r} costs", show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column()
        if self.offers:
            table.add_row("scheme", "; ".join(map(str, self.offers)))
        if self._facts is not None:
            for name, told in self._facts.rows(self.seconds, self.p_error, self.security_bits):
                table.add_row(name, told)
        elif self.lookups_by_layer:
            for layer in self.lookups_by_layer:
                table.add_row(f"lookups, {layer.name}", f"{layer.lookups} of {layer.table_bits} bits")
        else:
            table.add_row("lookups", "none: the model is linear in what the client sends")
        if self._facts is None:
            table.add_row("price", f"{self.price:.3g} (optimizer complexity)")
            table.add_row("CPU", self._seconds())
            table.add_row("keys shared", self._sharing())
        table.add_row("evaluation keys", f"{_size(self.bytes.evaluation_keys)}, sent once (keyset {self.keyset[:16]})")
        table.add_row("a row up", f"{_size(self.bytes.input_row)} ({self.input_elements} encrypted numbers)")
        table.add_row("a row down", f"{_size(self.bytes.output_row)} ({self.output_bits} bits a score)")
        if self.bulk is not None:
            table.add_row("rows in bulk", str(self.bulk))
        bound = "" if self.score_error_bound is None else f", never off by more than {self.score_error_bound:.3g}"
        table.add_row("scores", f"in steps of {self.score_step:.3g}{bound}")
        if self.contributions:
            table.add_row("contributions", self._contributions())
        if self.agreement is not None:
            table.add_row("beside the model itself", f"{self.agreement}, evaluated in the clear")
        if self.given_up is not None:
            table.add_row("given up for the budget", str(self.given_up))
        if self.score_noise:
            table.add_row(
                "noise of scores",
                f"standard deviation {self.score_noise:.3g} at most, never beyond {self.score_noise_bound:.3g} but for "
                "the failure below: approximate readout. Published scores tell a little of it (docs/threat-model.md)",
            )
        if self.neighbour_rate is not None:
            table.add_row(
                "rounding",
                f"about {self.neighbour_rate:.1%} of the lookups read a neighbouring entry, where a sum is within the "
                'noise of the border between two (mode="simulate")',
            )
        if self.ranges is not None:
            table.add_row("ends of tables", f"{self.ranges!r}: {RANGES_TELL[self.ranges]}")
        if self._facts is None:
            table.add_row("failure", f"2^{np.log2(self.p_error):.0f} a lookup; {self.security_bits}-bit security")
        if self.edges is not None and self.edges.kind != "model":
            table.add_row(
                "edges",
                f"{self.edges.kind}: on the calibration data, scores move by {self.edges.mean_difference:.3g} on "
                f"average, {self.edges.largest_difference:.3g} at most, before they are rounded as above",
            )
        table.add_row("client learns", self.client_learns)
        if self.edges is not None:
            others = [f"{kind!r}: {told}" for kind, told in EDGES_TELL.items() if kind != self.edges.kind]
            table.add_row("under other edges=", "; ".join(others).replace("'public'", "a grid"))
        table.add_row("server learns", self.server_learns)
        table.add_row("inputs", self.inputs)
        if self.advice is not None and self.advice.absent:
            table.add_row("trained otherwise", self.advice.absent)
        yield table
        if self.advice is not None and self.advice.costs:
            yield self.advice.table("What it would cost, about, if it were trained with other options")

    def _seconds(self) -> str:
        told = self.seconds
        phases = {"lookups": told.lookups, "linear maps": told.linear, "ciphertexts in and out": told.ciphertexts}
        parts = ", ".join(f"{name} {seconds:.2g} s" for name, seconds in phases.items() if seconds)
        keys = f"; {told.keys_loaded:.2g} s more for a client's first row" if told.keys_loaded else ""
        measured = self.cpu_seconds_measured
        checked = "" if measured is None else f". check() measured {measured:.2g} s a row on this machine"
        return (
            f"about {told.row:.2g} s a row on one core ({parts}){keys}; {told.encryption:.2g} s to encrypt a row, by "
            f"rates of: {told.measured_on}{checked}"
        )

    def _contributions(self) -> str:
        names = ", ".join(map(repr, self.contributions[:5]))
        more = f" and {len(self.contributions) - 5} more" if len(self.contributions) > 5 else ""
        bound = self.contribution_error_bound
        off = "" if bound is None else f", none off by more than {bound:.3g}"
        return f"to each score, of {names}{more}: with its base, they add up to the score exactly{off}"

    def _sharing(self) -> str:
        if not self.keyset_entry:
            return (
                "none: those in the catalogue are not exact enough, or too expensive, so the model has keys of its own"
            )
        factor = self.price_over_optimum
        cost = "" if factor is None else f", at {factor:.2f} times the price of keys of its own"
        return f"with models compiled onto {self.keyset_entry!r}{cost}"

    def _repr_html_(self) -> str:
        return as_html(self)

    def __str__(self) -> str:
        console = Console(width=110, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get()


def _noise(spec: ClientSpec, deviation: float) -> dict[str, float]:
    """Of a score; `deviation` is in steps of its lowest exact bit."""
    further = spec.decoder.further_bits
    if not further:
        return {}
    exact_step = spec.decoder.step * 2.0**further
    return {"score_noise": exact_step * deviation, "score_noise_bound": exact_step / 2}


def explain(
    circuit: Circuit,
    spec: ClientSpec,
    program: Program,
    *,
    error_bound: float | None = None,
    edges: ThresholdDisclosure | None = None,
    layer_names: tuple[str, ...] = (),
    given_up: ScoreDrop | None = None,
    ranges: str | None = None,
    agreement: Agreement | None = None,
    advice: TrainingOptions | None = None,
    contribution_error_bound: float | None = None,
    cpu_seconds_measured: float | None = None,
    offers: tuple[SchemeOffer, ...] = (),
) -> Explanation:
    """Explain a compiled model.

    `error_bound` and `edges` are those that it was planned with, None where not known; `layer_names` are those of its
    Lookup nodes, where they are known; `ranges` says where its tables end, as `compile` names it; `agreement` is that
    with the model itself on calibration data; `advice` what would make its trees cheaper; `contribution_error_bound` is
    that of what each feature adds; `cpu_seconds_measured` is what a row took here, where that is known.
    `offers` are those of the schemes that were compared.
    """
    lookups = [node for node in circuit.nodes if isinstance(node, Lookup)]
    names = layer_names or tuple(f"layer {index}" for index in range(1, len(lookups) + 1))
    layers = [Layer(name, node.size, node.width) for name, node in zip(names, lookups, strict=True)]
    alone, levels = answers_labels(circuit, spec.decoder), levels_told(circuit, spec.decoder)
    prices = price_list(spec.p_error, scheme=spec.scheme)
    return Explanation(
        model=spec.model_name,
        lookups_by_layer=tuple(layers),
        price=program.price,
        p_error=spec.p_error,
        security_bits=SECURITY_BITS,
        input_elements=spec.parameters.inputs,
        output_bits=spec.parameters.output_bits,
        keyset=spec.parameters.keyset.name.hex(),
        keyset_entry=program.keyset_entry,
        price_over_optimum=program.price / program.optimum if program.optimum else None,
        bytes=bytes_of(spec),
        seconds=prices.seconds(circuit, program, machine_rates()),
        score_step=spec.decoder.step * (1 if levels is None else 2),
        score_error_bound=error_bound,
        edges=edges,
        client_learns=client_learns(spec, circuit.lookups, edges, labels_alone=alone, levels=levels),
        server_learns=SERVER_LEARNS,
        inputs=_inputs(spec.features),
        neighbour_rate=prices.neighbour_rate(circuit, program),
        given_up=given_up,
        ranges=ranges,
        **_noise(spec, prices.noise_deviation),
        agreement=agreement,
        lookups_by_feature=lookups_by_feature(circuit, spec),
        advice=advice,
        contributions=spec.decoder.contributions,
        contribution_error_bound=contribution_error_bound,
        cpu_seconds_measured=cpu_seconds_measured,
        scheme=spec.scheme,
        offers=offers,
        levelled=LevelledFacts.of(circuit, program, spec, machine_rates().levelled_pace),
        squares=SquaresFacts.of(circuit, program, spec.p_error),
        linear=LinearFacts.of(spec.parameters),
        bulk=InBulk.of(circuit, program, spec),
    )


def _inputs(features: tuple[FeatureEncoder, ...]) -> str:
    """What rows may hold."""
    categorical = sum(categories_of(feature) is not None for feature in features)
    missing = [repr(feature.name) for feature in features if feature.size and feature.takes_missing]
    what = f"finite numbers, and categories in {categorical} columns" if categorical else "finite numbers"
    if not missing:
        return f"Inputs must be {what}: a missing value (NaN) is refused by the client."
    shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return f"Inputs must be {what}; a value may be missing (NaN) in {shown}, and is refused elsewhere."


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
