"""Advice: which training options would make a model of trees cheaper, found by training with them and planning that."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from cryptable_engine import interpret
from cryptable_engine.circuit.circuit import Lookup
from cryptable_protocol import InvalidInputError, encode_rows
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from sklearn.base import clone, is_classifier
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split

from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.prices import price_list
from cryptable.errors import UnsupportedModelError
from cryptable.explaining.training_options import operations
from cryptable.graphs.graph import Estimator, Rows
from cryptable.planner.planned_model import PlannedModel
from cryptable.planner.settings import Scheme

Target: TypeAlias = Any
Settings: TypeAlias = dict[str, Any]
Parts: TypeAlias = tuple[Rows, Rows, Target, Target]
"""Rows to train and to score on, and their targets."""

_FEW_BINS = 16
_HELD_OUT = 0.25
_CONSTRAINTS = "interaction_constraints"


@dataclass(frozen=True)
class Alternative:
    """One way to train: its plan's lookups or products, its price, and its score on rows that were held out.

    `price` is by the planner's table, before crypto parameters are chosen. `score` is accuracy or R².
    """

    options: str
    lookups: int
    table_bits: int
    price: float
    score: float
    products: int = 0


@dataclass(frozen=True)
class Advice:
    """What `advise` found, the estimator as it is first; prints as a table."""

    estimator: str
    alternatives: tuple[Alternative, ...]

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {"estimator": self.estimator, "alternatives": [vars(each).copy() for each in self.alternatives]}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(title=f"{self.estimator}, trained in other ways", title_justify="left")
        for heading in ("options", "takes", "price", "of what it is", "score, held out"):
            table.add_column(heading)
        own = self.alternatives[0].price
        for each in self.alternatives:
            part = f"{each.price / own:.0%}" if own else ""
            takes = operations(each.lookups, each.table_bits, each.products)
            table.add_row(each.options, takes, f"{each.price:.3g}", part, f"{each.score:.4f}")
        yield table

    def __str__(self) -> str:
        console = Console(width=110, no_color=True)
        with console.capture() as captured:
            console.print(self)
        return captured.get()


def advise(estimator: Estimator, X_train: Rows, y_train: Target, *, scheme: Scheme = "auto") -> Advice:
    """Train clones of a model of trees with options that make it cheaper, and plan each of them.

    Args:
        estimator: a model of trees; need not be fitted.
        X_train: rows of shape (rows, features). A quarter of them is held out, to score all by.
        y_train: their target.
        scheme: as `cryptable.compile` has it. All are planned for the one that the estimator as it is gets.

    Returns:
        Price and score of the estimator as it is, and of each alternative that can be compiled.

    Raises:
        InvalidInputError: no options are known for its class.
    """
    what = type(estimator).__name__
    known = next((each for prefix, each in _OPTIONS.items() if what.startswith(prefix)), None)
    if known is None:
        raise InvalidInputError(
            f"no advice for {what}: options are known for {', '.join(_OPTIONS)}. Give the model of a pipeline alone"
        )
    strata = y_train if is_classifier(estimator) else None
    parts = train_test_split(X_train, y_train, test_size=_HELD_OUT, random_state=0, stratify=strata)
    own = _planned(clone(estimator), {"scheme": scheme}, parts)
    found = [_alternative("as it is", own, parts)]
    candidates = [(_shown(options), clone(estimator).set_params(**options)) for options in known(estimator, X_train)]
    candidates += _oblivious(estimator)
    for name, candidate in candidates:
        try:
            found.append(_alternative(name, _planned(candidate, {"scheme": own.scheme}, parts), parts))
        except UnsupportedModelError:  # as a model without any split: no advice
            continue
    grid = {"edges": "quantile", "bins": _FEW_BINS}
    planned = _planned(clone(estimator), {"scheme": own.scheme, **grid}, parts)
    found.append(_alternative(f"ct.compile({_shown(grid)})", planned, parts))
    return Advice(what, tuple(found))


def _planned(estimator: Estimator, options: Settings, parts: Parts) -> PlannedModel:
    X, _, y, _ = parts
    return plan(estimator.fit(X, y), X, CompileSettings(**options))


def _alternative(name: str, planned: PlannedModel, parts: Parts) -> Alternative:
    _, X_test, _, y_test = parts
    lookups = [node for node in planned.circuit.nodes if isinstance(node, Lookup)]
    return Alternative(
        name,
        planned.circuit.lookups,
        max((node.width for node in lookups), default=0),
        price_list(scheme=planned.scheme).circuit(planned.circuit),
        _score(planned, X_test, y_test),
        planned.circuit.products,
    )


def _score(planned: PlannedModel, X_test: Rows, y_test: Target) -> float:
    predicted = planned.decoder.predict(interpret(planned.circuit, encode_rows(planned.features, X_test)))
    measure: Callable[..., float] = accuracy_score if planned.decoder.is_classifier else r2_score
    return float(measure(np.asarray(y_test), predicted))


# -- options, by library ----------------------------------------------------------------------------------------------


def _each_alone(X: Rows) -> list[list[int]]:
    return [[column] for column in range(np.shape(X)[1])]


def _xgboost(estimator: Estimator, X: Rows) -> Iterator[Settings]:
    yield {"max_bin": _FEW_BINS}
    yield {"max_depth": max(1, (estimator.max_depth or 6) - 1)}
    names = getattr(X, "columns", None)  # by number, constraints are text
    yield {_CONSTRAINTS: str(_each_alone(X)) if names is None else [[name] for name in names]}


def _lightgbm(estimator: Estimator, X: Rows) -> Iterator[Settings]:
    yield {"max_bin": _FEW_BINS}
    yield {"num_leaves": max(2, estimator.num_leaves // 2)}
    yield {_CONSTRAINTS: _each_alone(X)}


def _catboost(estimator: Estimator, _: Rows) -> Iterator[Settings]:
    yield {"border_count": _FEW_BINS}
    yield {"depth": max(1, (estimator.get_params().get("depth") or 6) - 1)}


def _histogram(estimator: Estimator, _: Rows) -> Iterator[Settings]:
    yield {"max_bins": _FEW_BINS}
    yield {"max_leaf_nodes": max(2, (estimator.max_leaf_nodes or 31) // 2)}
    yield {"interaction_cst": "pairwise"}
    yield {"interaction_cst": "no_interactions"}


def _scikit_learn(estimator: Estimator, X: Rows) -> Iterator[Settings]:
    yield {"max_depth": 4 if estimator.max_depth is None else max(1, estimator.max_depth - 1)}
    yield {"min_samples_leaf": max(2, np.shape(X)[0] // 50)}
    if hasattr(estimator, "n_estimators"):
        yield {"n_estimators": max(1, estimator.n_estimators // 2)}


_OPTIONS: dict[str, Callable[[Estimator, Rows], Iterator[Settings]]] = {
    "XGB": _xgboost,
    "LGBM": _lightgbm,
    "CatBoost": _catboost,
    "HistGradientBoosting": _histogram,
    "RandomForest": _scikit_learn,
    "ExtraTrees": _scikit_learn,
    "GradientBoosting": _scikit_learn,
    "DecisionTree": _scikit_learn,
}
"""By how the class's name begins."""


def _oblivious(estimator: Estimator) -> list[tuple[str, Estimator]]:
    """As many trees that ask the same on each level, boosted by CatBoost: one lookup of 4 bits each at most."""
    trees = getattr(estimator, "n_estimators", None) or getattr(estimator, "max_iter", None)
    is_catboost = type(estimator).__name__.startswith("CatBoost")
    if is_catboost or importlib.util.find_spec("catboost") is None or not isinstance(trees, int):
        return []
    catboost = importlib.import_module("catboost")
    kind = catboost.CatBoostClassifier if is_classifier(estimator) else catboost.CatBoostRegressor
    model = kind(iterations=trees, depth=4, verbose=0, allow_writing_files=False, random_state=0)
    return [(f"{kind.__name__}(iterations={trees}, depth=4): oblivious trees", model)]


def _shown(options: Settings) -> str:
    """As code, but for the list of all columns."""
    if _CONSTRAINTS in options:
        return f"{_CONSTRAINTS}=[[0], [1], …]: no interactions"
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
