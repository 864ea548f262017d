"""Data with missing values and categories, and what an import of them is checked by; for the tests of `gaps`."""

import importlib.util

import numpy as np
import pytest
from cryptable.importers.calibration import columns_that_may_miss, read_rows
from cryptable.importers.reading.learned_trees import restrict_missing
from cryptable.importers.registry import find_importer, import_estimator, reference_scores

pd = pytest.importorskip("pandas")


def needs(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


def frame(seed):
    """Numbers with gaps and (near) zeros, a column of names with gaps, one of integers, one never missing."""
    generator = np.random.default_rng(seed)
    count = 500
    rows = pd.DataFrame(
        {
            "age": generator.normal(size=count),
            "dose": np.where(generator.random(count) < 0.4, 0.0, generator.normal(size=count)),
            "site": pd.Categorical(generator.choice(list("stuvwxyz"), count)),
            "grade": pd.Categorical(generator.choice([3, 7, 9], count)),
            "height": generator.normal(size=count),
        }
    )
    rows.loc[::7, "age"] = np.nan
    rows.loc[::11, "site"] = None
    rows.loc[::13, "dose"] = np.nan
    rows.loc[::17, "dose"] = 1e-36  # LightGBM takes both for zero
    rows.loc[::19, "dose"] = -9e-36
    score = rows.age.fillna(0.5) + rows.site.isin(list("uxs")) * 1.5 + (rows.grade == 7) - rows.dose.fillna(1.0)
    return rows, np.asarray(score, float)


TRAINING, SCORE = frame(0)
TEST = frame(5)[0]
TEST.loc[::3, "height"] = np.nan
BINARY, THREE, POSITIVE = (SCORE > 0.5).astype(int), np.digitize(SCORE, [0, 1]), np.exp(SCORE)


LIGHT = {
    "n_estimators": 6,
    "num_leaves": 10,
    "min_child_samples": 4,
    "verbose": -1,
    "min_data_per_group": 5,
    "n_jobs": 1,
}


def as_matrix(rows):
    """The last column: codes of categories, some of which the training data lack."""
    codes = np.where(rows.site.isna(), np.nan, rows.site.cat.codes.to_numpy() * 2.0)
    return np.column_stack([rows[["age", "dose", "height"]].to_numpy(), codes])


MATRIX, MATRIX_TEST = as_matrix(TRAINING), as_matrix(TEST)
MATRIX_TEST[::9, 3] = 77
NUMBERS = MATRIX[:, :3]


def check_import(estimator, training, test):
    """Scores of the graph, as it is and restricted to what is missing in the training data; returns the latter."""
    entry = find_importer(estimator)
    kept, rows, names = read_rows(estimator, training, with_gaps=entry.takes_gaps)
    graph = import_estimator(estimator, names, kept, rows)
    restricted = restrict_missing(graph, columns_that_may_miss("seen", rows, names))
    for each, data in ((graph, training), (graph, test), (restricted, training)):
        expected = reference_scores(estimator, data)
        allowed = 1e-9 if entry.class_names[0].startswith(("sklearn", "lightgbm", "catboost")) else 2e-6
        assert np.abs(each.scores(data) - expected).max() <= allowed * (1 + np.abs(expected).max())
    return restricted
