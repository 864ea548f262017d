"""Small classifiers of random rows, many of whose scores tie."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

Rows = npt.NDArray[np.float64]


def random_classifiers(seed: int) -> Iterator[tuple[Any, Rows, Rows]]:
    """Six fitted classifiers, the rows that they were fitted on, and all rows that there can be."""
    generator = np.random.default_rng(seed)
    rows = generator.integers(0, 4, (int(generator.integers(10, 60)), 3)).astype(float)
    truth = np.unique(generator.integers(0, int(generator.integers(2, 5)), len(rows)), return_inverse=True)[1]
    everywhere = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
    draw = lambda low, high: int(generator.integers(low, high))  # noqa: E731
    models = (
        DecisionTreeClassifier(max_leaf_nodes=draw(2, 8), min_samples_leaf=draw(1, 4), random_state=seed),
        RandomForestClassifier(draw(2, 9), max_depth=draw(2, 5), random_state=seed),
        ExtraTreesClassifier(draw(2, 9), max_depth=draw(2, 5), random_state=seed),
        GradientBoostingClassifier(n_estimators=draw(1, 5), max_depth=2, random_state=seed),
        XGBClassifier(n_estimators=draw(1, 5), max_depth=2),
        LGBMClassifier(n_estimators=draw(1, 4), num_leaves=4, min_child_samples=draw(1, 6), verbose=-1),
    )
    for model in models:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield model.fit(rows, truth), rows, everywhere
