"""Encoders of categories: one bit a category, the category's index, or a number learned for it."""

from __future__ import annotations

import numpy as np
from cryptable_protocol.encoding.rows import is_missing

from cryptable.importers.pipelines.registry import as_numbers, fitted, preprocessor
from cryptable.importers.pipelines.shapes import Column, Steps
from cryptable.importers.pipelines.stage import Stage, Step


@preprocessor("sklearn.preprocessing.OneHotEncoder")
def read_one_hot(step: Step, stage: Stage) -> tuple[Column, ...]:
    """One column a category; less the dropped one, and with all infrequent ones as one."""
    columns: list[Column] = []
    for index, column in enumerate(_encoded(step, stage)):
        columns += [column] * _outputs(step, index)
    return tuple(columns)


@preprocessor("sklearn.preprocessing.OrdinalEncoder")
def read_ordinal(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The category's index; of an unknown one the number chosen for it, which may be NaN where a model takes that."""
    return _encoded(step, stage)


@preprocessor("sklearn.preprocessing.TargetEncoder")
def read_target(step: Step, stage: Stage) -> tuple[Column, ...]:
    """The mean of the target a category, one a class where there are three or more; others get the overall mean."""
    encodings = fitted(step, "encodings_", stage.step)
    repeats = len(encodings) // len(stage.columns)
    return tuple(column for column in _encoded(step, stage, others_differ=True) for _ in range(repeats))


def _encoded(step: Step, stage: Stage, *, others_differ: bool | None = None) -> tuple[Column, ...]:
    all_categories = fitted(step, "categories_", stage.step)
    if others_differ is None:
        others_differ = step.handle_unknown != "error"
    columns = []
    for index, categories in enumerate(all_categories):
        column = stage.univariate(index)
        if column.shapes and isinstance(column.shapes[column.source], Steps):  # of text, or of bins
            if column.source in stage.raw.text and as_numbers(categories) is None:
                stage.raw.readers.add(column.source, categories, takes_unknown=others_differ)
            columns.append(column)
            continue
        present = [each for each in categories if not is_missing(each)]
        numbers = as_numbers(present)
        if numbers is None:
            raise stage.refusal(
                f"the categories of column {_named(stage, column)} are not finite numbers: {list(categories[:3])}; "
                "replace them by whole numbers, or make text of all of them, before fitting"
            )
        pairs = zip(present, numbers.tolist(), strict=True)
        beyond = [each for each, number in pairs if isinstance(each, int | np.integer) and int(each) != number]
        if beyond:
            raise stage.refusal(
                f"category {beyond[0]} of column {_named(stage, column)} is a whole number beyond 2^53, which doubles, "
                "as clients send numbers, do not hold; make text of the column before fitting"
            )
        read = stage.steps_of_categories(index, np.sort(numbers), others_differ=others_differ)
        columns.append(stage.apart_if_missing(read) if len(present) < len(categories) else read)
    return tuple(columns)


def _named(stage: Stage, column: Column) -> str:
    return repr(stage.raw.names[column.source]) if column.shapes else "without a source"


def _outputs(step: Step, index: int) -> int:
    count = len(step.categories_[index])
    infrequent = getattr(step, "infrequent_categories_", None)
    if infrequent is not None and infrequent[index] is not None:
        count += 1 - len(infrequent[index])
    dropped = step.drop_idx_
    return count - (dropped is not None and dropped[index] is not None)
