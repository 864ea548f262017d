"""Models that levelled is measured with, on data that come with scikit-learn: of trees, and of turned tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
from catboost import CatBoostClassifier  # type: ignore[import-untyped]
from cryptable.planner.settings import Answer
from interpret.glassbox import ExplainableBoostingClassifier, ExplainableBoostingRegressor
from lightgbm import LGBMClassifier
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier, XGBRegressor

Estimator: TypeAlias = Any
Rows: TypeAlias = Any
RowsAndTarget: TypeAlias = tuple[Any, Any]


@dataclass(frozen=True)
class LevelledModel:
    """An estimator and its data, split with train_test_split(test_size=0.2, random_state=0)."""

    name: str
    make: Callable[[], Estimator]
    data: Callable[[], RowsAndTarget]
    answer: Answer = "score"

    def fit(self) -> tuple[Estimator, Rows, Rows]:
        """The fitted estimator, training rows, and test rows."""
        rows, target = self.data()
        training, test, known, _ = train_test_split(rows, target, test_size=0.2, random_state=0)
        return self.make().fit(training, known), training, test


def _breast_cancer() -> RowsAndTarget:
    rows, target = load_breast_cancer(return_X_y=True)
    return rows, target


def _digits() -> RowsAndTarget:
    rows, target = load_digits(return_X_y=True)
    return rows, target


def _wine() -> RowsAndTarget:
    rows, target = load_wine(return_X_y=True)
    return rows, target


def _iris() -> RowsAndTarget:
    rows, target = load_iris(return_X_y=True)
    return rows, target


def _diabetes() -> RowsAndTarget:
    rows, target = load_diabetes(return_X_y=True)
    return rows, target


def _synthetic() -> RowsAndTarget:
    rows, target = make_classification(2000, 30, n_informative=10, random_state=0)
    return rows, target


def _gaps_and_categories() -> RowsAndTarget:
    """Ten columns of breast cancer, a tenth of their values missing, and two of them cut into five categories."""
    rows, target = load_breast_cancer(return_X_y=True)
    random = np.random.default_rng(0)
    frame = pd.DataFrame(rows[:, :10], columns=[f"x{index}" for index in range(10)])
    for column in ("x0", "x4"):
        grades = pd.qcut(frame[column], 5, labels=list("abcde"))
        frame[column] = pd.Categorical(grades.astype(object), categories=list("cabed"))
    for column in frame:
        frame.loc[random.random(len(frame)) < 0.1, column] = None if frame[column].dtype == "category" else np.nan
    return frame, target


FOUR = (
    LevelledModel(
        "XGBoost 100x3, breast cancer",
        lambda: XGBClassifier(n_estimators=100, max_depth=3, random_state=0),
        _breast_cancer,
    ),
    LevelledModel("XGBoost 10x3, digits", lambda: XGBClassifier(n_estimators=10, max_depth=3, random_state=0), _digits),
    LevelledModel(
        "XGBoost 50x4, synthetic", lambda: XGBClassifier(n_estimators=50, max_depth=4, random_state=0), _synthetic
    ),
    LevelledModel(
        "random forest 50x5, synthetic",
        lambda: RandomForestClassifier(n_estimators=50, max_depth=5, random_state=0),
        _synthetic,
    ),
)
"""Those of tools/bench/levelled.py."""

NINE = (
    FOUR[0],
    FOUR[1],
    LevelledModel(
        "LightGBM 50, 8 leaves, breast cancer",
        lambda: LGBMClassifier(n_estimators=50, num_leaves=8, random_state=0, n_jobs=1, verbose=-1),
        _breast_cancer,
    ),
    LevelledModel(
        "CatBoost 50x4, breast cancer",
        lambda: CatBoostClassifier(
            iterations=50, depth=4, random_state=0, verbose=0, allow_writing_files=False, thread_count=1
        ),
        _breast_cancer,
    ),
    FOUR[3],
    LevelledModel(
        "histogram boosting 30, gaps and categories, breast cancer",
        lambda: HistGradientBoostingClassifier(
            max_iter=30, max_leaf_nodes=8, categorical_features="from_dtype", random_state=0
        ),
        _gaps_and_categories,
    ),
    LevelledModel(
        "isolation forest 50, breast cancer",
        lambda: IsolationForest(n_estimators=50, max_samples=32, random_state=0),
        _breast_cancer,
    ),
    LevelledModel(
        "XGBoost 20x3, gamma regression with a log link, diabetes",
        lambda: XGBRegressor(n_estimators=20, max_depth=3, objective="reg:gamma", random_state=0),
        _diabetes,
    ),
    LevelledModel("one tree of unlimited depth, synthetic", lambda: DecisionTreeClassifier(random_state=0), _synthetic),
)
"""One of each kind of trees that the scheme evaluates; digits is the one of many classes."""


def additive(bags: int) -> tuple[LevelledModel, ...]:
    """Of pairs with as many bins as they have by default; as many bags as by default, 14, take minutes to fit."""
    return (
        LevelledModel(
            f"explainable boosting with pairs, {bags} bags, breast cancer",
            lambda: ExplainableBoostingClassifier(outer_bags=bags, random_state=0, n_jobs=1),
            _breast_cancer,
        ),
        LevelledModel(
            f"explainable boosting with pairs, {bags} bags, diabetes",
            lambda: ExplainableBoostingRegressor(outer_bags=bags, random_state=0, n_jobs=1),
            _diabetes,
        ),
        LevelledModel(
            f"explainable boosting of three classes, {bags} bags, wine",
            lambda: ExplainableBoostingClassifier(outer_bags=bags, random_state=0, n_jobs=1),
            _wine,
        ),
    )


TURNED = (
    LevelledModel(
        "network 30-16-1, breast cancer",
        lambda: make_pipeline(StandardScaler(), MLPClassifier((16,), alpha=0.01, max_iter=600, random_state=0)),
        _breast_cancer,
    ),
    LevelledModel("support vectors of three classes, iris", lambda: make_pipeline(StandardScaler(), SVC()), _iris),
    LevelledModel("labels of XGBoost 100x3, breast cancer", FOUR[0].make, _breast_cancer, "label"),
    LevelledModel(
        "labels of XGBoost 20x3, iris",
        lambda: XGBClassifier(n_estimators=20, max_depth=3, random_state=0),
        _iris,
        "label",
    ),
)
"""Tables that bits turn, that trees turn, and both; of one score, and of several."""

NETWORKS = (
    *(
        LevelledModel(
            f"network 30-{hidden}-1, breast cancer",
            lambda hidden=hidden: make_pipeline(  # type: ignore[misc]
                StandardScaler(), MLPClassifier((hidden,), alpha=0.01, max_iter=600, random_state=0)
            ),
            _breast_cancer,
        )
        for hidden in (32, 64)
    ),
    *(
        LevelledModel(
            f"network 64-{hidden}-10, digits",
            lambda hidden=hidden: make_pipeline(  # type: ignore[misc]
                MinMaxScaler(), MLPClassifier((hidden,), alpha=0.1, max_iter=400, random_state=0)
            ),
            _digits,
        )
        for hidden in (32, 64)
    ),
    LevelledModel("support vectors, breast cancer", lambda: make_pipeline(StandardScaler(), SVC()), _breast_cancer),
)
"""Of more neurons, of several outputs, and of dozens of support vectors: noise is nearest to what it may be."""
