"""The twelve models that golden artifacts are made of: one of each family, each as small as it can be.

Lookups of two bits and few leaves, so that five of them run with the smallest keys of the catalogue (9 MB), two need
no evaluation keys, and the others share three keysets (15 to 25 MB).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cryptable as ct
import numpy as np
import numpy.typing as npt
import pandas as pd  # type: ignore[import-untyped]
import torch
from catboost import CatBoostRegressor  # type: ignore[import-untyped]
from lightgbm import LGBMClassifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

FIRST = "xgboost"
"""The model whose keys are kept: the smallest that lookups need."""
TREES = {"table_bits": 2}


@dataclass(frozen=True)
class Golden:
    """A fitted model, the rows it is compiled with, and how; `own` is what it predicts itself."""

    name: str
    estimator: Any
    rows: Any
    own: npt.NDArray[Any]
    options: dict[str, Any] = field(default_factory=dict)
    keys_of: str = ""
    """The model, an earlier one, whose keys it is to run with."""
    is_approximate: bool = False
    """Sums are rounded approximately: noise decides close calls."""


def golden_models() -> Iterator[Golden]:
    """All twelve; the first is FIRST."""
    yield from _trees()
    yield from _sums()
    yield from _approximate()


def _golden(name: str, estimator: Any, rows: Any, target: Any, **facts: Any) -> Golden:  # noqa: ANN401
    estimator.fit(rows, target)
    return Golden(name, estimator, rows, np.asarray(estimator.predict(rows)).reshape(-1), **facts)


def _trees() -> Iterator[Golden]:
    cancer, malignant = load_breast_cancer(return_X_y=True)
    diabetes, progression = load_diabetes(return_X_y=True)
    iris, species = load_iris(return_X_y=True)
    wine, grower = load_wine(return_X_y=True)
    small: dict[str, Any] = {"options": TREES, "keys_of": FIRST}
    xgboost = XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1, random_state=0)
    yield _golden(FIRST, xgboost, cancer[:, :8], malignant, options=TREES)
    # Its outputs are sums of inputs too, so it has more than one level, and keys of another kind.
    lightgbm = LGBMClassifier(n_estimators=2, num_leaves=3, n_jobs=1, random_state=0, verbose=-1)
    yield _golden("lightgbm", lightgbm, iris, np.array(["setosa", "versicolor", "virginica"])[species], options=TREES)
    catboost = CatBoostRegressor(
        n_estimators=4, depth=2, thread_count=1, random_seed=0, verbose=False, allow_writing_files=False
    )
    yield _golden("catboost", catboost, diabetes, progression, **small)
    boosting = GradientBoostingRegressor(n_estimators=4, max_depth=2, random_state=0)
    yield _golden("gradient-boosting", boosting, diabetes, progression, **small)
    forest = RandomForestClassifier(3, max_depth=2, random_state=0)
    yield _golden("random-forest", forest, wine, grower, **small)
    gaps = HistGradientBoostingClassifier(
        learning_rate=1.0, max_iter=2, max_leaf_nodes=4, categorical_features="from_dtype"
    )
    yield _golden("categories-and-gaps", gaps, _with_gaps(wine), np.where(grower == 0, "first", "other"), **small)


def _with_gaps(wine: npt.NDArray[np.float64]) -> pd.DataFrame:
    frame = pd.DataFrame({"flavanoids": wine[:, 6], "intensity": wine[:, 9]})
    frame["alcohol"] = pd.Categorical(np.array(["light", "middle", "strong"])[np.digitize(wine[:, 0], [12.6, 13.4])])
    frame.loc[::7, "flavanoids"] = np.nan
    frame.loc[::5, "alcohol"] = None
    return frame


def _sums() -> Iterator[Golden]:
    """Linear models, for which sums are all there is, and additive ones, whose pairs are lookups."""
    diabetes, progression = load_diabetes(return_X_y=True)
    yield _golden("ridge", Ridge(), diabetes, progression)
    iris, species = load_iris(return_X_y=True)
    yield _golden("pipeline", make_pipeline(StandardScaler(), LogisticRegression()), iris, species)
    cancer, malignant = load_breast_cancer(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library's own imports
        from interpret.glassbox import ExplainableBoostingClassifier
    additive = ExplainableBoostingClassifier(
        interactions=1, max_bins=8, max_interaction_bins=4, max_rounds=50, outer_bags=1, n_jobs=1, random_state=0
    )
    yield _golden("explainable-boosting", additive, cancer[:, :4], malignant)


def _approximate() -> Iterator[Golden]:
    iris, species = load_iris(return_X_y=True)
    few = np.arange(0, len(iris), 18)  # three of each species
    neighbors = KNeighborsClassifier(3).fit(iris[few], species[few])
    yield Golden("nearest-neighbors", neighbors, iris, neighbors.predict(iris), is_approximate=True)
    cancer, malignant = load_breast_cancer(return_X_y=True)
    quantized = ct.neural.QuantNeuralNetClassifier((4,), max_epochs=3, kept_bits=2, random_state=0)
    trained = _golden("trained-quantized", quantized, cancer[:, :8], malignant, is_approximate=True)
    yield trained
    network, rows = _perceptron(iris, species), iris.astype(np.float32)
    with torch.no_grad():
        own = network(torch.tensor(rows)).numpy().argmax(axis=1)
    options = {"bits": 2, "labels": [0, 1, 2]}
    yield Golden("network", network, rows, own, options, trained.name, is_approximate=True)


def _perceptron(rows: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> torch.nn.Module:
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    x, y = torch.tensor(rows, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()
