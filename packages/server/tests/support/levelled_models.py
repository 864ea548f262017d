"""Levelled models made by hand, and their artifacts: small trees of bits, and a matrix of integers."""

import numpy as np
from cryptable_engine import Circuit, GroupKind, Input, InputGroup, Linear, Product, Term, compile_circuit
from cryptable_protocol import (
    AffineEncoder,
    ClientSpec,
    CompileOptions,
    Decoder,
    Link,
    ModelArtifact,
    Provenance,
    ThermometerEncoder,
)

OPTIONS = CompileOptions(p_error=2.0**-128, scheme="levelled")
EDGES = (1.0, 2.0, 3.0)
ROWS = np.array([[a, b] for a in (0.5, 1.5, 2.5, 3.5) for b in (0.0, 1.0, 2.0, 3.0)])


def circuit(seed):
    """Two thermometers of three bits, four products of depth two, two scores."""
    rng = np.random.default_rng(seed)
    source = Input((InputGroup(GroupKind.THERMOMETER, 3), InputGroup(GroupKind.THERMOMETER, 3)))
    inner = Linear((Term.from_dense(0, rng.integers(-4, 5, (6, 4))),), rng.integers(0, 4, 4))
    outer = Linear(
        (Term.from_dense(0, rng.integers(-4, 5, (6, 4))), Term.from_dense(2, np.eye(4, dtype=np.int64))),
        rng.integers(0, 4, 4),
    )
    total = Linear(
        (Term.from_dense(0, rng.integers(-4, 5, (6, 2))), Term.from_dense(4, [[1, 0], [0, 1], [1, 0], [0, 1]])),
        np.array([60, 60]),
    )
    return Circuit((source, inner, Product(1, np.array([0, 4]), 4), outer, Product(3, np.array([1, 5]), 4), total), 5)


def artifact(name, made, folder):
    program = compile_circuit(made, OPTIONS, folder)
    spec = ClientSpec(
        name,
        tuple(ThermometerEncoder(column, EDGES) for column in "ab"),
        program.parameters,
        Decoder(Link.IDENTITY, (0, 0), 1.0, (0.0, 0.0)),
    )
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, made.to_bytes(), OPTIONS)


def linear():
    """Three integers of four bits, and forty scores: an answer of several parts."""
    weights = np.random.default_rng(3).integers(-9, 10, (3, 40))
    offset = -np.minimum(weights, 0).sum(axis=0) * 15
    given = Input((InputGroup(GroupKind.RANGE, 1, 15),) * 3)
    return Circuit((given, Linear((Term.from_dense(0, weights),), offset)), 1)


def linear_artifact(folder):
    program = compile_circuit(linear(), OPTIONS, folder)
    features = tuple(AffineEncoder(column, 0.0, 1.0, 16) for column in "abc")
    spec = ClientSpec("linear", features, program.parameters, Decoder(Link.IDENTITY, (0,) * 40, 1.0, (0.0,) * 40))
    return ModelArtifact("1", Provenance("by hand", (), ""), spec, linear().to_bytes(), OPTIONS)
