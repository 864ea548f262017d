"""The picture of an explanation: every figure is in it, and files are written."""

import sys

import cryptable as ct
import pytest
from cryptable.__main__ import main
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

pytest.importorskip("matplotlib")
X, Y = load_breast_cancer(return_X_y=True)


TREE = DecisionTreeClassifier(max_depth=5, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def model():
    return ct.compile(TREE, X, name="tumour", scheme="bootstrapped")


def texts(figure):
    found = [axes.get_title(loc="left") for axes in figure.axes]
    for axes in figure.axes:
        found += [label.get_text() for label in axes.get_yticklabels()] + [each.get_text() for each in axes.texts]
    return found


def test_lookups_bytes_and_seconds_are_drawn(model, tmp_path):
    told = model.explain()
    found = texts(told.plot(tmp_path / "tumour.png"))
    assert f"{told.lookups} lookups, by the features that they read" in found
    assert str(told.lookups) in found  # of the one layer
    assert f"{told.bytes.evaluation_keys / 1e6:.1f} MB" in found
    assert {"a row up", "a row down", "lookups", "client: encrypting"} <= set(found)
    assert set(told.lookups_by_feature) < {f"x{index}" for index in range(X.shape[1])}
    assert sum(told.lookups_by_feature.values()) == pytest.approx(told.lookups)
    assert (tmp_path / "tumour.png").read_bytes().startswith(b"\x89PNG")


def test_products_are_drawn_by_feature_and_depth():
    told = ct.compile(TREE, X, show_progress=False).explain()
    found = texts(told.plot())
    levelled = told.levelled
    assert f"{levelled.products} products by {levelled.selectors} selectors, by their features" in found
    name, most = max(levelled.products_by_feature.items(), key=lambda each: each[1])
    assert f"{most} by {levelled.selectors_by_feature[name]} selectors" in found
    assert sum(levelled.selectors_by_feature.values()) == levelled.selectors
    assert "Products by depth" in found
    assert {"1 deep", "products", "expanding bits"} <= set(found)
    assert levelled.together is None or levelled.together.seconds < 3 * told.cpu_seconds_predicted
    assert sum(levelled.products_by_feature.values()) == sum(levelled.products_by_depth) == levelled.products > 0
    assert set(levelled.products_by_feature) < {f"x{index}" for index in range(X.shape[1])}


def test_products_that_turn_tables_are_drawn():
    network = make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=800, random_state=0)).fit(X[:, :6], Y)
    told = ct.compile(network, X[:, :6], scheme="levelled", show_progress=False).explain()
    found = texts(told.plot())
    assert told.levelled.turns > 0
    assert told.levelled.together is not None
    assert told.levelled.together.seconds < 3 * told.cpu_seconds_predicted
    assert {"turning tables", str(told.levelled.turns)} <= set(found)


def test_a_model_without_lookups_says_so():
    model = ct.compile(LogisticRegression(max_iter=5000).fit(X[:, :4], Y), X[:, :4])
    assert any("no lookup" in text for text in texts(model.explain().plot()))


def test_the_command_draws_and_names_formats(model, tmp_path, capsys):
    model.save(tmp_path / "tumour.cryptable")
    assert main(["explain", str(tmp_path / "tumour.cryptable"), "--plot", str(tmp_path / "cost.svg")]) == 0
    assert "svg" in (tmp_path / "cost.svg").read_text("utf-8")[:300]
    with pytest.raises(ct.InvalidInputError, match=r"cost\.xyz"):
        model.explain().plot(tmp_path / "cost.xyz")


def test_without_matplotlib_the_message_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ct.InvalidInputError, match=r"cryptable\[plot\]"):
        model.explain().plot()
