"""scikit-learn's naive Bayes classifiers: joint log-likelihoods, sums over features."""

from __future__ import annotations

import numpy as np
from cryptable_protocol import Labels, Link

from cryptable.graphs.additive import AdditiveModel, StepFunction
from cryptable.graphs.graph import Estimator, FloatArray, LinearModel, Rows
from cryptable.graphs.quadratic import QuadraticModel
from cryptable.importers.reading.labels import labels_of
from cryptable.importers.registry import importer


def _scores(estimator: Estimator, rows: Rows) -> FloatArray:
    return _compared(np.asarray(estimator.predict_joint_log_proba(rows), np.float64))


def _compared(likelihoods: FloatArray) -> FloatArray:
    """What tells the classes apart, along the last axis: the second's over the first's; each one's over their mean."""
    if likelihoods.shape[-1] == 2:
        return likelihoods[..., 1:] - likelihoods[..., :1]
    result: FloatArray = likelihoods - likelihoods.mean(axis=-1, keepdims=True)
    return result


def _link_and_labels(estimator: Estimator) -> tuple[Link, Labels]:
    labels = labels_of(estimator.classes_, type(estimator).__name__)
    return (Link.SIGMOID if len(labels) == 2 else Link.SOFTMAX), labels


@importer("sklearn.naive_bayes.GaussianNB", reference=_scores)
def read_gaussian(estimator: Estimator, feature_names: tuple[str, ...]) -> QuadraticModel:
    """Log prior - sum of log(2 pi variance) / 2 + (x - mean)² / (2 variance)."""
    link, labels = _link_and_labels(estimator)
    mean, variance = np.asarray(estimator.theta_, np.float64), np.asarray(estimator.var_, np.float64)
    centre = mean.mean(axis=0)
    distance = mean - centre
    constant = np.log(estimator.class_prior_) - 0.5 * (
        np.log(2 * np.pi * variance) + np.square(distance) / variance
    ).sum(axis=1)
    return QuadraticModel(
        feature_names,
        centre,
        _compared((-0.5 / variance).T),
        _compared((distance / variance).T),
        _compared(constant),
        link,
        labels,
    )


@importer("sklearn.naive_bayes.MultinomialNB", reference=_scores)
def read_multinomial(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Log prior + sum of counts times log probability."""
    link, labels = _link_and_labels(estimator)
    return LinearModel(
        feature_names,
        _compared(np.asarray(estimator.feature_log_prob_, np.float64).T),
        _compared(np.asarray(estimator.class_log_prior_, np.float64)),
        link,
        labels,
    )


@importer("sklearn.naive_bayes.ComplementNB", reference=_scores)
def read_complement(estimator: Estimator, feature_names: tuple[str, ...]) -> LinearModel:
    """Sum of counts times the complement's weights; priors play no part."""
    link, labels = _link_and_labels(estimator)
    weights = _compared(np.asarray(estimator.feature_log_prob_, np.float64).T)
    return LinearModel(feature_names, weights, np.zeros(weights.shape[1]), link, labels)


@importer("sklearn.naive_bayes.BernoulliNB", reference=_scores)
def read_bernoulli(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveModel | LinearModel:
    """A step at `binarize` for each feature; linear where features are taken as they are."""
    link, labels = _link_and_labels(estimator)
    present = np.asarray(estimator.feature_log_prob_, np.float64)
    absent = np.log(1 - np.exp(present))
    prior = np.asarray(estimator.class_log_prior_, np.float64)
    if estimator.binarize is None:
        return LinearModel(
            feature_names, _compared((present - absent).T), _compared(prior + absent.sum(axis=1)), link, labels
        )
    above = np.array([np.nextafter(float(estimator.binarize), np.inf)])
    functions = tuple(
        StepFunction(feature, above, _compared(np.stack([absent[:, feature], present[:, feature]])))
        for feature in range(len(feature_names))
    )
    return AdditiveModel(feature_names, functions, (), _compared(prior), link, labels)


@importer("sklearn.naive_bayes.CategoricalNB", reference=_scores)
def read_categorical(estimator: Estimator, feature_names: tuple[str, ...]) -> AdditiveModel:
    """A step at each category's number; numbers beyond the last category count as it."""
    link, labels = _link_and_labels(estimator)
    functions = []
    for feature, log_probability in enumerate(estimator.feature_log_prob_):
        values = _compared(np.asarray(log_probability, np.float64).T)
        functions.append(StepFunction(feature, np.arange(1.0, values.shape[0]), values))
    prior = np.asarray(estimator.class_log_prior_, np.float64)
    return AdditiveModel(feature_names, tuple(functions), (), _compared(prior), link, labels)
