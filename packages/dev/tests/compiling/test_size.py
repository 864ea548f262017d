"""Models that are too large are answered once their leaves are counted: with a price, and with what to do."""

import re

import cryptable as ct
import pytest
from cryptable.compiling.size import MOST_LEAVES
from cryptable.importers.imported_model import import_model
from sklearn.datasets import make_regression
from sklearn.ensemble import BaggingRegressor, RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

ROWS, TARGET = make_regression(3000, 6, noise=10, random_state=0)


@pytest.mark.parametrize(
    ("model", "options"),
    [
        (RandomForestRegressor(10, random_state=0), ("max_leaf_nodes", "max_depth")),
        (make_pipeline(StandardScaler(), DecisionTreeRegressor(random_state=0)), None),
        (BaggingRegressor(n_estimators=10, random_state=0), ("max_leaf_nodes", "max_depth")),
    ],
    ids=["forest", "small enough", "bagging"],
)
def test_too_large_a_model_says_what_it_would_cost_and_what_to_do(model, options):
    model.fit(ROWS, TARGET)
    graph = import_model(model, ROWS).graph
    if options is None:
        assert graph.leaves < MOST_LEAVES
        return
    assert graph.leaves > MOST_LEAVES
    with pytest.raises(ct.UnsupportedModelError, match=f"has {graph.leaves} leaves in 10 trees") as caught:
        ct.compile(model, ROWS)
    message = str(caught.value)
    assert re.search(r"about [\d.e+]+ lookups, [\d.e+]+ s of CPU", message)
    assert re.search(r"or [\d.e+]+ s by the scheme levelled", message)
    assert "budget=cryptable.Budget(seconds=" in message
    assert all(option in message for option in options)
