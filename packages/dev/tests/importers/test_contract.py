"""One contract for every supported estimator class: a new importer is under it as soon as it is registered."""

import re
import warnings

import cryptable as ct
import numpy as np
import pytest
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.importers.registry import importer, reference_scores
from cryptable_engine import interpret, verify
from cryptable_protocol import AffineEncoder, CategoricalEncoder, DigitsEncoder, QuadraticEncoder, encode_rows
from keychain import keychain
from steady import steadiest
from studies import CASES, KINDS, case_id, compiled, fitted, take

TREES = {
    "IsolationForest",
    "Pipeline",  # whose last step is a tree
    *(
        f"{family}{kind}"
        for family in (
            *("CatBoost", "DecisionTree", "ExtraTrees", "GradientBoosting", "HistGradientBoosting"),
            *("LGBM", "RandomForest", "XGB", "XGBRF"),
        )
        for kind in ("Classifier", "Regressor")
    ),
}
"""What the scheme levelled evaluates at least."""


# A group for each estimator: they share nothing, and whatever runs all tests of one fits and compiles it once.
@pytest.fixture(
    params=[pytest.param(each, marks=pytest.mark.xdist_group(case_id(each))) for each in CASES], ids=case_id
)
def case(request):
    return fitted(*request.param[:2]), compiled(*request.param)


def _inside_ranges(model, rows):
    inside = np.ones(len(rows), bool)
    for index, feature in enumerate(model.artifact.client_spec.features):
        if isinstance(feature, (AffineEncoder, DigitsEncoder, QuadraticEncoder)):
            levels = 2**feature.digits if isinstance(feature, DigitsEncoder) else feature.levels
            top = feature.lower + feature.step * (levels - 1)
            inside &= (rows[:, index] >= feature.lower) & (rows[:, index] <= top)
    return inside


def _bound(model, own):
    """Of the error of scores; of networks, for which none is stated, what is several times their usual one."""
    if model.error_bound is not None:
        return model.error_bound
    return (0.04 if model.artifact.client_spec.scheme == "squares" else 0.15) * own.std(axis=0).max()


def _sure(model):
    """The part of the rows that must agree: all, but where rows are about equally near, or no bound is stated."""
    return 0.95 if model.circuit.is_approximate or model.error_bound is None else 1.0


def test_clear_evaluation_is_the_estimator_within_the_stated_bound(case):
    study, model = case
    for rows in (study.training_rows, study.test_rows):
        rows = take(rows, _inside_ranges(model, rows))
        assert len(rows) > 30
        own = reference_scores(study.estimator, rows)
        ours = model.decision_function(rows).reshape(own.shape)
        rounding_in_float32 = 1e-6 * (1 + np.abs(own).max())
        within = np.abs(ours - own).max(axis=1) <= _bound(model, own) + rounding_in_float32
        assert within.mean() >= _sure(model)


def test_predictions_agree_where_the_margin_is_larger_than_the_bound(case):
    study, model = case
    decoder = model.artifact.client_spec.decoder
    rows = take(study.test_rows, _inside_ranges(model, study.test_rows))
    own = reference_scores(study.estimator, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(study.estimator.predict(rows))
    if not decoder.is_classifier:
        ours = model.predict(rows)
        assert ours.shape == expected.shape
        ours = ours.reshape(own.shape)
        if decoder.link.name == "CURVE":
            assert np.allclose(ours, expected.reshape(own.shape), rtol=0.05)
            return
        if decoder.link.name == "EXPONENTIAL":
            assert np.allclose(ours, expected.reshape(own.shape), rtol=0.05)
            ours = np.log(ours)
        assert (np.abs(ours - own).max(axis=1) <= _bound(model, own) + 1e-3).mean() >= _sure(model)
        return
    if own.shape[1] == 1:
        margin = np.abs(own[:, 0] - (0.5 if decoder.link.name == "PROBABILITY" else 0.0))
    else:
        ordered = np.sort(own, axis=1)
        margin = (ordered[:, -1] - ordered[:, -2]) / 2
    sure = margin > _bound(model, own) + 1e-5
    assert sure.sum() > len(rows) // 2
    assert (model.predict(rows)[sure] == expected[sure]).mean() >= _sure(model)


@pytest.mark.encrypted
def test_encrypted_evaluation_is_the_clear_one_bit_for_bit(case):
    study, model = case
    row = take(study.test_rows, slice(3, 4))
    if model.circuit.is_approximate:
        steady, margin = steadiest(model, study.training_rows)
        assert margin > 0.4
        row = take(study.training_rows, slice(steady, steady + 1))
    clear = interpret(model.circuit, encode_rows(model.artifact.client_spec.features, row))
    assert (keychain().evaluate(model, row) == clear).all()


def test_the_scheme_levelled_evaluates_it_or_says_why_not(case, request):
    study, model = case
    if request.node.callspec.params["case"][2:]:
        return  # asked for by lookups
    if type(study.estimator).__name__ in TREES:
        assert model.artifact.client_spec.scheme == "levelled"
    if model.artifact.client_spec.scheme == "bootstrapped":
        levelled, refusal = None, ""
        try:
            levelled = ct.compile(study.estimator, study.training_rows, scheme="levelled")
        except ct.UnsupportedModelError as error:
            refusal = str(error)
        if levelled is None:
            assert re.search(r"scheme 'levelled'(:| does not evaluate).*scheme=", refusal)
        else:  # small networks, which turn tables there: sums are hidden without being asked for
            assert levelled.circuit.products > 0
            assert model.circuit.lookups > 0


def test_labels_alone_are_the_models_own_or_are_refused(case, request):
    """Of classifiers labels, of regressions the side of their median; in the clear, since tables are exact."""
    study, model = case
    if request.node.callspec.params["case"][2:]:
        return  # as it is planned for scores
    decoder, rows = model.artifact.client_spec.decoder, study.training_rows
    options = {"answer": "label"}
    if not decoder.is_classifier:
        options = {"answer": "threshold", "threshold": float(np.median(model.predict(rows)))}
    planned, refusal = None, ""
    try:
        planned = plan(study.estimator, rows, CompileSettings(**options))
    except ct.UnsupportedModelError as error:
        refusal = str(error)
    if planned is None:
        assert "answer=" in refusal
        assert type(study.estimator).__name__ not in TREES or decoder.members or decoder.curve[0] or decoder.outputs > 1
        return
    verify(planned.circuit)
    assert planned.agreement.labels >= 0.97
    values = interpret(planned.circuit, encode_rows(planned.features, take(study.test_rows, slice(20))))
    highest = 2 * max(1, len(planned.decoder.offset) - 1)
    assert set(np.unique(values)) <= set(range(0, highest + 1, 2)), "nothing else of the scores"


def test_predictions_in_levels_are_near_the_models_own_or_are_refused(case, request):
    """Of classifiers with one score probabilities, of regressions predictions; in the clear, since tables are exact."""
    study, model = case
    if request.node.callspec.params["case"][2:]:
        return  # as it is planned for scores
    decoder, rows = model.artifact.client_spec.decoder, study.training_rows
    answer = "probability" if decoder.is_classifier else "prediction"
    planned, refusal = None, ""
    try:
        planned = plan(study.estimator, rows, CompileSettings(answer=answer, levels=16))
    except ct.UnsupportedModelError as error:
        refusal = str(error)
    if planned is None:
        assert "answer=" in refusal
        has_one = decoder.outputs == 1 and decoder.link.name != "MARGIN"
        assert type(study.estimator).__name__ not in TREES or decoder.members or decoder.curve[0] or not has_one
        return
    verify(planned.circuit)
    width = 2 * planned.decoder.step
    assert planned.agreement.mean <= 0.6 * width
    assert planned.agreement.largest <= (planned.error_bound or 4 * width)
    assert (planned.agreement.labels is None) != decoder.is_classifier
    assert (planned.agreement.labels or 1.0) >= 0.97
    values = interpret(planned.circuit, encode_rows(planned.features, take(study.test_rows, slice(20))))
    assert set(np.unique(values)) <= set(range(0, 31, 2)), "nothing else of the scores"


def test_a_saved_model_predicts_the_same(case, tmp_path):
    study, model = case
    model.save(tmp_path / "model.cryptable")
    loaded = ct.load(tmp_path / "model.cryptable")
    assert (loaded.decision_function(study.test_rows) == model.decision_function(study.test_rows)).all()
    assert loaded.name == model.name == type(study.estimator).__name__.lower()


def test_explain_adds_up(case):
    _, model = case
    facts = model.explain().to_dict()
    spec = model.artifact.client_spec
    assert facts["lookups"] == model.circuit.lookups == sum(layer["lookups"] for layer in facts["lookups_by_layer"])
    assert facts["table_bits"] == max((layer["table_bits"] for layer in facts["lookups_by_layer"]), default=0)
    levelled = facts["levelled"]
    is_levelled = levelled is not None or facts["linear"] is not None
    assert (facts["scheme"] == spec.scheme == "levelled") == is_levelled
    assert model.circuit.products == (levelled["products"] if levelled else 0)
    has_keys = facts["lookups"] > 0 or is_levelled or spec.scheme == "squares"
    assert (facts["bytes"]["evaluation_keys"] > 0) == has_keys
    assert facts["bytes"]["evaluation_keys"] == spec.parameters.keyset.evaluation_keys_bytes
    assert facts["bytes"]["input_row"] > spec.parameters.inputs
    assert facts["price"] > 0
    assert facts["cpu_seconds_predicted"] > 0
    assert facts["p_error"] == (2**-40 if spec.scheme == "bootstrapped" else 2**-128)
    assert facts["security_bits"] == 128
    assert str(model.explain()).count("\n") > 8


def test_bad_input_is_refused(case, frame):
    study, model = case
    features = model.artifact.client_spec.features
    names = [feature.name for feature in features]
    rows = np.array(take(study.test_rows, slice(2)), object if study.kind == "gaps" else float)
    with pytest.raises(ct.InvalidInputError, match="shape"):
        model.predict(rows[:, :-1])
    with pytest.raises(ct.InvalidInputError, match="two dimensions"):
        model.predict(rows[0])
    if names[0] != "x0":
        with pytest.raises(ct.InvalidInputError, match="stranger"):
            model.predict(frame(rows, [*names[:-1], "stranger"]))
    number = next(i for i, each in enumerate(features) if each.size and not isinstance(each, CategoricalEncoder))
    for wrong, message in (("a", "number"), (np.inf, f"column {number}.*row 1")):
        broken = rows.astype(object)
        broken[1, number] = wrong
        with pytest.raises(ct.InvalidInputError, match=message):
            model.predict(broken)
    with pytest.raises(ct.InvalidInputError, match="mode"):
        model.predict(study.test_rows, mode="secret")


def test_a_missing_value_is_refused_where_the_training_data_have_none(case):
    study, model = case
    rows = np.array(take(study.test_rows, slice(2)), object if study.kind == "gaps" else float)
    for index, feature in enumerate(model.artifact.client_spec.features):
        if feature.size and not isinstance(feature, CategoricalEncoder) and not feature.takes_missing:
            rows[1, index] = np.nan
            with pytest.raises(ct.InvalidInputError, match=f"column {index}.*row 1"):
                model.predict(rows)
            return
    assert study.kind == "gaps"


def test_every_kind_of_model_is_of_classes_that_exist():
    tried = {case[0].rpartition(".")[2] for case in CASES}
    assert all(set(classes) <= tried for classes in KINDS.values())


def test_a_second_importer_for_a_class_is_refused():
    with pytest.raises(ValueError, match="two importers"):
        importer("sklearn.linear_model.Ridge", reference=lambda estimator, rows: rows)(lambda estimator, names: None)
