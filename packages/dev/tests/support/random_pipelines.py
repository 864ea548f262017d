"""Random scikit-learn pipelines over frames of numbers, text, dates and booleans with gaps: whether they compile."""

import warnings
from collections import Counter
from dataclasses import dataclass

import cryptable as ct
import numpy as np
import pandas as pd
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.registry import reference_scores
from cryptable_engine import interpret
from cryptable_protocol import AffineEncoder, PolylineEncoder, encode_rows
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)
from xgboost import XGBClassifier, XGBRegressor

NUMBERS, TEXT, FLAGS = ["age", "income", "visits"], ["region", "plan"], ["member", "active"]
FITTED, HELD_OUT = 240, 60
STEPS = (
    *("SimpleImputer", "OneHotEncoder ignore", "OneHotEncoder infrequent", "OrdinalEncoder", "TargetEncoder"),
    *("StandardScaler", "MinMaxScaler", "PowerTransformer", "KBinsDiscretizer", "SelectKBest", "PCA"),
    *("passthrough", "drop"),
)
MODELS = ("LogisticRegression", "Ridge", "RandomForest", "HistGradientBoosting", "XGB", "LGBM")


@dataclass(frozen=True, eq=False)
class Tried:
    """A pipeline, and what came of it: the largest error over its bound, or the refusal's message."""

    pipeline: Pipeline
    uses: frozenset[str]
    error: float | None
    refusal: str | None


def frame(random):
    """Rows of all kinds of columns, with gaps in some, and what there is to predict."""
    count = FITTED + HELD_OUT
    rows = pd.DataFrame(
        {
            "age": random.integers(18, 90, count).astype(float),
            "income": random.lognormal(3, 1, count),
            "visits": random.poisson(3, count),
            "region": random.choice(["north", "south", "east", "far away"], count, p=[0.4, 0.3, 0.2, 0.1]),
            "plan": random.choice(["free", "paid", "1", "02"], count),
            "member": random.random(count) < 0.3,
            "active": random.random(count) < 0.6,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 900, count), unit="D"),
        }
    )
    score = (
        rows.age / 30 + (rows.region == "south") * 2 - rows.income / 50 + rows.member + random.normal(size=count) / 2
    )
    for name in random.choice(["age", "income", "region"], 2, replace=False):
        rows.loc[random.random(count) < 0.15, name] = np.nan
    if random.random() < 0.2:
        rows["region"] = rows.region.astype("category")
    return rows, score


def pipeline_of(random):
    """A pipeline, whether it classifies, and which of STEPS and MODELS it has."""
    uses = set()

    def pick(*options):
        return options[random.integers(len(options))]

    model_name = pick(*MODELS)
    is_linear = model_name in ("LogisticRegression", "Ridge")
    is_classifier = model_name != "Ridge" and (model_name == "LogisticRegression" or random.random() < 0.6)
    uses.add(model_name)

    number = []
    if is_linear or random.random() < 0.5:
        number.append(SimpleImputer(strategy=pick("mean", "median"), add_indicator=bool(random.random() < 0.3)))
        uses.add("SimpleImputer")
    for name, step in (pick(("StandardScaler", StandardScaler()), ("MinMaxScaler", MinMaxScaler())),):
        if random.random() < 0.7:
            number.append(step)
            uses.add(name)
    if random.random() < 0.3:
        number.append(PowerTransformer())
        uses.add("PowerTransformer")
    elif number and "SimpleImputer" in uses and random.random() < 0.35:
        number.append(
            KBinsDiscretizer(4, encode=pick("ordinal", "onehot-dense"), quantile_method="averaged_inverted_cdf")
        )
        uses.add("KBinsDiscretizer")
    text = pick(
        ("OneHotEncoder ignore", OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
        (
            "OneHotEncoder infrequent",
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=40, sparse_output=False),
        ),
        (
            "OrdinalEncoder",
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
        ),
        ("TargetEncoder", TargetEncoder()),
    )
    uses.add(text[0])
    encoder = text[1]
    if random.random() < 0.4:
        encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), encoder)
        uses.add("SimpleImputer")
    parts = [("numbers", make_pipeline(*number) if number else "passthrough", NUMBERS)]
    if not number:
        uses.add("passthrough")
    if random.random() < 0.25:  # one encoder for columns of all kinds
        parts.append(("text", text[1], [*TEXT, *FLAGS]))
    else:
        flags = pick("passthrough", "drop", OrdinalEncoder())
        uses.add(flags if isinstance(flags, str) else "OrdinalEncoder")
        parts += [("text", encoder, TEXT), ("flags", flags, FLAGS)]
    if random.random() < 0.5:
        parts.append(("date", "drop", ["since"]))
    uses.add("drop")
    columns = ColumnTransformer(parts, remainder="drop", sparse_threshold=pick(0.0, 0.3))
    if random.random() < 0.2:
        columns.set_output(transform="pandas")
    steps = [("columns", columns)]
    has_gaps = not is_linear and "SimpleImputer" not in uses
    if random.random() < 0.3 and not has_gaps and (is_linear or (number and isinstance(number[0], SimpleImputer))):
        steps.append(("best", SelectKBest(f_classif if is_classifier else f_regression, k=4)))
        uses.add("SelectKBest")
    if is_linear and random.random() < 0.4:
        steps.append(("components", PCA(3)))
        uses.add("PCA")
    steps.append(("model", _model(model_name, is_classifier)))
    return Pipeline(steps), is_classifier, frozenset(uses)


def _model(name, is_classifier):
    match name:
        case "LogisticRegression":
            return LogisticRegression(max_iter=5000)
        case "Ridge":
            return Ridge()
        case "RandomForest":
            return (RandomForestClassifier if is_classifier else RandomForestRegressor)(4, max_depth=4, random_state=0)
        case "HistGradientBoosting":
            kind = HistGradientBoostingClassifier if is_classifier else HistGradientBoostingRegressor
            return kind(max_iter=4, max_leaf_nodes=8)
        case "XGB":
            return (XGBClassifier if is_classifier else XGBRegressor)(n_estimators=4, max_depth=3)
        case _:
            kind = LGBMClassifier if is_classifier else LGBMRegressor
            return kind(n_estimators=4, num_leaves=8, verbose=-1, n_jobs=1)


def attempt(seed, *, spoil=False):
    """Fit one, compile it, and compare it with the pipeline itself on rows that it has not seen.

    `spoil` compares with scores of other rows.
    """
    random = np.random.default_rng(seed)
    pipeline, is_classifier, uses = pipeline_of(random)
    rows, score = frame(random)
    classes = 3 if random.random() < 0.25 else 2
    edges = np.quantile(score, np.arange(1, classes) / classes)
    target = np.digitize(score, edges) if is_classifier else score
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(rows[:FITTED], target[:FITTED])
        strange = rows[FITTED:].reset_index(drop=True)
        strange.loc[:5, "plan"] = "never seen"
        for name in rows.columns[rows[:FITTED].isna().any()]:
            strange.loc[10:20, name] = np.nan
        for name in rows.columns[~rows[:FITTED].isna().any()]:
            strange[name] = strange[name].fillna(rows[name].iloc[0])
        try:
            planned = plan(pipeline, rows[:FITTED], CompileSettings(scheme="auto", show_progress=False))
        except (ct.UnsupportedModelError, ct.InvalidInputError) as refusal:
            return Tried(pipeline, uses, None, f"{type(refusal).__name__}: {refusal}")
        strange = strange[_inside_ranges(planned.features, strange)]
        own = reference_scores(pipeline, strange.iloc[::-1] if spoil else strange)
    scores = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, strange)))
    allowed = planned.error_bound + 2e-5 * max(1.0, float(np.abs(own).max()))
    return Tried(pipeline, uses, float(np.abs(scores.reshape(own.shape) - own).max() / allowed), None)


def _inside_ranges(features, rows):
    """Rows that encoders of numbers do not clip, for which bounds hold."""
    inside = np.ones(len(rows), bool)
    for feature in features:
        column = rows[feature.name]
        if isinstance(feature, AffineEncoder):
            inside &= ~(column < feature.lower) & ~(column > feature.lower + feature.step * (feature.levels - 1))
        elif isinstance(feature, PolylineEncoder):
            inside &= ~(column < feature.knots[0]) & ~(column > feature.knots[-1])
    return inside


def summary(tried):
    """How often each step and model was met, how many compiled, and what is wrong."""
    met = Counter(use for each in tried for use in each.uses)
    compiled = [each for each in tried if each.refusal is None]
    wrong = [each for each in compiled if each.error > 1]
    return met, len(compiled), wrong
