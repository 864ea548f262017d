"""Trees that hummingbird has written as tensors become trees again: the plan is that of the model itself."""

import warnings

import cryptable as ct
import numpy as np
import onnx
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.cost.prices import price_list
from cryptable.importers.networks.sources.torch_module import exported
from cryptable.importers.networks.trees.as_estimator import read_trees
from onnx import numpy_helper
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = IRIS.astype(np.float32)  # of one decimal: many rows lie on thresholds
DIABETES, PROGRESS = (each.astype(np.float32) for each in load_diabetes(return_X_y=True))
WAYS = ("gemm", "tree_trav", "perf_tree_trav")


def converted(estimator, X, way="gemm"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hummingbird's own imports
        import hummingbird.ml

        return hummingbird.ml.convert(estimator, "torch", X[:5], extra_config={"tree_implementation": way})


def price(planned):
    return price_list().circuit(planned.circuit)


MODELS = {
    "two classes": (RandomForestClassifier(4, max_depth=3, random_state=0), IRIS, SPECIES > 1),
    "probabilities of three": (RandomForestClassifier(2, max_depth=3, random_state=0), IRIS, SPECIES),
    "classes that are no numbers of classes": (DecisionTreeClassifier(max_depth=3), IRIS, SPECIES + 5),
    "x < t, softmax": (XGBClassifier(n_estimators=3, max_depth=2, base_score=0.5), IRIS, SPECIES),
    "x <= t, sigmoid, base": (GradientBoostingClassifier(n_estimators=3, max_depth=2), IRIS, SPECIES > 1),
    "regression": (RandomForestRegressor(3, max_depth=4, random_state=0), DIABETES, PROGRESS),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", MODELS)
def test_the_plan_is_that_of_the_model_itself(name, way):
    estimator, X, y = MODELS[name]
    estimator.fit(X, y)
    trees = read_trees(converted(estimator, X, way), X, None)
    by_lookups = CompileSettings(scheme="bootstrapped")
    # The second compares the trees with the graph, row by row.
    own, read = plan(estimator, X, by_lookups), plan(trees, X, by_lookups)
    # Products that cancel in a forest's doubles leave something in the tensors' floats: a lookup more, at some widths.
    assert price(read) == pytest.approx(price(own), rel=0.1)
    assert (read.decoder.link, read.decoder.labels) == (own.decoder.link, own.decoder.labels)
    assert trees.predict(X[:1]).shape == (1,)
    if own.decoder.is_classifier:
        assert (trees.predict(X) == estimator.predict(X)).all()
    else:
        assert np.allclose(trees.predict(X), estimator.predict(X), rtol=1e-5)


def test_more_leaves_than_are_probed_at_once():
    X, y = load_digits(return_X_y=True)
    estimator = RandomForestClassifier(60, max_depth=1, random_state=0).fit(X.astype(np.float32), y)
    trees = read_trees(converted(estimator, X), X, None)
    assert np.allclose(trees.tree_graph(tuple(map(str, range(64)))).scores(X), estimator.predict_proba(X), atol=1e-5)


@pytest.mark.encrypted
def test_a_file_is_read_and_gives_encrypted_what_the_model_gives(tmp_path):
    estimator = XGBClassifier(n_estimators=3, max_depth=2, base_score=0.5).fit(IRIS, SPECIES > 1)
    path = tmp_path / "boosted.onnx"
    onnx.save(exported(converted(estimator, IRIS).model, IRIS, rows=2), path)
    model = ct.compile(str(path), IRIS, labels=["other", "virginica"])
    assert model.name == "boosted"
    assert model.circuit.products > 0
    report = model.check(IRIS, np.where(SPECIES > 1, "virginica", "other"), encrypted_rows=2)
    assert report.passed
    assert report["clear"].score == estimator.score(IRIS, SPECIES > 1)


def test_what_is_no_tree_stays_a_network():
    network = MLPClassifier((4,), max_iter=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        network.fit(IRIS, SPECIES)
    container = converted(network, IRIS)
    assert read_trees(container, IRIS, None) is None
    assert read_trees(network, IRIS, None) is None
    compiled = ct.compile(container, IRIS)
    assert compiled.artifact.provenance.estimator == "cryptable.importers.networks.onnx_network.OnnxNetwork"


def forest():
    estimator = RandomForestRegressor(3, max_depth=2, random_state=0).fit(DIABETES, PROGRESS)
    return exported(converted(estimator, DIABETES).model, DIABETES, rows=2)


def test_leaves_that_are_not_added_up_are_refused():
    model = forest()
    (total,) = (node for node in model.graph.node if node.op_type == "ReduceSum")
    total.op_type = "ReduceMax"
    del total.input[1:]
    total.attribute.append(onnx.helper.make_attribute("axes", [0]))
    with pytest.raises(ct.UnsupportedModelError, match="does not add the leaves of its trees up"):
        read_trees(model, DIABETES, None)


def test_paths_of_no_binary_tree_are_refused():
    model = forest()
    (paths,) = (each for each in model.graph.initializer if each.name.endswith("weight_2"))
    (counts,) = (each for each in model.graph.initializer if each.name.endswith("bias_2"))
    (values,) = (each for each in model.graph.initializer if each.name.endswith("weight_3"))
    wrong = numpy_helper.to_array(paths).copy()
    wrong[0, 1] = wrong[0, 0]  # two leaves of one path
    paths.CopyFrom(numpy_helper.from_array(wrong, paths.name))
    fitting = (wrong == 1).sum(axis=2).reshape(numpy_helper.to_array(counts).shape)
    counts.CopyFrom(numpy_helper.from_array(fitting.astype(numpy_helper.to_array(counts).dtype), counts.name))
    assert numpy_helper.to_array(values).size
    with pytest.raises(ct.UnsupportedModelError, match="not those of a binary tree"):
        read_trees(model, DIABETES, None)


def test_trees_behind_another_step_are_refused():
    pipeline = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=2)).fit(IRIS, SPECIES)
    with pytest.raises(ct.UnsupportedModelError, match=r"\(Sub\).*compile the pipeline itself"):
        read_trees(converted(pipeline, IRIS), IRIS, None)


def test_labels_that_do_not_fit_and_rows_that_are_too_short_are_refused():
    estimator = DecisionTreeClassifier(max_depth=2).fit(IRIS, SPECIES)
    container = converted(estimator, IRIS)
    with pytest.raises(ct.UnsupportedModelError, match="2 labels"):
        read_trees(container, IRIS, ["a", "b"])
    model = exported(container.model, IRIS, rows=2)
    with pytest.raises(ct.UnsupportedModelError, match="read feature"):
        read_trees(model, IRIS[:, :1], None)
