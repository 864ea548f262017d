"""Runs the node tests that the onnx package ships through the importer and the quantizer, one network a test.

A test is taken where its operator is one that is to be supported and its first input holds floats. That input, or all
inputs with floats, are encrypted; the others are constants. It passes where (1) the traced network gives the expected
output, and (2) the interpreted integers do, within what rounding at 6 kept bits explains.

python tools/onnx_nodes.py [NAME ...]     print what became of tests whose names begin so (all by default)
"""

from __future__ import annotations

import math
import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from cryptable.errors import ConstantModelError
from cryptable.networks.operators.registry import supported_operators
from cryptable.networks.planning import plan_segments
from cryptable.networks.quantize import Precision
from cryptable.networks.reading import read_model
from cryptable.networks.segments import SegmentedNetwork
from cryptable.networks.tracing import trace
from cryptable_engine import interpret
from cryptable_protocol import CryptableError, encode_rows
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase

BITS, OUTPUT_BITS, INPUT_BITS = 6, 30, 12
PAIRS = ("Add", "Sub", "Mul", "Max", "Min")
"""Operators of which two encrypted inputs are tried too."""
MAX_ELEMENTS = 4000
Array = npt.NDArray[Any]
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)


@dataclass(frozen=True)
class Result:
    """What became of one test; `why` is empty where it passed."""

    test: str
    operator: str
    kind: str
    why: str


def run_all(prefixes: tuple[str, ...] = ("",), *, progress: bool = False) -> list[Result]:
    """Every test that is taken."""
    kinds = {each.name: each.kind for each in supported_operators() if not each.domain}
    results = []
    for case in _cases():
        model = case.model
        if not case.name.removeprefix("test_").startswith(prefixes) or model is None or not case.data_sets:
            continue
        if len(model.graph.node) != 1 or len(model.opset_import) != 1:
            continue  # the same operator again, expanded to others
        operator = model.graph.node[0].op_type
        if operator not in kinds or not _is_float(model.graph.input[:1]):
            continue
        kind = kinds[operator]
        if progress:
            print(case.name, file=sys.stderr, flush=True)
        results.append(Result(case.name, operator, kind, _outcome(model, case.data_sets[0], pair=False)))
        if operator in PAIRS and len(model.graph.input) == 2 and _is_float(model.graph.input):
            results.append(
                Result(f"{case.name}, both encrypted", operator, kind, _outcome(model, case.data_sets[0], pair=True))
            )
    return results


@cache
def _cases() -> list[TestCase]:
    """All of them: onnx makes them anew whenever it is asked, in a quarter of a minute."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(collect_testcases(None), key=lambda each: each.name)


def _is_float(inputs: object) -> bool:
    kinds = [each.type.tensor_type.elem_type for each in inputs]  # type: ignore[attr-defined]
    return bool(kinds) and all(kind in _FLOATS for kind in kinds)


def _outcome(model: onnx.ModelProto, data: tuple[Sequence[Array], Sequence[Array]], *, pair: bool) -> str:
    given, outputs = data
    inputs = {each.name: _array(value) for each, value in zip(model.graph.input, given, strict=True)}
    expected = _array(outputs[0])
    encrypted = list(inputs)[: 2 if pair else 1]
    arrays = [inputs[name] for name in encrypted]
    if any(array.size == 0 for array in arrays) or expected.size == 0:
        return "an empty tensor: there is nothing to encrypt"
    if sum(array.size for array in arrays) > MAX_ELEMENTS:
        return f"more than {MAX_ELEMENTS} numbers"
    row = np.concatenate([array.ravel() for array in arrays]).astype(np.float64)
    if not np.isfinite(row).all():
        return "inputs that are not finite, which encoders refuse"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _compared(_wrapped(model, inputs, encrypted), row, expected)
    except ConstantModelError:
        return "" if _is_constant(model) else "the same output for every input: there is nothing to compute"
    except CryptableError as error:
        return str(error).partition("Supported:")[0].strip()


def _array(value: Any) -> Array:  # noqa: ANN401
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def _is_constant(model: onnx.ModelProto) -> bool:
    return model.graph.node[0].op_type in ("Shape", "Size", "IsNaN", "IsInf")


def _wrapped(model: onnx.ModelProto, inputs: dict[str, Array], encrypted: list[str]) -> onnx.ModelProto:
    """One input of shape (1, numbers), cut up and reshaped to what the node takes; all else constant."""
    dtype = next(each.type.tensor_type.elem_type for each in model.graph.input if each.name == encrypted[0])
    nodes, initializers = [], []
    start, flat = 0, sum(inputs[name].size for name in encrypted)

    def constant(name: str, value: Array) -> str:
        initializers.append(numpy_helper.from_array(value, name))
        return name

    for name in encrypted:
        stop = start + inputs[name].size
        ends = [constant(f"{name}_{what}", np.array([value])) for what, value in (("start", start), ("stop", stop))]
        axis = constant(f"{name}_axis", np.array([1]))
        if model.opset_import[0].version >= 10:
            nodes.append(helper.make_node("Slice", ["row", *ends, axis], [f"{name}_flat"]))
        else:
            nodes.append(helper.make_node("Slice", ["row"], [f"{name}_flat"], starts=[start], ends=[stop], axes=[1]))
        shape = constant(f"{name}_shape", np.array(inputs[name].shape, np.int64))
        nodes.append(helper.make_node("Reshape", [f"{name}_flat", shape], [name]))
        start = stop
    constants = [numpy_helper.from_array(value, name) for name, value in inputs.items() if name not in encrypted]
    kept = onnx.NodeProto()
    kept.CopyFrom(model.graph.node[0])
    graph = helper.make_graph(
        [*nodes, kept],
        "node",
        [helper.make_tensor_value_info("row", dtype, [1, flat])],
        [model.graph.output[0]],
        [*initializers, *constants],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _compared(model: onnx.ModelProto, row: Array, expected: Array) -> str:
    network = read_model(model, name="node")
    segments = trace(network, tuple(f"x{index}" for index in range(row.size)))
    wanted = expected.astype(np.float64).ravel()
    traced = segments.scores(row[None])[0]
    scale = max(1e-6, float(np.abs(wanted).max()))
    if traced.shape != wanted.shape or not np.allclose(traced, wanted, rtol=1e-3, atol=1e-5 * scale, equal_nan=True):
        if network.output_name != model.graph.output[0].name:
            wanted = network.reference_scores(row[None])[0]  # the tail was cut off
        if traced.shape != wanted.shape or not np.allclose(traced, wanted, rtol=1e-3, atol=1e-5 * scale):
            return "the traced network gives another output"
    # Calibration: rows whose numbers are the test's, each input's in other orders.
    rng = np.random.default_rng(0)
    rows = np.stack([row, *(rng.permutation(row) for _ in range(19))])
    planned = plan_segments(segments, rows, Precision(bits=BITS, output_bits=OUTPUT_BITS, input_bits=INPUT_BITS))
    values = interpret(planned.circuit, encode_rows(planned.features, rows))
    found = np.asarray(planned.decoder.decision_function(values)).reshape(len(rows), -1)
    exact = segments.scores(rows)
    allowed = _allowed(segments, rows) + 2 * planned.decoder.step * (1 + _summed(segments))
    if not (np.abs(found - exact) <= allowed + 1e-6 * scale).all():
        worst = float((np.abs(found - exact) - allowed).max())
        return f"off by {worst:.3g} more than rounding explains"
    return ""


def _summed(segments: SegmentedNetwork) -> float:
    return math.sqrt(float(np.diff(segments.matrix.indptr).max(initial=1)))


def _allowed(segments: SegmentedNetwork, rows: Array) -> Array:
    """What rounding sums to entries explains, carried through the layers: how far each function moves nearby."""
    spread = np.ptp(rows, axis=0) / (1 << INPUT_BITS)
    known, error = rows, np.broadcast_to(spread, rows.shape)
    for layer in segments.layers:
        matrix = abs(layer.matrix)
        sums = layer.sums(known)
        moved = (matrix @ error[:, : matrix.shape[1]].T).T + 1.5 * np.ptp(sums, axis=0) * 1.04 / (1 << BITS)
        exact = layer.values(sums)
        reach = np.zeros_like(exact)
        for part in np.linspace(-1, 1, 17):
            reach = np.fmax(reach, np.abs(layer.values(sums + part * moved) - exact))
        entries = np.ptp(exact, axis=0) / 2**4
        known, error = np.concatenate([known, exact], axis=1), np.concatenate([error, reach + entries], axis=1)
    result: Array = (abs(segments.matrix) @ error[:, : segments.matrix.shape[1]].T).T
    return result


def report(results: list[Result] | None = None) -> str:
    """Markdown: how many passed, by kind, and why the others did not. Prints the numbers."""
    results = run_all() if results is None else results
    passed = sum(not each.why for each in results)
    lines = [
        f"Of the tests in `onnx.backend.test.case.node` of onnx {onnx.__version__} on the operators above whose first",
        f"input holds floats, {passed} of {len(results)} pass: the traced network gives ONNX' own output, and the",
        f"integers do within what rounding to {BITS} bits explains (`python tools/onnx_nodes.py`).",
        "",
        "| kind | passed | of |",
        "|---|---|---|",
    ]
    for kind, count in Counter(each.kind for each in results).items():
        passed = sum(not each.why for each in results if each.kind == kind)
        lines.append(f"| {kind} | {passed} | {count} |")
        print(f"{kind}: {passed} of {count}")
    lines += ["", "| test that does not pass | why |", "|---|---|"]
    lines += [f"| {each.test} | {each.why.replace('|', ' ')} |" for each in results if each.why]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    every = run_all(tuple(sys.argv[1:]) or ("",), progress=True)
    for each in every:
        print(f"{each.test} ({each.operator}): {each.why or 'passed'}")
    report(every)
