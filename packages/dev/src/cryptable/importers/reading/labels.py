"""Class labels as the decoder holds them: all of one kind, which predictions are of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cryptable_protocol import Labels

from cryptable.errors import UnsupportedModelError


def labels_of(classes: object, what: str) -> Labels:
    """An estimator's `classes_` as integers, strings, booleans or doubles.

    Raises:
        UnsupportedModelError: one class only, several targets, or labels of another kind or of several.
    """
    if isinstance(classes, list):
        raise UnsupportedModelError(
            f"{what}: several targets are not supported; fit and compile one estimator a target"
        )
    values = np.asarray(classes)
    if values.size < 2:
        raise UnsupportedModelError(
            f"{what} was fitted on one class only, {values.tolist()}; there is nothing to predict"
        )
    labels = tuple(str(value) if isinstance(value, str) else value for value in values.tolist())
    kinds = {type(label) for label in labels}
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        shown = values[:3].tolist()
        raise UnsupportedModelError(f"{what}: class labels must be integers, strings, booleans or doubles, got {shown}")
    return labels


def categories_of(values: Sequence[object], what: str) -> tuple[int, ...] | tuple[str, ...]:
    """Categories of a column as integers or strings.

    Raises:
        UnsupportedModelError: neither of these.
    """
    if all(isinstance(value, str) for value in values):
        return tuple(str(value) for value in values)
    if all(isinstance(value, int | float | np.integer | np.floating) and float(value).is_integer() for value in values):
        return tuple(int(value) for value in values)  # type: ignore[call-overload]
    raise UnsupportedModelError(
        f"{what}: categories must be whole numbers or strings, got {list(values[:3])}; rename them before fitting"
    )
