"""What hummingbird converts and cannot be compiled: the message names the model, the reason, and what to do instead."""

import warnings

import cryptable as ct
import numpy as np
import pytest
from cryptable.importers.networks.sources.torch_module import exported
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, NuSVC

IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = IRIS.astype(np.float32)
TWO = SPECIES < 2


def converted(estimator, backend="torch", **extra_config):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of hummingbird's own imports, and of tracing
        import hummingbird.ml

        return hummingbird.ml.convert(estimator, backend, IRIS[:5], extra_config=extra_config)


ITSELF = "compile the fitted SVC itself"


@pytest.mark.parametrize(
    ("estimator", "rows", "name", "advice", "reason"),
    [
        (SVC(), slice(None), "SVC", ITSELF, "network has no input: its output is the same for every row"),
        (
            NuSVC(),
            slice(None),
            "NuSVC",
            "fitted NuSVC itself",
            "network has no input: its output is the same for every row",
        ),
        (SVC(), TWO, "SVC", ITSELF, "the number of the class alone, and no scores"),
        (SVC(kernel="linear"), TWO, "SVC", ITSELF, "the number of the class alone, and no scores"),
        (make_pipeline(StandardScaler(), SVC()), TWO, "SVC", ITSELF, "the number of the class alone"),
        (LogisticRegression(max_iter=999), slice(None), "LogisticRegression", "Regression itself", "2 outputs"),
        (LinearSVC(), TWO, "LinearSVC", "compile the fitted LinearSVC itself", "2 outputs"),
        (GaussianNB(), slice(None), "GaussianNB", "compile the fitted GaussianNB itself", "2 outputs"),
        (KMeans(3, n_init=1), slice(None), "KMeans", "fit NearestCentroid on its labels", "ArgMin node"),
    ],
)
def test_what_cannot_be_compiled_is_named_with_advice(estimator, rows, name, advice, reason):
    container = converted(estimator.fit(IRIS[rows], SPECIES[rows]))
    with pytest.raises(ct.UnsupportedModelError) as caught:
        ct.compile(container, IRIS[rows])
    message = str(caught.value)
    assert message.startswith(f"what hummingbird made of {name} cannot be compiled: ")
    assert advice in message
    assert reason in message.partition("The reason: ")[2]


def test_labels_make_no_scores():
    container = converted(SVC().fit(IRIS[TWO], SPECIES[TWO]))
    with pytest.raises(ct.UnsupportedModelError, match="no scores that it is chosen by"):
        ct.compile(container, IRIS[TWO], labels=["setosa", "versicolor"])


def test_nearest_neighbours_are_to_be_compiled_without_converting_them():
    container = converted(KNeighborsClassifier(3).fit(IRIS[:60:2], SPECIES[:60:2]), batch_size=5)
    with pytest.raises(ct.UnsupportedModelError, match=r"compile the fitted KNeighborsClassifier itself.*TopK node"):
        ct.compile(container, IRIS[:5])


def test_a_container_that_does_not_say_what_it_was_made_of_has_a_reason_all_the_same():
    traced = converted(SVC().fit(IRIS, SPECIES), "torch.jit")
    with pytest.raises(ct.UnsupportedModelError, match=r"hummingbird made of SVC cannot.*SVC itself.*has no input"):
        ct.compile(traced, IRIS)
    unnamed = converted(GaussianNB().fit(IRIS, SPECIES), "torch.jit")
    with pytest.raises(ct.UnsupportedModelError, match=r"made of the model cannot.*where compile takes.*2 outputs"):
        ct.compile(unnamed, IRIS)


def test_the_module_in_a_container_and_its_file_are_answered_too():
    module = converted(GaussianNB().fit(IRIS, SPECIES)).model
    with pytest.raises(ct.UnsupportedModelError, match=r"compile the fitted GaussianNB itself.*2 outputs"):
        ct.compile(module, IRIS)
    with pytest.raises(ct.UnsupportedModelError, match=r"^the network has 2 outputs"):
        ct.compile(exported(module, IRIS), IRIS)


def test_what_can_be_compiled_still_is():
    regression = LinearRegression().fit(IRIS[:, :3], IRIS[:, 3])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hummingbird.ml

        container = hummingbird.ml.convert(regression, "torch", IRIS[:5, :3])
    model = ct.compile(container, IRIS[:, :3])
    assert model.circuit.lookups == 0
    assert np.abs(model.predict(IRIS[:, :3]) - regression.predict(IRIS[:, :3])).max() < 0.1
