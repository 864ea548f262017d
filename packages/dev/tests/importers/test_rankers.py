"""Rankers of trees: raw scores, by which a client orders the rows of its query."""

import cryptable as ct
import numpy as np
import pytest
from catboost import CatBoostRanker
from lightgbm import LGBMRanker
from sklearn.datasets import load_diabetes
from xgboost import XGBRanker

X, TARGET = load_diabetes(return_X_y=True)
GRADES = (TARGET // 100).astype(int)
QUERIES = np.sort(np.arange(len(X)) % 30)
SIZES = np.bincount(QUERIES)
CATBOOST = {"iterations": 8, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}


@pytest.mark.parametrize(
    ("ranker", "options"),
    [
        (XGBRanker(n_estimators=8, max_depth=3), {"qid": QUERIES}),
        (XGBRanker(n_estimators=8, max_depth=3, objective="rank:pairwise", base_score=0.3), {"qid": QUERIES}),
        (LGBMRanker(n_estimators=8, num_leaves=6, verbose=-1, n_jobs=1), {"group": SIZES}),
        (LGBMRanker(n_estimators=8, num_leaves=6, objective="rank_xendcg", verbose=-1, n_jobs=1), {"group": SIZES}),
        (CatBoostRanker(**CATBOOST), {"group_id": QUERIES}),
        (CatBoostRanker(loss_function="QueryRMSE", **CATBOOST), {"group_id": QUERIES}),
        (CatBoostRanker(loss_function="PairLogit", **CATBOOST), {"group_id": QUERIES}),
    ],
    ids=["XGBoost", "XGBoost pairs", "LightGBM", "LightGBM xendcg", "CatBoost", "CatBoost RMSE", "CatBoost pairs"],
)
def test_scores_are_the_rankers_own(ranker, options):
    ranker.fit(X, GRADES, **options)
    model = ct.compile(ranker, X, show_progress=False)
    own = ranker.predict(X)
    found = model.predict(X)
    assert found.shape == own.shape
    assert np.abs(found - own).max() <= model.error_bound + 1e-6
    assert model.error_bound < 0.05 * own.std()
    in_query = QUERIES == 3
    assert np.abs(own[in_query].max() - own[in_query][np.argmax(found[in_query])]) <= 2 * model.error_bound + 1e-6
