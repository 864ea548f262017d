"""The one call that does it all: fitted estimator in, compiled model out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy.typing as npt
from cryptable_protocol import AffineEncoder, BitsEncoder, CurvesEncoder, QuadraticEncoder

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.agreement import tell_agreement
from cryptable.compiling.build import build
from cryptable.compiling.cheapest import cheapest, first_able
from cryptable.compiling.plan import imported_for, plan_imported
from cryptable.compiling.scheme_choice import is_compared, settings_to_try
from cryptable.compiling.settings import CompileSettings
from cryptable.compiling.within_budget import within_budget
from cryptable.errors import CalibrationWarning, CostWarning
from cryptable.explaining.explanation import Explanation
from cryptable.graphs.graph import Estimator, Rows
from cryptable.graphs.neighbors import NeighborsModel
from cryptable.importers.imported_model import ImportedModel
from cryptable.planner.budget import Budget
from cryptable.planner.registry import Planner, find_planner
from cryptable.planner.settings import DEFAULT_BINS, Answer, Engine, Explain, RangeChoice, Readout, Rounding, Scheme
from cryptable.planner.thresholds.grid import Edges

FEW_ROWS = 30
"""Fewer than these tell little of the ranges of columns: `compile` warns."""
EXPENSIVE_SECONDS = 60.0
"""CPU seconds of one prediction above which `compile` warns."""


def compile(  # noqa: A001  (cryptable.compile, as torch.compile)
    estimator: Estimator,
    X_train: Rows,
    *,
    name: str | None = None,
    version: str = "1",
    tolerance: float | None = None,
    table_bits: int | None = None,
    input_bits: int | None = None,
    p_error: float | None = None,
    readout: Readout = "exact",
    budget: Budget | None = None,
    y_train: npt.ArrayLike | None = None,
    edges: Edges = "model",
    bins: int = DEFAULT_BINS,
    missing: str | Sequence[str] = "seen",
    bits: int | Mapping[str, int] | Literal["auto"] | None = None,
    ranges: RangeChoice = "minmax",
    rounding: Rounding = "approximate",
    labels: Sequence[float] | Sequence[str] | None = None,
    keys_of: CompiledModel | None = None,
    scheme: Scheme = "auto",
    explain: Explain | None = None,
    answer: Answer = "score",
    threshold: float | None = None,
    levels: int | None = None,
    hide_weights: bool | None = None,
    flooding_bits: int | None = None,
    engine: Engine = "own",
    show_progress: bool = True,
) -> CompiledModel:
    """Compile a fitted estimator or a network for evaluation on encrypted data.

    Args:
        estimator: a fitted estimator of a supported class (`cryptable.supported_estimators()`), or a network: a
            torch.nn.Module, an onnx.ModelProto, the path of an .onnx file, or what `hummingbird.ml.convert`
            returns; where those hold trees, they are planned as trees.
        X_train: calibration data, shape (rows, features), as the estimator's own `predict` takes it: the import is
            verified on it, and linear models take the range of their encoders from it.
        name: under which a server offers the model; by default the class's name in lower case.
        version: of your choosing, for people to read.
        tolerance: the most that a score may differ from the estimator's own, guaranteed for every input within the
            encoders' ranges. By default 0.05 for log-odds and margins of unit size (a thousandth of their standard
            deviation on X_train, where that is more), 0.0125 for probabilities, 0.02 for logarithms, else 2 % of the
            standard deviation of the scores; additive models take the larger of 0.05 and those 2 %, and GaussianNB is
            as exact as can be. A network with lookups has no such bound: there, a tolerance that is asked for is kept
            on X_train, or refused.
        table_bits: width of the lookups, 2 to 6; by default the cheapest. With one, "auto" is "bootstrapped".
        input_bits: most bits of a feature that is sent as a number, up to 24; by default 20 for a linear model, 8 for a
            network, or as many as scores that it is added to need.
        p_error: probability that one lookup, or the reading of the result, fails; at most 2^-40, which is the default.
            Of the scheme levelled, that an answer is wrong; by default 2^-128.
        readout: "exact", or "approximate", which costs up to a third less: scores keep noise, whose standard deviation
            is at most a third of the tolerance. `explain` states it; its bound, never exceeded but for p_error, is part
            of the error bound. Whoever publishes scores tells a little of the noise: see docs/threat-model.md.
        budget: what one prediction may cost at most, of a model of trees: `Budget(seconds=..., max_lookups=...,
            upload_bytes=...)`. If the model costs more, thresholds are merged, subtrees pruned and leaves fitted again
            until it does not, on X_train. `CompiledModel.given_up` and `explain` say what that costs in score; no error
            bound holds then.
        y_train: the truth of X_train, to judge approximations, and a network's bits="auto", by. Without it they are
            judged by the model's own predictions.
        edges: which numbers the client compares with; its specification shows them. "model": the thresholds of trees
            and step functions themselves, exactly. Else thresholds move to the nearest number of a grid, all of which
            the client is told: "quantile" of the columns of X_train, "uniform" between their ends, or a grid of your
            own, increasing numbers, for all columns or by the column's name. `explain` says what that does to scores.
        bins: that "quantile" and "uniform" cut a column into.
        missing: which columns may hold missing values (NaN), of an estimator that takes them: "seen", those that do in
            X_train; "all"; or more names. A row with one in any other column is refused.
        bits: of a network, how many bits of a sum are kept before its lookup, 1 to 8, by default 4: one number, or by
            the name of the layer (`explain` has them; "default" stands for the others); or "auto", the cheapest choice
            for each layer that costs at most 0.005 of accuracy (R², for a regression) on X_train, judged by y_train
            where it is given, else by the network's own predictions. Each bit less makes a lookup cheaper. A network
            with quantizers computes their own integers, unless bits are given, or its tables would be too wide: then
            5 bits are kept.
        ranges: of a network, where the ends of its tables lie: "sound", where no input can lead beyond them; or, as
            seen on X_train, "minmax", "percentile" (a thousandth is left out on either side) or "mse" (least squares).
            Sums beyond the ends wrap around: see docs/guides/networks.md.
        rounding: of a network, "approximate", where a lookup may read a neighbouring entry when a sum is within the
            noise of the border between two, or "exact", with a further lookup of one bit for each bit that is dropped.
        labels: of a network's classes. Without any, one that ends in a softmax, an argmax or a sigmoid has the labels
            0, 1, ..., and another one is a regression.
        keys_of: a compiled model whose keys this one is to run with, whatever that costs: its predecessor, so that no
            client has to make and upload new keys. By default a keyset of the catalogue that many models share, if it
            costs at most a third more than the cheapest; `explain` says what it costs.
        scheme: how ciphertexts are evaluated. "levelled", for models of trees, networks of one hidden layer and kernel
            machines, multiplies bits: no bootstrapping, keys of a megabyte that serve every model, and far less CPU.
            "bootstrapped" looks up tables, and takes every model. "squares" takes networks whose only activation is x²,
            or another polynomial of degree 2: exact, by one multiplication of ciphertexts a layer, in hundredths of a
            second; it needs the extra squares, of servers too. "auto", the default, is the cheapest that is able, and
            has the options asked for: `table_bits`, `readout` and a budget's `max_lookups` are of lookups, and so are
            `bits` and `rounding` with "auto". Networks of one hidden layer or of squares, and kernel machines of degree
            2, are planned for each scheme that is able: the one predicted to take the fewest CPU seconds is taken, of
            those near the model; `explain` has them all. Keys serve one scheme.
        explain: "contributions" answers, beside each score, what each feature adds to it, exactly (`contributions` of
            the compiled and of the remote model): coefficient times value of a linear model; the term of an additive
            one, pairs apart; of trees, by path: at each split, how the mean of what lies below moves, weighted by how
            many training rows the library counted, or of X_train where it counted none. They cost what further scores
            do, and tell the client of the model: `explain` says what.
        answer: "score"; or less of the model: "label", the label alone, of several the order of all; "threshold",
            whether the prediction is above `threshold`; "probability", of a classifier with two labels that of the
            second one, or "prediction", of a regression, either after its link and in `levels`. Of models of trees,
            linear and additive ones, levelled: a table after the score, which the client's bits turn to where that is,
            about a product for each split of a tree, and for each pair of labels. Scores are rounded to the positions
            of the table, 4096 for two labels.
        threshold: with answer="threshold": a prediction, of a classifier with two labels the probability of the second
            one, or its score where it has no probabilities.
        levels: with answer="probability" or "prediction", how many numbers there are to be answered, by default 32, at
            most 256: the middles of equal parts of 0 to 1 (an even number, so that labels stay), or of what the model
            predicts on X_train, beyond which the outer ones are answered. `agreement` says how far answers are off.
        hide_weights: of linear and additive models, and trees that ask one feature each. None, the default: levelled
            where they can be, so that answers are re-randomised and flooded with noise, and tell nothing of weights
            beside the scores, for keys of 13 kB and some 6 to 15 kB up; else sums, as `explain` says. True refuses what
            cannot be hidden. False: mere sums, whose answers give all weights away to who looks into one of them; they
            take no keys, fewer bytes up and more down, and clients of versions that do not read residues take them.
            Whoever asks one question more than a row has numbers works the weights out of the scores, in any case.
            Other models of trees are always hidden, those with lookups never.
        flooding_bits: of the scheme squares, which "auto" is with them: the server adds noise of its own to answers, so
            much of it that two answers of equal scores differ by a statistical distance of 2^-flooding_bits at most,
            whatever the weights. 40 is usual. Without any, the circuit's noise stands under the rounding of answers,
            and tells something of the weights to who decrypts many. `explain` has the price, in primes and CPU.
        engine: "own", or "concrete": concrete-python chooses the crypto parameters of the scheme bootstrapped, compiles
            and evaluates mode="encrypted" on this machine. A second engine, to compare with, of the extra `concrete`
            (Linux on x86-64, Python up to 3.12, non-commercial use); scheme="auto" is "bootstrapped" with it. Artifacts
            are as any other: whoever loads one, a server too, evaluates it by the own engine, where a choice among keys
            of Concrete's is exact enough by our bounds, and needs the extra where none is.
        show_progress: draw a bar on standard error where planning takes longer than a second, and print how near a
            network's compiled scores are to its own on X_train.

    Returns:
        The compiled model. A CostWarning says so where one prediction takes more than a minute of CPU, an
        AgreementWarning where compiled answers on X_train are not near the model's own: of a classifier, where less
        than 99 % of the labels are (97 % of a network's). Within a budget, `given_up` says that instead.

    Raises:
        BudgetError: no approximation is within the budget, or the model is none of trees.
        CompilationError: no crypto parameters are exact enough, or not those of `keys_of`. With engine="concrete", a
            SchemeUnavailableError where concrete-python is not installed.
        UnsupportedModelError: the estimator's class or a setting of it cannot be compiled.
        NotFittedError: it is not fitted.
        ImportMismatchError: the graph read from it does not reproduce its scores.
        InvalidInputError: data or an option out of range.
    """
    settings = CompileSettings(
        name=name,
        version=version,
        tolerance=tolerance,
        table_bits=table_bits,
        input_bits=input_bits,
        p_error=p_error,
        readout=readout,
        budget=budget,
        y_train=y_train,
        edges=edges,
        bins=bins,
        missing=missing,
        bits=bits,
        ranges=ranges,
        rounding=rounding,
        labels=labels,
        keys_of=keys_of,
        scheme=scheme,
        explain=explain,
        answer=answer,
        threshold=threshold,
        levels=levels,
        hide_weights=hide_weights,
        flooding_bits=flooding_bits,
        engine=engine,
        show_progress=show_progress,
    )
    imported, truth = imported_for(estimator, X_train, settings)
    settings = replace(settings, name=settings.name or imported.name)
    tries = settings_to_try(imported.graph, settings)
    if len(tries) > 1 and is_compared(imported.graph):
        plan = partial(plan_imported, imported, truth)
        model = cheapest(tries, plan, lambda planned, each: build(planned, imported.estimator, each))
    else:
        model = first_able(tries, lambda each: _compiled(imported, truth, each))
    planner = find_planner(imported.graph, model.artifact.client_spec.scheme, settings.answers)
    # Bits that were chosen for their score are judged by that, those of each layer by whoever chose them, and what is
    # given up for a budget is told as such.
    is_chosen = budget is not None or not (bits is None or isinstance(bits, int))
    tell_agreement(model, planner, prints=show_progress, warns=not is_chosen)
    _warn_if_expensive(model, planner)
    if not isinstance(imported.graph, NeighborsModel):  # which is its rows: few, or it would be too expensive
        _warn_if_ranges_are_of_few_rows(model, len(imported.rows))
    return model


def _compiled(imported: ImportedModel, truth: npt.NDArray[Any] | None, settings: CompileSettings) -> CompiledModel:
    return within_budget(
        settings.budget,
        lambda wanted: build(
            plan_imported(imported, truth, replace(settings, budget=wanted)), imported.estimator, settings
        ),
    )


def _operations(model: CompiledModel, facts: Explanation) -> str:
    if model.circuit.products:
        return f"{model.circuit.products} products of bits"
    return f"{facts.lookups} lookups of {facts.table_bits} bits"


def _warn_if_ranges_are_of_few_rows(model: CompiledModel, rows: int) -> None:
    clipped = [
        feature.name
        for feature in model.artifact.client_spec.features
        if isinstance(feature, AffineEncoder | BitsEncoder | CurvesEncoder | QuadraticEncoder)
    ]
    if rows < FEW_ROWS and clipped:
        warnings.warn(
            f"X_train has {rows} rows, from which the encoders of {model.name!r} take their ranges (of {clipped[0]!r}, "
            f"say): numbers beyond them are clipped; give {FEW_ROWS} rows or more, such as the model was trained on",
            CalibrationWarning,
            stacklevel=3,
        )


def _warn_if_expensive(model: CompiledModel, planner: Planner) -> None:
    facts = model.explain()
    if facts.cpu_seconds_predicted > EXPENSIVE_SECONDS:
        warnings.warn(
            f"one prediction of {model.name!r} takes about {facts.cpu_seconds_predicted:.0f} s of CPU, for "
            f"{_operations(model, facts)}; {planner.cheaper}",
            CostWarning,
            stacklevel=3,
        )
