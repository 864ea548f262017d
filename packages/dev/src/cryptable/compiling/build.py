"""The second half of compiling: from a planned model to crypto parameters, a program and an artifact."""

from __future__ import annotations

import datetime
from dataclasses import replace
from importlib import metadata

from cryptable_engine import CompilationError, verify
from cryptable_protocol import ClientSpec, ModelArtifact, Provenance
from cryptable_protocol.schemes.scheme import LEVELLED, SchemeParameters

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiled.program_folder import ProgramFolder
from cryptable.compiling.settings import CONCRETE, CompileSettings
from cryptable.explaining.training_options import training_options
from cryptable.graphs.graph import Estimator
from cryptable.planner.levelled.parameters import choose_parameters
from cryptable.planner.planned_model import PlannedModel

_RECORDED = (
    *("cryptable", "concrete-python", "numpy", "scikit-learn", "catboost", "lightgbm", "xgboost", "onnx", "torch"),
)


def build(planned: PlannedModel, estimator: Estimator, settings: CompileSettings) -> CompiledModel:
    """The second half of `compile`: crypto parameters, the program, the artifact.

    Args:
        planned: a circuit, with encoders and decoder.
        estimator: what predicts as the model itself does.
        settings: of these, name and version of the model, its keys and engine; without a name it has its class's.
    """
    settings = replace(settings, scheme=planned.scheme)  # which "auto" stood for
    options = settings.options
    wanted = None
    if planned.scheme == LEVELLED:
        names = len(planned.decoder.contributions)
        wanted = choose_parameters(planned.circuit, p_error=options.p_error, names=names)
        _check_keys(wanted, settings)
    native = settings.engine == CONCRETE
    compiled = ProgramFolder(planned.circuit, options, promised=wanted, catalogue=True, native=native)
    program = compiled.program
    if program.keyset_entry:  # of a bootstrapped program
        # A server is to compile it onto the same keyset, whatever its own version would choose.
        options = replace(options, keyset_entry=program.keyset_entry, keyset=program.keyset)
    spec = ClientSpec(
        model_name=settings.name or type(estimator).__name__.lower(),
        features=planned.features,
        parameters=program.parameters,
        decoder=planned.decoder,
    )
    verify(planned.circuit, spec)
    artifact = ModelArtifact(settings.version, _provenance(estimator), spec, planned.circuit.to_bytes(), options)
    return CompiledModel(
        artifact,
        planned.circuit,
        compiled=compiled,
        estimator=estimator,
        error_bound=planned.error_bound,
        edges=planned.edges,
        layer_names=planned.layer_names,
        given_up=planned.given_up,
        ranges=planned.ranges,
        agreement=planned.agreement,
        places=planned.places,
        predictions=planned.predictions,
        contributions=planned.contributions,
        contribution_error_bound=planned.contribution_error,
        advice=training_options(planned, estimator),
        offers=planned.offers,
    )


def _check_keys(parameters: SchemeParameters, settings: CompileSettings) -> None:
    """Linear models of the scheme levelled have keys of their own.

    Raises:
        CompilationError: these are not those of `keys_of`.
    """
    if settings.keys_of is None:
        return
    theirs = settings.keys_of.artifact.client_spec.parameters.keyset
    if theirs.name != parameters.keyset.name:
        raise CompilationError(
            "keys_of: linear models of the scheme levelled share keys with each other, and all its other models do; "
            "leave it out"
        )


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
