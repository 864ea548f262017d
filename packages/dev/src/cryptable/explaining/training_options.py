"""What a model of trees would cost, about, had it been trained with other options: estimated from its own trees.

Nothing is trained, and no data is needed, so nothing is said of scores: `cryptable.advise` trains, and says that too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from rich.table import Table

from cryptable.explaining.altered_trees import (
    depth_of,
    made_oblivious,
    most_leaves,
    with_fewer_edges,
    with_fewer_leaves,
    with_less_depth,
)
from cryptable.graphs.graph import Estimator, TreeEnsemble
from cryptable.planner.planned_model import PlannedModel, PlannedTrees, TreeDraft

_MOST_LEAVES = 4000
"""Leaves times scores that they add to, up to which all drafts together take about three seconds."""
_BINS = 16
_DEEP = 6
"""Trees of this depth and more are tried at half of it too."""
_OBLIVIOUS_DEPTH = 4


@dataclass(frozen=True)
class OptionCost:
    """What a draft of the plan costs, if trained so; `price` is a part of what a draft of the model itself costs.

    It takes lookups of at most `table_bits` bits, or products of bits.
    """

    options: str
    lookups: int
    table_bits: int
    products: int
    price: float

    @property
    def operations(self) -> str:
        """For people."""
        return operations(self.lookups, self.table_bits, self.products)


def operations(lookups: int, table_bits: int, products: int) -> str:
    """What a row takes, for people."""
    if products:
        return f"{products} products"
    return f"{lookups} lookups of {table_bits} bits" if lookups else "none"


@dataclass(frozen=True)
class _Names:
    """Of a library's options; empty where it has none.

    `alone` keeps features from interacting. `oblivious` makes trees ask the same on each level.
    """

    bins: str = ""
    depth: str = ""
    leaves: str = ""
    alone: str = ""
    oblivious: str = ""
    is_advised: bool = True
    """Whether `cryptable.advise` knows the library."""


_GROWN = ("Depthwise", "Lossguide")
"""Of CatBoost's `grow_policy`: its trees are not oblivious then."""
_CATBOOST = "CatBoost(iterations={trees}, depth={depth}): oblivious trees"
_ALONE = "interaction_constraints=[[0], [1], …]"
_NAMES = {
    r"^XGB": _Names(bins="max_bin", depth="max_depth", alone=_ALONE, oblivious=_CATBOOST),
    r"^LGBM": _Names(bins="max_bin", leaves="num_leaves", alone=_ALONE, oblivious=_CATBOOST),
    r"^CatBoost": _Names(bins="border_count", depth="depth", alone="depth=1"),
    r"^HistGradientBoosting": _Names(
        bins="max_bins",
        leaves="max_leaf_nodes",
        alone="interaction_cst='no_interactions'",
        oblivious=_CATBOOST,
    ),
    r"^GradientBoosting": _Names(depth="max_depth", alone="max_depth=1", oblivious=_CATBOOST),
    r"^(RandomForest|ExtraTrees)": _Names(depth="max_depth", leaves="max_leaf_nodes", oblivious=_CATBOOST),
    r"^DecisionTree": _Names(depth="max_depth", leaves="max_leaf_nodes"),
    r"^IsolationForest$": _Names(alone="max_features=1", is_advised=False),
}
"""By pattern of the class's name."""


def training_options(planned: PlannedModel, estimator: Estimator) -> TrainingOptions | None:
    """Of a model of trees that takes lookups or products; None of others."""
    if planned.trees is None or not (planned.circuit.lookups or planned.circuit.products):
        return None
    return TrainingOptions(estimator, planned.trees)


class TrainingOptions:
    """Estimates for one model, made when they are first asked for.

    Args:
        estimator: fitted; of a pipeline, the last step has the options.
        planned: its trees, as they were planned.
    """

    def __init__(self, estimator: Estimator, planned: PlannedTrees) -> None:
        self._prefix = ""
        while hasattr(estimator, "steps"):
            name, estimator = estimator.steps[-1]
            self._prefix += f"{name}__"
        what = type(estimator).__name__
        self._names = next((each for pattern, each in _NAMES.items() if re.search(pattern, what)), None)
        if self._names is not None and estimator.get_params().get("grow_policy") in _GROWN:
            self._names = replace(self._names, oblivious="grow_policy='SymmetricTree', depth={depth}: oblivious trees")
        self._graph = planned.graph
        self._planned = planned

    @property
    def absent(self) -> str:
        """Why nothing is estimated; empty where it is."""
        leaves = self._graph.leaves
        if leaves <= _MOST_LEAVES:
            return ""
        return f"not estimated: with {leaves} leaves, counted once for each score, drafting plans would take long"

    @cached_property
    def costs(self) -> tuple[OptionCost, ...]:
        """The model as it is, by a draft too, then as it might be; empty where `absent` says why."""
        if self.absent:
            return ()
        own = self._planned.draft(self._graph)
        if own is None or not own.price:
            return ()
        found = [_cost("as it is", own, own)]
        for options, graph in self._alternatives():
            draft = self._planned.apart if graph is None else self._planned.draft(graph)
            if draft is not None:
                found.append(_cost(options, draft, own))
        return tuple(found)

    @property
    def note(self) -> str:
        """What the figures are, and where scores are to be had."""
        advised = self._names is not None and self._names.is_advised
        return "Estimates of cost alone, by drafting plans of this model's own trees, altered; nothing was trained." + (
            " ct.advise(estimator, X_train, y_train) trains with such options, and shows what they score." * advised
        )

    def to_dict(self) -> dict[str, Any]:
        """All figures, for machines."""
        return {"estimates": [vars(each).copy() for each in self.costs], "absent": self.absent, "note": self.note}

    def table(self, title: str) -> Table:
        """For people."""
        table = Table(title=title, caption=self.note, title_justify="left", caption_justify="left")
        for heading in ("trained with", "takes, about", "price, about"):
            table.add_column(heading)
        for each in self.costs:
            table.add_row(each.options, each.operations, f"{each.price:.0%}")
        return table

    def _alternatives(self) -> Iterator[tuple[str, TreeEnsemble | None]]:
        """Options, and the trees that they might make; None where those ask about one feature each."""
        graph, names = self._graph, self._names or _Names(is_advised=False)
        depth, leaves = depth_of(graph), most_leaves(graph)
        told = f"ct.compile(edges='quantile', bins={_BINS}), not trained again"
        if names.bins:
            told = f"{self._prefix}{names.bins}={_BINS}, or {told}"
        yield told, with_fewer_edges(graph, _BINS - 1)
        if names.depth:
            for less in sorted({depth - 1, *([depth // 2] if depth >= _DEEP else [])}, reverse=True):
                if less >= 1:
                    yield f"{self._prefix}{names.depth}={less}", with_less_depth(graph, less)
        elif not names.leaves and depth > 1:
            yield "trees one question less deep", with_less_depth(graph, depth - 1)
        if names.leaves and leaves // 2 >= 2:
            yield f"{self._prefix}{names.leaves}={leaves // 2}", with_fewer_leaves(graph, leaves // 2)
        if names.oblivious:
            rounds = sum(tree.scores_added_to for tree in graph.trees) // graph.outputs
            told = names.oblivious.format(trees=rounds, depth=_OBLIVIOUS_DEPTH)
            yield told, made_oblivious(graph, _OBLIVIOUS_DEPTH)
        if names.alone and (names.alone != f"{names.depth}=1" or depth > 2):  # else said above
            yield f"{self._prefix}{names.alone}: no interactions", None


def _cost(options: str, draft: TreeDraft, own: TreeDraft) -> OptionCost:
    return OptionCost(options, draft.lookups, draft.table_bits, draft.products, draft.price / own.price)
