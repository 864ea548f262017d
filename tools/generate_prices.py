"""Writes integration_tests/prices.json: what models of every kind cost, exactly.

python tools/generate_prices.py           write it
python tools/generate_prices.py --check   exit with 1 where what is committed differs, and say by how much

A price that rises is a planner that got worse, and one that falls is worth a line in the changelog: in both cases the
message of the commit says which and why. Data are scikit-learn's own; nothing is evaluated, and only a circuit of
several levels, here that of the neighbours, meets the native compiler, which alone knows its price.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import cryptable as ct
import torch
from catboost import CatBoostRegressor  # type: ignore[import-untyped]
from generated_files import ROOT, only_check, write_or_check
from interpret.glassbox import ExplainableBoostingClassifier
from lightgbm import LGBMClassifier
from sklearn import datasets
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

DOCUMENT = ROOT / "integration_tests/prices.json"
Estimator: TypeAlias = Any
Rows: TypeAlias = Any
Facts: TypeAlias = dict[str, Any]


def _network(inputs: int) -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(inputs, 12), torch.nn.ReLU(), torch.nn.Linear(12, 10), torch.nn.Softmax(dim=1)
    ).eval()


MODELS: Mapping[str, tuple[str, Callable[[], Estimator]]] = {
    "decision tree, depth 5": ("breast_cancer", lambda: DecisionTreeClassifier(max_depth=5, random_state=0)),
    "XGBoost 20x3": ("breast_cancer", lambda: XGBClassifier(n_estimators=20, max_depth=3, random_state=0, n_jobs=1)),
    "XGBoost 5x3, ten classes": (
        "digits",
        lambda: XGBClassifier(n_estimators=5, max_depth=3, random_state=0, n_jobs=1),
    ),
    "LightGBM 20, 8 leaves": (
        "breast_cancer",
        lambda: LGBMClassifier(n_estimators=20, num_leaves=8, random_state=0, n_jobs=1, verbose=-1),
    ),
    "CatBoost 20x4": (
        "diabetes",
        lambda: CatBoostRegressor(
            iterations=20, depth=4, random_seed=0, verbose=False, thread_count=1, allow_writing_files=False
        ),
    ),
    "histogram boosting 20, 8 leaves": (
        "diabetes",
        lambda: HistGradientBoostingRegressor(max_iter=20, max_leaf_nodes=8, random_state=0),
    ),
    "random forest 10x4, ten classes": (
        "digits",
        lambda: RandomForestClassifier(n_estimators=10, max_depth=4, random_state=0),
    ),
    "explainable boosting with pairs": (
        "breast_cancer",
        lambda: ExplainableBoostingClassifier(
            interactions=[(0, 1), (2, 3)], max_rounds=50, outer_bags=1, n_jobs=1, random_state=0
        ),
    ),
    "GaussianNB": ("iris", GaussianNB),
    "3 nearest of 13 rows": ("iris", lambda: KNeighborsClassifier(n_neighbors=3)),
    "network of one hidden layer": ("digits", lambda: _network(64)),
}
STEPS = {"3 nearest of 13 rows": 12}
"""Every how manyth row is trained on, of a model that costs lookups for each."""


def facts_of(name: str) -> Facts:
    """What one model costs: lookups by their width in bits, the price that the planner goes by, and that levelled."""
    data, make = MODELS[name]
    rows, target = getattr(datasets, f"load_{data}")(return_X_y=True)
    model, step = make(), STEPS.get(name, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(model, "fit"):
            model.fit(rows[::step], target[::step])
        model_by_lookups = ct.compile(model, rows[:200], name="priced", scheme="bootstrapped", show_progress=False)
        facts = _told(model_by_lookups)
        levelled = _levelled(model, rows[:200])
    widths: Counter[int] = Counter()
    for layer in facts["lookups_by_layer"]:
        widths[layer["table_bits"]] += layer["lookups"]
    return {
        "lookups": facts["lookups"],
        "lookups_by_width": {str(width): widths[width] for width in sorted(widths)},
        "price": facts["price"],
        **levelled,
    }


def _told(model: ct.CompiledModel) -> Facts:
    """What `explain` says, but for what the model would cost if it were trained otherwise: that takes seconds."""
    return replace(model.explain(), advice=None).to_dict()


def _levelled(model: Estimator, rows: Rows) -> Facts:
    """The same by the scheme levelled, where that is able: its price is in microseconds."""
    try:
        facts = _told(ct.compile(model, rows, name="priced", scheme="levelled", show_progress=False))
    except ct.UnsupportedModelError:
        return {}
    told = (
        {key: facts["levelled"][key] for key in ("products", "selectors", "gadget", "moduli")}
        if facts["linear"] is None
        else {key: facts["linear"][key] for key in ("polynomials", "moduli")}
    )
    return {
        "levelled": {
            **told,
            "price": facts["price"],
            "input_row_bytes": facts["bytes"]["input_row"],
        }
    }


def changes(committed: Mapping[str, Facts], now: Mapping[str, Facts]) -> Iterator[str]:
    """A line for each figure that is another one now."""
    for name in [*committed, *(new for new in now if new not in committed)]:
        old, new = committed.get(name, {}), now.get(name, {})
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                by = f" ({new[key] / old[key] - 1:+.2%})" if key == "price" and old.get(key) and key in new else ""
                yield f"{name}: {key} was {old.get(key)}, is {new.get(key)}{by}"


def main() -> int:
    """Run the command line."""
    check = only_check(__doc__)
    now = {name: facts_of(name) for name in MODELS}
    if DOCUMENT.is_file():
        for line in changes(json.loads(DOCUMENT.read_text(encoding="utf-8")), now):
            print(line, file=sys.stderr)
    return write_or_check({DOCUMENT: json.dumps(now, indent=1) + "\n"}, check=check, source="the planner's prices")


if __name__ == "__main__":
    sys.exit(main())
