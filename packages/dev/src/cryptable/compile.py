"""The one call that does it all: fitted estimator in, compiled model out."""

from __future__ import annotations

import datetime
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import get_args

import numpy as np
import numpy.typing as npt
from cryptable_engine import verify
from cryptable_protocol import (
    ClientSpec,
    CompileOptions,
    InternalError,
    InvalidInputError,
    Link,
    ModelArtifact,
    Provenance,
    ThermometerEncoder,
    limits,
)

from cryptable.additive_model import AdditiveModel
from cryptable.budgeting import best_plan, within_budget
from cryptable.calibration import columns_that_may_miss, read_rows
from cryptable.compiled_model import CompiledModel
from cryptable.edges import MOST_BINS, Edges, EdgesTold, snap
from cryptable.errors import CostWarning
from cryptable.importers import import_estimator
from cryptable.importers.learned_trees import restrict_missing
from cryptable.importers.registry import find_importer, reference_scores
from cryptable.machine import machine_rates
from cryptable.mixed_model import MixedModel
from cryptable.model_graph import AdditiveTrees, Estimator, FloatArray, LinearModel, ModelGraph, Rows
from cryptable.neighbors_model import NeighborsModel
from cryptable.networks import RangeChoice, Rounding, is_network, is_trained
from cryptable.planner.additive import plan_additive
from cryptable.planner.budget import Budget, approximations
from cryptable.planner.linear import plan_linear
from cryptable.planner.lower import PlannedModel
from cryptable.planner.mixed import plan_mixed
from cryptable.planner.neighbors import SIGN_BITS, plan_neighbors
from cryptable.planner.quadratic import plan_quadratic
from cryptable.planner.readout import Readout, approximate
from cryptable.planner.trees import WIDTHS, plan_trees
from cryptable.planner.whole_grid import send_whole_grid
from cryptable.program_folder import ProgramFolder
from cryptable.progress import progress_bar
from cryptable.quadratic_model import QuadraticModel
from cryptable.verify_import import verify_import

LOG_ODDS_TOLERANCE = 0.05
PROBABILITY_TOLERANCE = 0.0125
"""The slope of the sigmoid is at most 1/4: no more than the tolerance of log-odds."""
RELATIVE_TOLERANCE = 0.02
"""Of the standard deviation of the scores, where they have a unit of their own."""

DEAR_SECONDS = 60.0
"""CPU seconds of one prediction above which `compile` warns."""

DEFAULT_INPUT_BITS = 20
"""Of a feature of a linear model."""

_RECORDED = (
    *("cryptable", "concrete-python", "numpy", "scikit-learn", "catboost", "lightgbm", "xgboost", "onnx", "torch"),
)


def compile(  # noqa: A001  (cryptable.compile, as torch.compile)
    estimator: Estimator,
    X_train: Rows,
    *,
    name: str | None = None,
    version: str = "1",
    tolerance: float | None = None,
    table_bits: int | None = None,
    input_bits: int | None = None,
    p_error: float = 2.0**-40,
    readout: Readout = "exact",
    budget: Budget | None = None,
    y_train: npt.ArrayLike | None = None,
    edges: Edges = "model",
    bins: int = 64,
    missing: str | Sequence[str] = "seen",
    bits: int | Mapping[str, int] = 4,
    ranges: RangeChoice = "minmax",
    rounding: Rounding = "approximate",
    labels: Sequence[int] | Sequence[str] | None = None,
    keys_of: CompiledModel | None = None,
    show_progress: bool = True,
) -> CompiledModel:
    """Compile a fitted estimator or a network for evaluation on encrypted data.

    Args:
        estimator: a fitted estimator of a supported class (`cryptable.supported_estimators()`), or a network: a
            torch.nn.Module, an onnx.ModelProto or the path of an .onnx file.
        X_train: calibration data, shape (rows, features), as the estimator's own `predict` takes it: the import is
            verified on it, and linear models take the range of their encoders from it.
        name: under which a server offers the model; by default the class's name in lower case.
        version: of your choosing, for people to read.
        tolerance: the most that a score may differ from the estimator's own, guaranteed for every input within the
            encoders' ranges. By default 0.05 for log-odds and margins of unit size, 0.0125 for probabilities, 0.02 for
            logarithms, else 2 % of the standard deviation of the scores on X_train; additive models take the larger of
            0.05 and those 2 %, and GaussianNB is as exact as can be.
        table_bits: width of the lookups, 2 to 6; by default the cheapest.
        input_bits: most bits of a feature that is sent as a number, up to 24; by default 20 for a linear model, 8 for a
            network.
        p_error: probability that one lookup, or the reading of the result, fails; at most 2^-40.
        readout: "exact", or "approximate", which costs up to a third less: scores keep noise, whose standard deviation
            is at most a third of the tolerance. `explain` states it; its bound, never exceeded but for p_error, is part
            of the error bound. Whoever publishes scores tells a little of the noise: see docs/threat-model.md.
        budget: what one prediction may cost at most, of a model of trees: `Budget(seconds=..., max_lookups=...,
            upload_bytes=...)`. If the model costs more, thresholds are merged, subtrees pruned and leaves fitted again
            until it does not, on X_train. `CompiledModel.given_up` and `explain` say what that costs in score; no error
            bound holds then.
        y_train: the truth of X_train, to judge approximations by. Without it they are judged by the model's own
            predictions.
        edges: which numbers the client compares with; its specification shows them. "model": the thresholds of trees
            and step functions themselves, exactly. Else thresholds move to the nearest number of a grid, all of which
            the client is told: "quantile" of the columns of X_train, "uniform" between their ends, or a grid of your
            own, increasing numbers, for all columns or by the column's name. `explain` says what that does to scores.
        bins: that "quantile" and "uniform" cut a column into.
        missing: which columns may hold missing values (NaN), of an estimator that takes them: "seen", those that do in
            X_train; "all"; or more names. A row with one in any other column is refused.
        bits: of a network, how many bits of a sum are kept before its lookup, 1 to 8: one number, or by the name of the
            layer (`explain` has them; "default" stands for the others). Each bit less makes a lookup cheaper.
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
        show_progress: draw a bar on standard error where planning takes longer than a second.

    Returns:
        The compiled model. A CostWarning says so where one prediction takes more than a minute of CPU.

    Raises:
        BudgetError: no approximation is within the budget.
        CompilationError: no crypto parameters are exact enough, or not those of `keys_of`.
        UnsupportedModelError: the estimator's class or a setting of it cannot be compiled.
        NotFittedError: it is not fitted.
        ImportMismatchError: the graph read from it does not reproduce its scores.
        InvalidInputError: data or an option out of range.
    """
    options = _options(p_error, keys_of)
    if budget is not None and (is_network(estimator) or is_trained(estimator)):
        raise InvalidInputError("budget= is for models of tables: of a network, fewer bits= make it cheaper")
    if is_network(estimator):
        from cryptable.networks.planning import plan_network

        estimator, planned = plan_network(
            estimator,
            X_train,
            bits=bits,
            ranges=ranges,
            labels=labels,
            input_bits=input_bits,
            rounding=rounding,
            readout=readout,
            tolerance=tolerance,
            p_error=p_error,
        )
        model = finish(planned, estimator, options, name=name or estimator.name, version=version)
    else:
        model = within_budget(
            budget,
            lambda wanted: finish(
                plan(
                    estimator,
                    X_train,
                    tolerance=tolerance,
                    table_bits=table_bits,
                    input_bits=DEFAULT_INPUT_BITS if input_bits is None else input_bits,
                    edges=edges,
                    bins=bins,
                    missing=missing,
                    rounding=rounding,
                    readout=readout,
                    p_error=p_error,
                    budget=wanted,
                    y_train=y_train,
                    show_progress=show_progress,
                ),
                estimator,
                options,
                name=name,
                version=version,
            ),
        )
    _warn_if_dear(model)
    return model


def _warn_if_dear(model: CompiledModel) -> None:
    facts = model.explain()
    if facts.cpu_seconds_predicted > DEAR_SECONDS:
        warnings.warn(
            f"one prediction of {model.name!r} takes about {facts.cpu_seconds_predicted:.0f} s of CPU, for "
            f"{facts.lookups} lookups of {facts.table_bits} bits; fewer or shallower trees cost less in proportion to "
            "their leaves",
            CostWarning,
            stacklevel=3,
        )


def plan(
    estimator: Estimator,
    X_train: Rows,
    *,
    tolerance: float | None = None,
    table_bits: int | None = None,
    input_bits: int = DEFAULT_INPUT_BITS,
    edges: Edges = "model",
    bins: int = 64,
    missing: str | Sequence[str] = "seen",
    rounding: Rounding = "approximate",
    readout: Readout = "exact",
    p_error: float = 2.0**-40,
    budget: Budget | None = None,
    y_train: npt.ArrayLike | None = None,
    show_progress: bool = False,
) -> PlannedModel:
    """The first half of `compile`, with its arguments: the circuit, without crypto parameters; all that it raises."""
    _check_options(tolerance, table_bits, input_bits, bins)
    if readout not in get_args(Readout):
        raise InvalidInputError(f"readout is {readout!r}, expected 'exact' or 'approximate'")
    if is_trained(estimator):
        from cryptable.networks.trained import plan_trained

        return plan_trained(
            estimator, X_train, rounding=rounding, readout=readout, tolerance=tolerance, p_error=p_error
        )
    what = type(estimator).__name__
    takes_gaps = find_importer(estimator).takes_gaps
    kept, rows, feature_names = read_rows(estimator, X_train, with_gaps=takes_gaps)
    graph = import_estimator(estimator, feature_names, kept, rows)
    if isinstance(graph, AdditiveTrees):
        graph = restrict_missing(graph, columns_that_may_miss(missing, rows, feature_names) if takes_gaps else ())
    reference = reference_scores(estimator, kept)
    verify_import(graph, rows, reference, what=what)
    if tolerance is None:
        tolerance = default_tolerance(graph, reference)
    snapped = None if isinstance(edges, str) and edges == "model" else snap(graph, rows, edges, bins=bins)
    if budget is not None and snapped is not None:
        raise InvalidInputError(f"edges is {edges!r}, expected 'model' with a budget, which merges thresholds itself")

    def planned_of(graph: ModelGraph) -> PlannedModel:
        return _plan_graph(graph, rows, tolerance, table_bits, input_bits, show_progress=show_progress)

    if budget is not None and isinstance(graph, AdditiveTrees):
        widths = WIDTHS if table_bits is None else (table_bits,)
        with progress_bar("approximating within the budget", enabled=show_progress) as report:
            found = approximations(
                graph, rows, reference, budget=budget, widths=widths, rates=machine_rates(), progress=report
            )
        planned = planned_of(graph) if found == [graph] else best_plan(map(planned_of, found), estimator, kept, y_train)
    else:
        planned = planned_of(snapped.graph if snapped else graph)
    if snapped:
        planned = replace(send_whole_grid(planned, snapped.grid), edges=snapped.told)
    elif any(isinstance(feature, ThermometerEncoder) for feature in planned.features):
        planned = replace(planned, edges=EdgesTold("model"))
    if readout == "approximate":
        planned = approximate(planned, tolerance=tolerance, p_error=p_error)
    verify(planned.circuit)
    return planned


def finish(
    planned: PlannedModel,
    estimator: Estimator,
    options: CompileOptions,
    *,
    name: str | None = None,
    version: str = "1",
) -> CompiledModel:
    """The second half of `compile`: crypto parameters, the program, the artifact."""
    compiled = ProgramFolder(planned.circuit, options, catalogue=True)
    program = compiled.program
    if program.keyset_entry:
        # A server is to compile it onto the same keyset, whatever its own version would choose.
        options = replace(options, keyset_entry=program.keyset_entry, keyset=program.keyset)
    spec = ClientSpec(
        model_name=name or type(estimator).__name__.lower(),
        features=planned.features,
        keyset=program.keyset,
        input=program.input,
        output=program.output,
        decoder=planned.decoder,
        p_error=options.p_error,
    )
    verify(planned.circuit, spec)
    artifact = ModelArtifact(version, _provenance(estimator), spec, planned.circuit.to_bytes(), options)
    return CompiledModel(
        artifact,
        planned.circuit,
        compiled=compiled,
        estimator=estimator,
        error_bound=planned.error_bound,
        edges=planned.edges,
        layer_names=planned.layer_names,
        given_up=planned.given_up,
    )


def _options(p_error: float, keys_of: CompiledModel | None) -> CompileOptions:
    if keys_of is None:
        return CompileOptions(p_error=p_error)
    entry = keys_of.artifact.compile_options.keyset_entry or f"keys of {keys_of.name}"[: limits.MAX_NAME_LENGTH]
    return CompileOptions(p_error=p_error, keyset_entry=entry, keyset=keys_of.artifact.client_spec.keyset)


def default_tolerance(graph: ModelGraph, scores: FloatArray) -> float:
    """See `compile`."""
    if isinstance(graph, QuadraticModel):
        return math.inf  # precision is nearly free there: always the best there is
    match graph.link:
        case Link.SIGMOID | Link.SOFTMAX if isinstance(graph, AdditiveModel):
            # Every bin costs a ciphertext, and errors add up over features to the bound only in theory.
            return max(LOG_ODDS_TOLERANCE, RELATIVE_TOLERANCE * float(scores.std(axis=0).max()))
        case Link.SIGMOID | Link.SOFTMAX | Link.LOGISTIC:
            return LOG_ODDS_TOLERANCE
        case Link.PROBABILITY:
            return PROBABILITY_TOLERANCE
    if graph.link is Link.EXPONENTIAL:
        return RELATIVE_TOLERANCE
    spread = float(scores.std(axis=0).max())
    spread = spread or float(np.abs(scores).max()) or 1.0
    if graph.link is Link.MARGIN:
        return min(LOG_ODDS_TOLERANCE, RELATIVE_TOLERANCE * spread)
    return RELATIVE_TOLERANCE * spread


def _plan_graph(
    graph: ModelGraph,
    rows: FloatArray,
    tolerance: float,
    table_bits: int | None,
    input_bits: int,
    *,
    show_progress: bool,
) -> PlannedModel:
    if isinstance(graph, AdditiveTrees):
        widths = WIDTHS if table_bits is None else (table_bits,)
        with progress_bar("planning lookups", enabled=show_progress) as report:
            return plan_trees(graph, tolerance=tolerance, widths=widths, progress=report)
    if isinstance(graph, AdditiveModel):
        widths = WIDTHS if table_bits is None else (table_bits,)
        with progress_bar("planning lookups", enabled=show_progress) as report:
            return plan_additive(graph, tolerance=tolerance, widths=widths, progress=report)
    if isinstance(graph, MixedModel):
        return plan_mixed(graph, rows, tolerance=tolerance, input_bits=input_bits)
    if isinstance(graph, QuadraticModel):
        return plan_quadratic(graph, rows, tolerance=tolerance)
    if isinstance(graph, NeighborsModel):
        with progress_bar("planning comparisons", enabled=show_progress) as report:
            bits = table_bits or SIGN_BITS
            return plan_neighbors(graph, rows, tolerance=tolerance, sign_bits=bits, progress=report)
    if isinstance(graph, LinearModel):
        return plan_linear(graph, rows, tolerance=tolerance, input_bits=input_bits)
    raise InternalError(f"no planner for {type(graph).__name__}")


def _check_options(tolerance: float | None, table_bits: int | None, input_bits: int, bins: int) -> None:
    if tolerance is not None and not 0 < tolerance < float("inf"):
        raise InvalidInputError(f"tolerance is {tolerance}, expected a positive number, in the unit of the scores")
    if table_bits is not None and table_bits not in WIDTHS:
        raise InvalidInputError(f"table_bits is {table_bits}, expected one of {', '.join(map(str, WIDTHS))}")
    if not 1 <= input_bits <= 24:
        raise InvalidInputError(f"input_bits is {input_bits}, expected 1 to 24")
    if not 2 <= bins <= MOST_BINS:
        raise InvalidInputError(f"bins is {bins}, expected 2 to {MOST_BINS}")


def _provenance(estimator: object) -> Provenance:
    packages = []
    for package in _RECORDED:
        try:
            packages.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    created = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    kind = type(estimator)
    return Provenance(f"{kind.__module__}.{kind.__qualname__}", tuple(sorted(packages)), created)
