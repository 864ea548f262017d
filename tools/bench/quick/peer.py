"""Concrete ML's figures, as recorded on another day: `make bench-full` measures them again, beside ours.

Concrete ML 1.9.0 on concrete-python 2.10, Python 3.11, 2 cores of the same kind of machine, p_error 2^-40, defaults;
medians of CPU seconds a row, evaluation keys in megabytes, float and quantized test score.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recorded:
    """One model on one data set."""

    float_score: float
    score: float
    keys_mb: float
    output_kb: float
    cpu_seconds: float
    lookups: int


RECORDED = {
    "logistic regression, breast cancer": Recorded(0.965, 0.965, 0, 11, 0.004, 0),
    "linear regression, diabetes": Recorded(0.332, 0.331, 0, 10, 0.002, 0),
    "LinearSVC, digits": Recorded(0.933, 0.931, 0, 111, 0.009, 0),
    "decision tree, depth 5, breast cancer": Recorded(0.947, 0.930, 77, 33, 2.7, 154),
    "random forest 10x4, breast cancer": Recorded(0.930, 0.939, 77, 328, 14.6, 1090),
    "XGBoost 20x3, breast cancer": Recorded(0.982, 0.974, 59, 328, 17.5, 1280),
    "XGBoost 100x3, breast cancer": Recorded(0.956, 0.974, 59, 1639, 36.0, 6400),
    "XGBoost 20x3, diabetes": Recorded(0.206, 0.275, 59, 328, 17.8, 1280),
    "XGBoost 10x3, digits": Recorded(0.917, 0.917, 59, 1639, 85.0, 6400),
    "random forest 50x5, synthetic": Recorded(0.810, 0.815, 77, 1639, 156.0, 13550),
}
