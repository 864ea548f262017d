"""The registry of importers: which module reads which estimator class.

A new family is a new module in this package, with a function under `@importer("its.public.ClassName")`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptable_protocol import InvalidInputError

from cryptable.errors import NotFittedError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, ModelGraph, Rows
from cryptable.importers.feature_names import names_are_matched

Read = Callable[..., ModelGraph]
"""(estimator, feature names), and where `needs_rows` also kept=, rows= and may_miss=, as `import_estimator`."""
Reference = Callable[[Any, npt.NDArray[np.float64]], npt.NDArray[Any]]


@dataclass(frozen=True)
class Importer:
    """How estimators of some classes are read, and what their own scores are.

    `read(estimator, feature names)` gives the graph; `reference(estimator, rows)` calls the estimator's own prediction
    method, which the graph's scores must equal: shape (rows,) or (rows, outputs). `needs_rows`: reading probes the
    estimator with numbers like those of the calibration data. `takes_gaps`: its columns may hold missing values and
    categories, and the graph says how they are read; of ensembles of other estimators, whether those do.
    """

    class_names: tuple[str, ...]
    read: Read
    reference: Reference
    needs_rows: bool = False
    takes_gaps: bool | Callable[[Any], bool] = False


_by_class: dict[str, Importer] = {}

_ADVICE = {
    r"^LocalOutlierFactor$": "it compares distances between rows with one another; fit IsolationForest",
    r"KMeans$|^(AffinityPropagation|MeanShift)$": (
        "fit NearestCentroid on its labels, NearestCentroid().fit(X, clusters.labels_), which needs no lookup"
    ),
    r"Mixture$": "fit GaussianNB on the labels that it predicts, which needs no lookup",
    r"^RadiusNeighbors": (
        "the number of rows within a radius is not known beforehand; fit KNeighborsClassifier or KNeighborsRegressor "
        "on some dozens of rows, or NearestCentroid, which needs no lookup"
    ),
    r"^GaussianProcess": "fit SVC or KernelRidge on some dozens of rows, or gradient-boosted trees",
    r"^(StackingClassifier|OneVsOne|OutputCode|ClassifierChain|RegressorChain)": (
        "compile the estimators that it is made of, or fit one random forest or one boosted ensemble instead"
    ),
    r"^MultiOutputClassifier$": "several targets are not supported; compile its estimators_ one by one",
}
"""By pattern of the class's name."""
_ADVICE_OF_CLASSES = {
    "xgboost.Booster": (
        "it does not say what it predicts; save it, booster.save_model('model.json'), load it into the estimator "
        "class, XGBClassifier() or XGBRegressor(), by load_model('model.json'), and compile that"
    ),
    "lightgbm.Booster": (
        "it does not say which labels it predicts, and LightGBM loads none into LGBMClassifier or LGBMRegressor: fit "
        "one of those, with the same parameters"
    ),
    "catboost.CatBoost": (
        "it does not say what it predicts; save it, model.save_model('model.cbm'), load it into CatBoostClassifier() "
        "or CatBoostRegressor() by load_model('model.cbm'), and compile that"
    ),
    "cryptable.EncryptedClassifier": "it holds a compiled model already: take its compiled_",
    "cryptable.EncryptedRegressor": "it holds a compiled model already: take its compiled_",
}


def importer(
    *class_names: str, reference: Reference, needs_rows: bool = False, takes_gaps: bool | Callable[[Any], bool] = False
) -> Callable[[Read], Read]:
    """Register the decorated function for estimator classes.

    Args:
        class_names: "package.module.Class" where the class is public, as "sklearn.linear_model.Ridge". Subclasses and
            the private module that a class really lives in are covered: names are compared by package and class.
        reference: the estimator's own scores.
        needs_rows: whether `read` takes calibration data too.
        takes_gaps: whether columns may hold missing values and categories.

    Raises:
        ValueError: a class that already has an importer.
    """

    def register(read: Read) -> Read:
        entry = Importer(class_names, read, reference, needs_rows, takes_gaps)
        for name in class_names:
            if _short(name) in _by_class:
                raise ValueError(
                    f"{name} has two importers: {_by_class[_short(name)].read.__module__} and {read.__module__}"
                )
            _by_class[_short(name)] = entry
        return read

    return register


def supported_estimators() -> tuple[str, ...]:
    """Public names of the estimator classes that can be compiled, sorted."""
    return tuple(sorted(name for entry in importers() for name in entry.class_names))


def importers() -> tuple[Importer, ...]:
    """Every importer of another library's classes once, by the first of them."""
    _discover()
    others = {entry for entry in _by_class.values() if not entry.class_names[0].startswith("cryptable.")}
    return tuple(sorted(others, key=lambda entry: entry.class_names))


def find_importer(estimator: object) -> Importer:
    """The importer of an estimator's class.

    Raises:
        UnsupportedModelError: there is none.
    """
    _discover()
    for base in type(estimator).__mro__:
        entry = _by_class.get(f"{base.__module__.partition('.')[0]}.{base.__name__}")
        if entry is not None:
            return entry
    if isinstance(estimator, type):
        raise UnsupportedModelError(f"{estimator.__name__} is a class: compile a fitted instance of it")
    kind = type(estimator)
    public = ".".join(part for part in kind.__module__.split(".") if not part.startswith("_"))
    named = f"{public}.{kind.__qualname__} cannot be compiled"
    advice = next(filter(None, (_ADVICE_OF_CLASSES.get(_short(_name_of(base))) for base in kind.__mro__)), None)
    advice = advice or advice_for(kind.__name__)
    if advice:
        raise UnsupportedModelError(f"{named}: {advice}; supported: all that cryptable.supported_estimators() names")
    nearest = difflib.get_close_matches(
        kind.__name__, [name.rpartition(".")[2] for name in supported_estimators()], 3, 0
    )
    raise UnsupportedModelError(
        f"{named}; of the classes that can be, these have the nearest names: {', '.join(nearest)}; "
        "cryptable.supported_estimators() names all"
    )


def takes_gaps(estimator: object) -> bool:
    """Whether columns of a fitted estimator may hold missing values and categories.

    Raises:
        UnsupportedModelError: there is no importer of its class.
    """
    found = find_importer(estimator).takes_gaps
    return found if isinstance(found, bool) else found(estimator)


def advice_for(class_name: str) -> str:
    """What to do instead, for classes that people try; empty where nothing is known."""
    return next((advice for pattern, advice in _ADVICE.items() if re.search(pattern, class_name)), "")


def has_importer(class_name: str) -> bool:
    """Whether a class of this name, of whatever package, can be compiled."""
    _discover()
    return any(known.rpartition(".")[2] == class_name for known in _by_class)


def import_estimator(
    estimator: object,
    feature_names: tuple[str, ...],
    kept: Rows = None,
    rows: FloatArray | None = None,
    may_miss: Collection[int] = (),
) -> ModelGraph:
    """Read a fitted estimator.

    Args:
        estimator: fitted.
        feature_names: of its columns.
        kept: calibration data as the estimator takes it; a pipeline cannot be read without.
        rows: the same as doubles, shape (rows, features).
        may_miss: columns that may hold missing values though these rows have none there.

    Raises:
        UnsupportedModelError: no importer for its class, or a setting that its importer does not take.
        NotFittedError: it is not fitted.
    """
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError  # takes a second: not before it is needed
    from sklearn.utils.validation import check_is_fitted

    entry = find_importer(estimator)
    try:
        if hasattr(estimator, "fit"):
            check_is_fitted(estimator)
    except SklearnNotFittedError as error:
        raise NotFittedError(
            f"this {type(estimator).__name__} is not fitted: call fit(X, y) before compiling"
        ) from error
    if entry.needs_rows:
        if rows is None:
            raise InvalidInputError(f"{type(estimator).__name__} is read by probing it: calibration data is needed")
        return entry.read(estimator, feature_names, kept=kept, rows=rows, may_miss=may_miss)
    return entry.read(estimator, feature_names)


def reference_scores(estimator: object, rows: FloatArray) -> FloatArray:
    """The estimator's own scores, shape (rows, outputs). Networks know them by a method of this name."""
    own = getattr(estimator, "reference_scores", None)
    if own is not None:
        return np.asarray(own(rows), np.float64)
    with names_are_matched():
        scores = np.asarray(find_importer(estimator).reference(estimator, rows), np.float64)
    return scores[:, None] if scores.ndim == 1 else scores


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable.importers")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.ispkg:
            importlib.import_module(f"cryptable.importers.{module.name}")


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"


def _short(class_name: str) -> str:
    return f"{class_name.partition('.')[0]}.{class_name.rpartition('.')[2]}"
