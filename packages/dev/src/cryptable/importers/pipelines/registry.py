"""The registry of preprocessing steps: which module reads which transformer class.

A new kind of step is a new module in this package, with a function under `@preprocessor("its.public.ClassName")`.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from cryptable.errors import NotFittedError, UnsupportedModelError
from cryptable.graphs.graph import FloatArray, Rows
from cryptable.importers.pipelines.shapes import Column
from cryptable.importers.pipelines.stage import Stage, Step

FittedAttribute: TypeAlias = Any

Read = Callable[[Step, Stage], tuple[Column, ...]]

_by_class: dict[str, Read] = {}
_names: set[str] = set()


def preprocessor(*class_names: str) -> Callable[[Read], Read]:
    """Register the decorated function, which says what columns a fitted transformer makes of a stage's.

    Args:
        class_names: "package.module.Class" where the class is public.

    Raises:
        ValueError: a class that already has a reader.
    """

    def register(read: Read) -> Read:
        for name in class_names:
            if _short(name) in _by_class:
                raise ValueError(f"{name} is read twice: {_by_class[_short(name)].__module__} and {read.__module__}")
            _by_class[_short(name)] = read
            _names.add(name)
        return read

    return register


def supported_steps() -> tuple[str, ...]:
    """Public names of the transformer classes that a pipeline may have, sorted."""
    _discover()
    return tuple(sorted(_names))


def apply_step(name: str, step: Step, stage: Stage) -> Stage:
    """The stage after a fitted transformer.

    Args:
        name: of the step, in its pipeline.
        step: the transformer, or "passthrough" or None.
        stage: before it.

    Raises:
        UnsupportedModelError: the step, or a setting of it, cannot be compiled; the message names it.
        NotFittedError: it is not fitted.
    """
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return stage
    path = f"{_path(stage.step)} > {name}" if stage.step else name
    label = f"{path!r} ({type(step).__name__})"
    inner = replace(stage, step=label)
    columns = _reader(step, label)(step, inner)
    replace(inner, columns=columns).check_sources()

    def transform(matrix: FloatArray) -> Rows:
        return step.transform(stage.transform(matrix))

    after = Stage(stage.raw, columns, transform, stage.step)
    try:
        made = after.width()
    except UnsupportedModelError:
        raise
    except Exception as error:  # whatever the library says of a row of the calibration data
        raise UnsupportedModelError(f"step {label}: its transform fails on the first row: {error}") from error
    if made != len(columns):
        raise UnsupportedModelError(
            f"step {label}: it makes {made} columns where {len(columns)} were expected; please report this step"
        )
    return after


def apply_steps(steps: Iterable[tuple[str, Step]], stage: Stage) -> Stage:
    """One step after the other."""
    for name, step in steps:
        stage = apply_step(name, step, stage)
    return stage


def _reader(step: Step, label: str) -> Read:
    _discover()
    for base in type(step).__mro__:
        read = _by_class.get(f"{base.__module__.partition('.')[0]}.{base.__name__}")
        if read is not None:
            return read
    known = [name.rpartition(".")[2] for name in supported_steps()]
    nearest = difflib.get_close_matches(type(step).__name__, known, 3, 0)
    raise UnsupportedModelError(
        f"step {label}: a step of class {type(step).__module__}.{type(step).__qualname__} cannot be compiled. "
        "Fit the rest of the pipeline on its output and compile that, so that clients apply it before they encrypt; "
        f"of the steps that can be, these have the nearest names: {', '.join(nearest)} (docs/reference/supported.md)"
    )


def fitted(step: Step, attribute: str, label: str) -> FittedAttribute:
    """A fitted attribute of a step.

    Raises:
        NotFittedError: it has none.
    """
    try:
        return getattr(step, attribute)
    except AttributeError as error:
        raise NotFittedError(
            f"step {label} is not fitted: call fit(X, y) on the whole pipeline before compiling"
        ) from error


def as_numbers(values: FittedAttribute) -> FloatArray | None:
    """Categories as finite doubles, or None where they are not numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "buif" and not all(isinstance(value, int | float) for value in array.tolist()):
        return None
    numbers = array.astype(np.float64)
    return numbers if np.isfinite(numbers).all() else None


@cache
def _discover() -> None:
    package = importlib.import_module("cryptable.importers.pipelines")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"cryptable.importers.pipelines.{module.name}")


def _path(label: str) -> str:
    return label.partition("' (")[0].lstrip("'")


def _short(class_name: str) -> str:
    return f"{class_name.partition('.')[0]}.{class_name.rpartition('.')[2]}"
