"""Trees of several models as one ensemble: side by side, or added up, where all read columns alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.graph import FloatArray, TreeEnsemble


def added_trees(graphs: Sequence[TreeEnsemble]) -> TreeEnsemble:
    """One ensemble whose scores are the sum of those of all; all of as many scores.

    Raises:
        UnsupportedModelError: they read a column in different ways.
    """
    if len({graph.as_float32 for graph in graphs}) > 1:
        raise UnsupportedModelError("trees that round numbers to float32 and trees that do not cannot be added up")
    trees = tuple(tree for graph in graphs for tree in graph.trees)
    base: FloatArray = np.sum([graph.base for graph in graphs], axis=0)
    return replace(graphs[0], trees=trees, base=base, gaps=_common_gaps(graphs))


def _common_gaps(graphs: Sequence[TreeEnsemble]) -> dict[int, Any]:
    """How columns are read, where all graphs agree.

    Raises:
        UnsupportedModelError: they do not.
    """
    found: dict[int, Any] = {}
    for graph in graphs:
        for index, gaps in graph.gaps.items():
            if found.setdefault(index, gaps) != gaps:
                raise UnsupportedModelError(
                    f"its members read column {graph.feature_names[index]!r} in different ways (categories, missing "
                    "values): encode and impute it in a pipeline before all of them"
                )
    return found
