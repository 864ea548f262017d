"""CheckReport: the same rows predicted by the float model, in the clear, with simulated noise, and under encryption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from cryptable.console.notebook import as_html


@dataclass(frozen=True)
class ModeResult:
    """One way to predict.

    `agreement` is the fraction of rows predicted as the reference does: the float model where there is one, else the
    clear evaluation; for a regression, the fraction within the error bound (of levels without one, in the own level or
    one beside it). `score` is accuracy or R², None without y.
    `largest_difference` is of scores, against the same reference. `equal_to_clear` says whether every integer result is
    the clear one, bit for bit (with approximate readout: within what its noise may add); None for the float model.
    `largest_contribution_difference` is of contributions, None where the model tells none.
    """

    mode: str
    rows: int
    agreement: float
    largest_difference: float
    score: float | None
    equal_to_clear: bool | None
    largest_contribution_difference: float | None = None


@dataclass(frozen=True)
class CheckReport:
    """What `CompiledModel.check` found; prints as a table. Figures have the names of `explain`, but are measured."""

    model: str
    reference: str
    results: tuple[ModeResult, ...]
    cpu_seconds: float | None
    cpu_seconds_predicted: float
    bytes: dict[str, int]
    lookups: int
    exact: bool = True
    contribution_names: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every encrypted result is the clear one."""
        return all(result.equal_to_clear for result in self.results if result.mode == "encrypted")

    def __getitem__(self, mode: str) -> ModeResult:
        """The result of one mode: "float", "clear", "simulate" or "encrypted"."""
        for result in self.results:
            if result.mode == mode:
                return result
        raise KeyError(f"{mode!r} was not checked, only {[result.mode for result in self.results]}")

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {
            "model": self.model,
            "reference": self.reference,
            "results": {result.mode: vars(result).copy() for result in self.results},
            "cpu_seconds": self.cpu_seconds,
            "cpu_seconds_predicted": self.cpu_seconds_predicted,
            "bytes": dict(self.bytes),
            "lookups": self.lookups,
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(title=f"Check of {self.model!r} against {self.reference}", title_justify="left")
        more = ("of contributions",) if self.contribution_names else ()
        for heading in ("mode", "rows", "agreement", "largest difference", *more, "score", "equal to clear"):
            table.add_column(heading)
        for result in self.results:
            equal = {None: "", True: "yes, bit for bit" if self.exact else "yes, but for noise", False: "NO"}[
                result.equal_to_clear
            ]
            table.add_row(
                result.mode,
                str(result.rows),
                f"{result.agreement:.2%}",
                f"{result.largest_difference:.3g}",
                *(_shown(result.largest_contribution_difference) for _ in more),
                "" if result.score is None else f"{result.score:.4f}",
                equal,
            )
        yield table
        if self.cpu_seconds is not None:
            sizes = ", ".join(f"{name.replace('_', ' ')} {size:,} bytes" for name, size in self.bytes.items())
            predicted = f"predicted {self.cpu_seconds_predicted:.3g} s"
            yield f"measured: {self.cpu_seconds:.3g} s of CPU a row ({predicted}); {sizes}"

    def _repr_html_(self) -> str:
        return as_html(self)

    def __str__(self) -> str:
        console = Console(width=110, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get()


def _shown(difference: float | None) -> str:
    return "" if difference is None else f"{difference:.3g}"


def measured_score(truth: npt.NDArray[Any], predicted: npt.NDArray[Any], is_classifier: bool) -> float | None:
    """Accuracy, or R² where there are two rows at least."""
    from sklearn.metrics import accuracy_score, r2_score

    if is_classifier:
        return float(accuracy_score(truth, predicted))
    return float(r2_score(truth, predicted)) if len(truth) > 1 else None
