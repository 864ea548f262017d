"""How large a model of trees may be: answered once its leaves are counted, before anything is planned."""

from __future__ import annotations

import math

from cryptable.errors import UnsupportedModelError
from cryptable.graphs.client_side import planned_graph
from cryptable.graphs.graph import Estimator, ModelGraph, TreeEnsemble
from cryptable.graphs.several_kinds import SumOfKinds
from cryptable.importers.parts import parts_of

MOST_LEAVES = 1 << 14
"""Leaves times scores that they add to, up to which trees are planned as they are: in minutes at worst."""
_LOOKUPS_OF_LEAF, _SECONDS_OF_LOOKUP = 0.43, 0.014
"""Of large models, about: lookups of six bits, and seconds of CPU, as docs/benchmarks has them for a forest of 50x5."""
_SECONDS_OF_PRODUCTS = 0.00019
"""Of a leaf, about, by the scheme levelled: products and what stands beside them."""
_AIM_SECONDS = 1.0
"""Of a row by products, for which options are suggested."""
_LEAVES, _DEPTH = ("max_leaf_nodes", "num_leaves", "max_leaves"), ("max_depth", "depth")
"""What libraries call these options."""


def check_size(graph: ModelGraph, estimator: Estimator) -> None:
    """Refuse trees that are too large to be planned as they are, with what they would cost and what to do.

    Raises:
        UnsupportedModelError: they are.
    """
    trees = planned_graph(graph)
    if isinstance(trees, SumOfKinds):
        trees = trees.trees
    if not isinstance(trees, TreeEnsemble):
        return
    leaves, count = trees.leaves, len(trees.trees)
    if leaves <= MOST_LEAVES:
        return
    lookups = leaves * _LOOKUPS_OF_LEAF
    scores = leaves / sum(tree.leaves for tree in trees.trees)
    affordable = max(2, int(_AIM_SECONDS / _SECONDS_OF_PRODUCTS / scores / count))
    raise UnsupportedModelError(
        f"{type(estimator).__name__} has {leaves} leaves in {count} trees; up to {MOST_LEAVES} are compiled as they "
        f"are. One prediction would take about {lookups:.2g} lookups, {lookups * _SECONDS_OF_LOOKUP:.2g} s of CPU, by "
        f"the scheme bootstrapped, or {leaves * _SECONDS_OF_PRODUCTS:.2g} s by the scheme levelled, if its noise "
        f"allowed so many products. Fit with {_options(estimator, affordable)} for about {_AIM_SECONDS:.0f} s; or "
        "keep this model, and give compile(..., budget=cryptable.Budget(seconds=...)), which prunes it on X_train"
    )


def _options(estimator: Estimator, leaves: int) -> str:
    """Options of the library, by which each tree has about so many leaves."""
    while parts := ([estimator.steps[-1][1]] if hasattr(estimator, "steps") else parts_of(estimator)):
        if not hasattr(parts[0], "get_params") or hasattr(estimator, "tree_"):
            break
        if any(name in estimator.get_params(deep=False) for name in (*_LEAVES, *_DEPTH)):
            break
        estimator = parts[0]
    known = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    found = [f"{name}={leaves}" for name in _LEAVES if name in known]
    found += [f"{name}={max(1, int(math.log2(leaves)))}" for name in _DEPTH if name in known]
    return " or ".join(found) or f"trees of about {leaves} leaves"
