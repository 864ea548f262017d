"""Small estimators of every supported class, fitted on real rows, for the contract suite: several kinds of data."""

import importlib
import importlib.util
import warnings
from dataclasses import dataclass
from functools import cache

import cryptable as ct
import numpy as np
from gap_data import MATRIX, TRAINING
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.gaussian_process.kernels import RBF
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

SMALL_TREES = {"n_estimators": 5, "max_depth": 3, "random_state": 0}
CATBOOST = {"iterations": 5, "depth": 3, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
SETTINGS = {
    "DecisionTreeClassifier": {"max_depth": 4, "random_state": 0},
    "DecisionTreeRegressor": {"max_depth": 4, "random_state": 0},
    **{
        f"{family}{kind}": SMALL_TREES
        for family in ("RandomForest", "ExtraTrees", "GradientBoosting", "XGB", "XGBRF")
        for kind in ("Classifier", "Regressor")
    },
    **{f"CatBoost{kind}": CATBOOST for kind in ("Classifier", "Regressor")},
    **{f"HistGradientBoosting{kind}": {"max_iter": 5, "max_leaf_nodes": 6} for kind in ("Classifier", "Regressor")},
    **{
        f"LGBM{kind}": {"n_estimators": 5, "num_leaves": 6, "verbose": -1, "n_jobs": 1}
        for kind in ("Classifier", "Regressor")
    },
    "EllipticEnvelope": {"random_state": 0},
    "IsolationForest": {"n_estimators": 5, "max_samples": 16, "random_state": 0},
    **{f"KNeighbors{kind}": {"n_neighbors": 3} for kind in ("Classifier", "Regressor")},
    "GaussianProcessRegressor": {"kernel": RBF(0.4), "alpha": 0.1, "optimizer": None, "normalize_y": True},
    "KernelRidge": {"kernel": "rbf", "gamma": 3.0},
    "LogisticRegression": {"max_iter": 5000},
    "NuSVC": {"gamma": 0.05},
    "QuadraticDiscriminantAnalysis": {"reg_param": 0.1},
    "SVC": {"gamma": 0.05},
    "OneClassSVM": {"nu": 0.1, "gamma": 0.05},
    "MLPClassifier": {"hidden_layer_sizes": (6,), "alpha": 0.1, "max_iter": 800, "random_state": 0},
    "MLPRegressor": {"hidden_layer_sizes": (5,), "activation": "tanh", "solver": "lbfgs", "random_state": 0},
    "QuantileRegressor": {"alpha": 0.01},
    "CCA": {"n_components": 1},
    "PLSCanonical": {"n_components": 1},
    "Pipeline": {
        "steps": [("scaler", StandardScaler()), ("tree", DecisionTreeClassifier(max_depth=4, random_state=0))],
    },
    "PoissonRegressor": {"alpha": 0.01},
    "AdaBoostClassifier": {"estimator": DecisionTreeClassifier(max_depth=2), "n_estimators": 4, "random_state": 0},
    "BaggingClassifier": {
        "estimator": DecisionTreeClassifier(max_depth=3),
        "n_estimators": 3,
        "max_features": 0.6,
        "random_state": 0,
    },
    "BaggingRegressor": {"estimator": Ridge(), "n_estimators": 3, "max_features": 0.6, "random_state": 0},
    "CalibratedClassifierCV": {"estimator": LinearSVC(), "cv": 2},
    "GridSearchCV": {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}, "cv": 2},
    "HalvingGridSearchCV": {"estimator": LogisticRegression(), "param_grid": {"C": [0.1, 1.0]}, "cv": 2},
    "HalvingRandomSearchCV": {
        "estimator": LogisticRegression(),
        "param_distributions": {"C": [0.1, 1.0]},
        "cv": 2,
        "random_state": 0,
    },
    "MultiOutputRegressor": {"estimator": Ridge()},
    "OneVsRestClassifier": {"estimator": LogisticRegression(max_iter=1000)},
    "RandomizedSearchCV": {
        "estimator": LogisticRegression(),
        "param_distributions": {"C": [0.1, 1.0]},
        "n_iter": 2,
        "cv": 2,
        "random_state": 0,
    },
    "TransformedTargetRegressor": {"regressor": Ridge(), "func": np.log1p, "inverse_func": np.expm1},
    "FixedThresholdClassifier": {"estimator": LogisticRegression(), "threshold": 0.3},
    "TunedThresholdClassifierCV": {"estimator": LogisticRegression(), "cv": 2},
    "VotingClassifier": {
        "estimators": [("steep", LogisticRegression(C=10.0, max_iter=1000)), ("flat", LogisticRegression(C=0.01))],
        "voting": "soft",
        "weights": [2, 1],
    },
    "VotingRegressor": {
        "estimators": [
            ("boosted", GradientBoostingRegressor(n_estimators=3, max_depth=2, random_state=0)),
            ("tree", DecisionTreeRegressor(max_depth=3, random_state=0)),
        ],
    },
    "RANSACRegressor": {"random_state": 0},
    "SelfTrainingClassifier": {"estimator": LogisticRegression()},
    "StackingRegressor": {
        "estimators": [
            ("forest", RandomForestRegressor(n_estimators=3, max_depth=3, random_state=0)),
            ("tree", DecisionTreeRegressor(max_depth=3, random_state=0)),
        ],
        "cv": 2,
    },
    **{
        f"ExplainableBoosting{kind}": {
            "interactions": pairs,
            "max_interaction_bins": 4,
            "outer_bags": 1,
            "max_rounds": 50,
            "n_jobs": 1,
            "random_state": 0,
        }
        for kind, pairs in (("Classifier", [(0, 1), (2, 3)]), ("Regressor", 0))
    },
}

THREE_CLASSES = {
    **{
        name: {}
        for name in (
            "AdaBoostClassifier",
            "BaggingClassifier",
            "BernoulliNB",
            "CalibratedClassifierCV",
            "CatBoostClassifier",
            "CategoricalNB",
            "DecisionTreeClassifier",
            "GaussianNB",
            "GradientBoostingClassifier",
            "HistGradientBoostingClassifier",
            "LGBMClassifier",
            "LinearDiscriminantAnalysis",
            "LinearSVC",
            "LogisticRegression",
            "MLPClassifier",
            "MultinomialNB",
            "NearestCentroid",
            "OneVsRestClassifier",
            "QuadraticDiscriminantAnalysis",
            "RandomForestClassifier",
            "XGBClassifier",
        )
    },
    "ExplainableBoostingClassifier": {"interactions": 0},
}
_CATEGORIES = {"max_iter": 3, "max_leaf_nodes": 5, "min_samples_leaf": 4}
GAPS = {
    "DecisionTreeClassifier": {},
    "RandomForestRegressor": {},
    **{f"HistGradientBoosting{kind}": _CATEGORIES for kind in ("Classifier", "Regressor")},
    **{f"XGB{kind}": {"enable_categorical": True} for kind in ("Classifier", "Regressor")},
    **{f"LGBM{kind}": {"min_child_samples": 4, "min_data_per_group": 5} for kind in ("Classifier", "Regressor")},
    **{
        f"CatBoost{kind}": {"cat_features": ["site", "grade"], "one_hot_max_size": 20}
        for kind in ("Classifier", "Regressor")
    },
}
TWO_TARGETS = {
    "CatBoostRegressor": {"loss_function": "MultiRMSE"},
    "DecisionTreeRegressor": {},
    "PLSRegression": {},
    "XGBRegressor": {},
}
LOGARITHMS = {
    "LGBMRegressor": {"objective": "tweedie"},
    "TweedieRegressor": {"power": 1.5, "link": "log", "alpha": 0.01},
    "XGBRegressor": {"objective": "reg:gamma"},
}
DROPOUT = {
    "LGBMRegressor": {"boosting_type": "dart", "drop_rate": 0.5},
    "XGBClassifier": {"booster": "dart", "rate_drop": 0.5},
}
KINDS = {
    "three classes": THREE_CLASSES,
    "gaps": GAPS,
    "two targets": TWO_TARGETS,
    "logarithms": LOGARITHMS,
    "dropout": DROPOUT,
}
"""Settings more, of the classes that a kind of data or model is tried with besides the plain one."""

FEW_ROWS = {
    "KNeighborsClassifier": 12,
    "KNeighborsRegressor": 10,
    "GaussianProcessRegressor": 30,
    "KernelRidge": 30,
    "NuSVR": 30,
    "SVR": 30,
    "SVC": 60,
    "NuSVC": 60,
    "OneClassSVM": 120,
}
"""Training rows, of models that cost lookups for each."""
COUNTS = ("CategoricalNB", "ComplementNB", "MultinomialNB")
"""Take small integers."""


@dataclass
class Study:
    """A fitted estimator and its data, arrays or frames."""

    estimator: object
    training_rows: object
    test_rows: object
    kind: str


def take(rows, index):
    """Some rows, of an array or a frame."""
    return rows.iloc[index] if hasattr(rows, "iloc") else rows[index]


def _data(name, kind, is_classifier):
    if kind == "three classes":
        rows, target = load_iris(return_X_y=True)
    elif kind == "gaps":
        return _rows_with_gaps(name)
    elif is_classifier:
        rows, target = load_breast_cancer(return_X_y=True)
        rows = (rows[:, :8] - rows[:, :8].mean(axis=0)) / rows[:, :8].std(axis=0)
        if name == "EllipticEnvelope":  # radius, perimeter and area are nearly one column, of hardly any variance apart
            rows = rows[:, [0, 1, 4, 5]]
    else:
        rows, target = load_diabetes(return_X_y=True)
        if kind == "logarithms":
            target = target / target.mean()
        if kind == "two targets" or name.startswith(("MultiTask", "MultiOutput")):
            target = np.stack([target, -target], axis=1)
    if name in COUNTS:
        rows = np.rint(np.clip(2 * rows, -4, 4)) + 4
    return rows, target


def _rows_with_gaps(name):
    score = TRAINING.age.fillna(0.5) + TRAINING.site.isin(list("uxs")) * 1.5 - TRAINING.dose.fillna(1.0)
    target = (score > 0.5).astype(int).to_numpy() if name.endswith("Classifier") else score.to_numpy()
    if name.startswith(("DecisionTree", "RandomForest", "ExtraTrees")):
        return MATRIX, target
    rows = TRAINING
    if name.startswith("CatBoost"):  # its categories are strings or integers, and none is missing
        rows = rows.assign(site=rows.site.astype(object).fillna("none"), grade=rows.grade.astype(int))
    return rows, target


@cache
def fitted(class_name, kind=""):
    """A small estimator of a class, by its public name."""
    module, _, name = class_name.rpartition(".")
    options = SETTINGS.get(name, {}) | KINDS.get(kind, {}).get(name, {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = getattr(importlib.import_module(module), name)(**options)
        is_classifier = hasattr(estimator, "predict_proba") or hasattr(estimator, "decision_function")
        rows, target = _data(name, kind, is_classifier)
        order = np.random.default_rng(0).permutation(len(rows))
        rows, target = take(rows, order), target[order]
        until = 40 + FEW_ROWS.get(name, len(rows))
        estimator.fit(take(rows, slice(40, until)), target[40:until])
    return Study(estimator, take(rows, slice(40, None)), take(rows, slice(40)), kind)


@cache
def compiled(class_name, kind="", scheme="auto"):
    """The same, compiled."""
    study = fitted(class_name, kind)
    with warnings.catch_warnings():
        # Some have close calls on more than a hundredth of these rows; the suite compares labels away from those.
        warnings.simplefilter("ignore", ct.AgreementWarning)
        return ct.compile(study.estimator, study.training_rows, scheme=scheme)


BY_LOOKUPS = (
    ("xgboost.XGBClassifier", ""),
    ("sklearn.ensemble.RandomForestClassifier", "three classes"),
    ("sklearn.ensemble.HistGradientBoostingClassifier", "gaps"),
    ("catboost.CatBoostRegressor", ""),
)
"""Models of trees that are compiled for the scheme bootstrapped too."""
RANKERS = ("catboost.CatBoostRanker", "lightgbm.LGBMRanker", "xgboost.XGBRanker")
ELSEWHERE = ("skorch.NeuralNet", "sklearn.frozen.FrozenEstimator", *RANKERS)
"""Classes that are nothing without a torch module, a fitted estimator, or queries: test_networks_of_estimators,
test_wrappers and test_rankers have theirs."""
INSTALLED = [
    name
    for name in ct.supported_estimators()
    if importlib.util.find_spec(name.partition(".")[0]) and name not in ELSEWHERE
]
ASKED_FOR = ("MLPClassifier", "MLPRegressor")
"""Are compiled for the scheme levelled, which is to be asked for."""
CASES = [(name, "") for name in INSTALLED]
CASES += [(name, kind) for kind, classes in KINDS.items() for name in INSTALLED if name.rpartition(".")[2] in classes]
CASES = [(*case, "levelled") if case[0].rpartition(".")[2] in ASKED_FOR else case for case in CASES]
CASES += [(*case, "bootstrapped") for case in BY_LOOKUPS if case in CASES]


def case_id(case):
    """For the names of tests."""
    return ", ".join(filter(None, (case[0].rpartition(".")[2], *case[1:])))
