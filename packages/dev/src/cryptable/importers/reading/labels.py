"""Class labels as the decoder holds them: integers or strings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from cryptable_protocol import Labels

from cryptable.errors import UnsupportedModelError


def labels_of(classes: object, what: str) -> Labels:
    """An estimator's `classes_` as integers or strings.

    Raises:
        UnsupportedModelError: one class only, several targets, or labels that are neither integers nor strings.
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
    if values.dtype.kind in "bui":
        return tuple(int(value) for value in values)
    if values.dtype.kind == "f" and (values == np.rint(values)).all():
        return tuple(int(value) for value in values)
    if all(isinstance(value, str) for value in values.tolist()):
        return tuple(str(value) for value in values)
    raise UnsupportedModelError(f"{what}: class labels must be integers or strings, got {values[:3].tolist()}")


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
