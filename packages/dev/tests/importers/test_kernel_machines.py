"""Kernel machines: read as the library scores them, alone and behind steps, compiled, or refused with a way out."""

import cryptable as ct
import numpy as np
import pytest
from cryptable.graphs.graph import LinearModel
from cryptable.graphs.kernels import KernelMachine
from cryptable.graphs.pair_votes import PairVotes
from cryptable.importers.imported_model import import_model
from cryptable_engine import interpret
from cryptable_protocol import encode_rows
from keychain import keychain
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

CANCER, TUMOUR = load_breast_cancer(return_X_y=True)
CANCER = StandardScaler().fit_transform(CANCER[:, :8])
DIABETES, PROGRESS = load_diabetes(return_X_y=True)


@pytest.mark.parametrize(
    "estimator",
    [
        SVC(),
        SVC(kernel="sigmoid", coef0=0.5),
        SVC(kernel="poly", degree=2, coef0=1.0),
        NuSVC(nu=0.2, gamma=0.05),
        SVR(C=50.0),
        OneClassSVM(nu=0.05),
        KernelRidge(kernel="rbf", gamma=3.0),
        KernelRidge(kernel="polynomial", degree=2),
        SVC(gamma="auto", class_weight="balanced"),
        SVC(kernel="sigmoid", gamma="auto"),
        SVR(kernel="poly", degree=3, gamma="scale", coef0=0.5),
        GaussianProcessRegressor(RBF(0.2), optimizer=None, alpha=0.1, normalize_y=True),
        GaussianProcessRegressor(
            ConstantKernel(4.0) * RBF(np.linspace(0.1, 0.5, 10)) + WhiteKernel(0.5), optimizer=None
        ),
        make_pipeline(StandardScaler(), GaussianProcessRegressor(2.0 * RBF(4.0) + WhiteKernel(), optimizer=None)),
        make_pipeline(StandardScaler(), SVR(C=50.0)),
        make_pipeline(PCA(4), StandardScaler(), SVC(kernel="sigmoid")),
    ],
)
def test_scores_are_the_librarys_own(estimator):
    is_classifier = hasattr(estimator, "decision_function")
    rows, target = (CANCER, TUMOUR) if is_classifier else (DIABETES, PROGRESS)
    graph = import_model(estimator.fit(rows[:150], target[:150]), rows).graph  # which compares them
    assert isinstance(graph, KernelMachine)
    is_of_products = "sigmoid" in str(estimator) or "poly" in str(estimator)
    assert graph.curvatures.any() != is_of_products


@pytest.mark.parametrize("estimator", [SVC(kernel="linear"), SVR(kernel="linear"), KernelRidge()])
def test_a_linear_kernel_is_a_linear_model(estimator):
    graph = import_model(estimator.fit(CANCER[:99], TUMOUR[:99]), CANCER).graph
    assert isinstance(graph, LinearModel)


@pytest.mark.encrypted
def test_a_support_vector_machine_is_exact_under_encryption_and_answers_as_itself():
    estimator = SVC(gamma=0.1, C=3.0).fit(CANCER[:300], TUMOUR[:300])
    with pytest.warns(ct.AgreementWarning, match=r"where columns are mixed at random, 9.* of the labels"):
        model = ct.compile(estimator, CANCER[:300])
    assert model.artifact.client_spec.scheme == "levelled"
    assert model.agreement.labels > 0.99 > model.agreement.mixed_labels > 0.85
    mixed = np.random.default_rng(1).permuted(CANCER[:300], axis=0)
    assert (model.predict(mixed) == estimator.predict(mixed)).mean() == pytest.approx(
        model.agreement.mixed_labels, abs=0.06
    )
    assert (model.predict(CANCER[300:]) == estimator.predict(CANCER[300:])).mean() >= 0.98
    row = CANCER[300:301]
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, row))
    assert (keychain().evaluate(model, row) == clear).all()
    rotation = model.circuit.nodes[1]
    assert rotation.neurons == len(estimator.support_)
    assert rotation.is_common.any()  # digits of squares turn the sum of all


OF_SEVERAL = [
    SVC(),
    SVC(C=0.5, break_ties=True),
    NuSVC(nu=0.2, decision_function_shape="ovo"),
    SVC(kernel="linear"),
    make_pipeline(StandardScaler(), SVC(kernel="sigmoid")),
]


@pytest.mark.parametrize("estimator", OF_SEVERAL, ids=str)
@pytest.mark.parametrize("load", [load_iris, load_digits], ids=["iris", "digits"])
def test_several_classes_vote_pair_by_pair(estimator, load):
    """Import compares scores and labels with the library's: votes, and what margins add to them."""
    rows, target = load(return_X_y=True)
    graph = import_model(estimator.fit(rows[::3], target[::3]), rows[::2]).graph
    assert isinstance(graph, PairVotes)
    classes = len(np.unique(target))
    assert (graph.outputs, graph.graph.outputs) == (classes, classes * (classes - 1) // 2)
    assert graph.by_margin == ("break_ties" in str(estimator))


@pytest.mark.filterwarnings("ignore::cryptable.AgreementWarning")
@pytest.mark.parametrize("estimator", OF_SEVERAL[:4], ids=str)
def test_labels_of_several_classes_are_the_librarys(estimator):
    rows, target = load_iris(return_X_y=True)
    names = load_iris().target_names[target]
    fitted = make_pipeline(StandardScaler(), estimator).fit(rows[::2], names[::2])
    model = ct.compile(fitted, rows[::2], show_progress=False)
    assert (model.predict(rows[1::2]) == fitted.predict(rows[1::2])).mean() >= 0.96
    assert model.decision_function(rows[:5]).shape == (5, 3)
    if estimator.decision_function_shape == "ovr":
        assert np.abs(model.decision_function(rows) - fitted.decision_function(rows)).mean() < 0.05


def test_too_many_pairs_are_refused_with_what_to_do():
    rows, target = load_digits(return_X_y=True)
    estimator = SVC(gamma=0.002).fit(rows[:200], target[:200])
    with pytest.raises(
        ct.UnsupportedModelError, match=r"45 scores .* one for each pair.*16 at most.*OneVsRestClassifier"
    ):
        ct.compile(estimator, rows[:200])


@pytest.mark.encrypted
def test_pairs_are_exact_under_encryption_and_saved(tmp_path):
    rows, target = load_iris(return_X_y=True)
    estimator = SVC(C=0.5).fit(rows[::2], target[::2])
    model = ct.compile(estimator, rows[::2], show_progress=False)
    assert (model.decision_function(rows[50:52], mode="encrypted") == model.decision_function(rows[50:52])).all()
    report = model.check(rows[1::2], target[1::2], encrypted_rows=1)
    assert report.passed
    assert report["clear"].agreement >= 0.97
    model.save(tmp_path / "pairs.cryptable")
    assert (ct.load(tmp_path / "pairs.cryptable").predict(rows) == model.predict(rows)).all()
    with pytest.raises(ct.InvalidInputError, match="no probabilities"):
        model.predict_proba(rows)
    for options, refusal in ((TOLD, "clients make of the scores"), (ALONE, "clients make its predictions")):
        with pytest.raises(ct.UnsupportedModelError, match=refusal):
            ct.compile(SVC(kernel="linear").fit(rows, target), rows, show_progress=False, **options)


TOLD, ALONE = {"explain": "contributions"}, {"answer": "label"}


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (KernelRidge(kernel="laplacian"), r"^KernelRidge has the kernel 'laplacian'.*kernel='rbf'"),
        (SVC(kernel=lambda a, b: a @ b.T), "kernel of your own"),
        (GaussianProcessRegressor(Matern(), optimizer=None), r"has the kernel Matern\(.*fit it with RBF\(\)"),
        (GaussianProcessRegressor(RBF() * RBF(), optimizer=None), r"has the kernel RBF.*\* RBF"),
        (make_pipeline(PCA(2), SVR()), "is a mix of 4 columns"),
        (make_pipeline(PowerTransformer(), SVR()), "is no weighted sum"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_way_out(estimator, message):
    rows, target = load_iris(return_X_y=True)
    if "lambda" in message or "own" in message:
        rows, target = rows[:100], target[:100]
    with pytest.raises(ct.UnsupportedModelError, match=message):
        ct.compile(estimator.fit(rows, target), rows)


def test_a_gaussian_process_answers_its_mean():
    estimator = GaussianProcessRegressor(RBF(0.3) + WhiteKernel(0.5), optimizer=None, normalize_y=True)
    estimator.fit(DIABETES[:40, :4], PROGRESS[:40])
    model = ct.compile(estimator, DIABETES[:, :4], show_progress=False)
    own = estimator.predict(DIABETES[:, :4])
    assert np.sqrt(np.mean((model.predict(DIABETES[:, :4]) - own) ** 2)) < 0.1 * own.std()


def test_only_the_scheme_levelled_evaluates_them():
    estimator = SVC().fit(CANCER[:60], TUMOUR[:60])
    with pytest.raises(ct.UnsupportedModelError, match=r"does not evaluate a kernel machine.*scheme='levelled'"):
        ct.compile(estimator, CANCER, scheme="bootstrapped")


def test_too_many_vectors_are_refused_with_their_products():
    rows = np.random.default_rng(0).normal(size=(400, 20))
    estimator = SVR(C=10.0, epsilon=0.0).fit(rows, np.sin(rows.sum(axis=1)))
    with pytest.raises(ct.UnsupportedModelError, match=r"products.*support vectors"):
        ct.compile(estimator, rows, input_bits=3)
