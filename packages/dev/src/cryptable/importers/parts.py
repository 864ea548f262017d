"""Parts: the fitted estimators that an ensemble, a search or a wrapper predicts with."""

from __future__ import annotations

from cryptable.graphs.graph import Estimator

_WRAPPERS = ("FixedThresholdClassifier", "FrozenEstimator", "TunedThresholdClassifierCV")
"""Classes that predict by one estimator, which is fitted or was before."""


def wrapped(estimator: Estimator) -> Estimator:
    """The fitted estimator inside one that has but one."""
    found = getattr(estimator, "estimator_", None)
    return estimator.estimator if found is None else found


def parts_of(estimator: Estimator) -> list[Estimator]:
    """Those of one estimator, by the attributes that scikit-learn keeps them in; none of any other."""
    found = []
    for name in ("best_estimator_", "regressor_"):
        part = getattr(estimator, name, None)
        found += [] if part is None else [part]
    if type(estimator).__name__ in _WRAPPERS:
        found.append(wrapped(estimator))
    members = getattr(estimator, "estimators_", ())
    found += [each for each in members if hasattr(each, "fit")] if isinstance(members, list | tuple) else []
    found += [each.estimator for each in getattr(estimator, "calibrated_classifiers_", ())]
    return found


def has_steps(estimator: Estimator) -> bool:
    """Whether it is a pipeline, or predicts with some: those may leave out columns that no model takes."""
    return hasattr(estimator, "steps") or any(map(has_steps, parts_of(estimator)))
