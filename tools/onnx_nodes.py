"""Runs the node tests that the onnx package ships through the importer and the quantizer, one network a test.

A test is taken where its operator is one that is to be supported and an input that it computes with holds floats. That
input, or all inputs with floats, are encrypted; the others are constants, and so are numbers that are not finite, since
no encoder takes them; results that are not finite are left out. A test passes where (1) the traced network gives the
expected output, and (2) the interpreted integers do, within what rounding at 6 kept bits explains (onnx_node_bound.py).

python tools/onnx_nodes.py [NAME ...]     print what became of tests whose names begin so (all by default)
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import onnx
from cryptable.errors import ConstantModelError
from cryptable.graphs.network import SegmentedNetwork
from cryptable.importers.networks.operators.registry import supported_operators
from cryptable.importers.networks.reading import read_model
from cryptable.importers.networks.tracing import trace
from cryptable.planner.networks.plan import plan_segments
from cryptable.planner.networks.quantize import Precision
from cryptable_engine import interpret
from cryptable_protocol import CryptableError, encode_rows
from onnx import TensorProto
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.case.test_case import TestCase
from onnx_node_bound import BITS, INPUT_BITS, allowed
from onnx_node_wrapping import Array, array_of, wrapped

OUTPUT_BITS = 30
ALL_ENCRYPTED = (
    *("Add", "Concat", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mul"),
    *("Sub", "Sum"),
)
"""Operators of which all inputs encrypted are tried too."""
OTHER_ENCRYPTED = {"Add": 1, "Sub": 1, "Mul": 1, "Div": 1, "Max": 1, "Min": 1, "Pow": 1, "Where": 2}
"""Operators of which an input other than the first is tried too, the others being constants."""
MAX_ELEMENTS = {"lookups": 4000}
"""Encrypted numbers of a test, by the kind of its operator."""
_MAX_ELEMENTS_ELSE = 120_000
_CALIBRATION_ROWS = 20
_MANY = 4000
"""Encrypted numbers, from which on fewer calibration rows are made."""
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
        if operator not in kinds:
            continue
        for what, encrypted in _variants(operator, model):
            if progress:
                print(case.name + what, file=sys.stderr, flush=True)
            why = _outcome(model, case.data_sets[0], encrypted, kinds[operator])
            if why is not None:
                results.append(Result(case.name + what, operator, kinds[operator], why))
    return results


def _variants(operator: str, model: onnx.ModelProto) -> list[tuple[str, list[str]]]:
    """Which inputs are encrypted, by what a result's name ends with."""
    names = [each.name for each in model.graph.input]
    floats = [each.type.tensor_type.elem_type in _FLOATS for each in model.graph.input]
    found = []
    first = 1 if operator == "Where" else 0
    if first < len(names) and floats[first]:
        found.append(("", [names[first]]))
    other = OTHER_ENCRYPTED.get(operator)
    if other is not None and other < len(names) and floats[other]:
        found.append((f", input {other} encrypted", [names[other]]))
    if operator in ALL_ENCRYPTED and len(names) > 1 and all(floats):
        found.append((", all encrypted", names))
    return found


@cache
def _cases() -> list[TestCase]:
    """All of them: onnx makes them anew whenever it is asked, in a quarter of a minute."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(collect_testcases(None), key=lambda each: each.name)


def _outcome(
    model: onnx.ModelProto, data: tuple[Sequence[Array], Sequence[Array]], encrypted: list[str], kind: str
) -> str | None:
    """Why it does not pass, "" where it does, None where there is nothing to encrypt or to compute."""
    given, outputs = data
    inputs = {each.name: array_of(value) for each, value in zip(model.graph.input, given, strict=True)}
    expected = [array_of(each) for each in outputs]
    numbers = sum(int(np.isfinite(inputs[name]).sum()) for name in encrypted)
    if not numbers or not sum(each.size for each in expected):
        return None
    if numbers > MAX_ELEMENTS.get(kind, _MAX_ELEMENTS_ELSE):
        return f"{numbers} encrypted numbers, which take too long to test"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _compared(*wrapped(model, inputs, encrypted, expected))
    except CryptableError as error:
        return str(error).partition("Supported:")[0].strip()


def _compared(model: onnx.ModelProto, row: Array, wanted: Array) -> str:
    network = read_model(model, name="node")
    if not wanted.size:
        return "no result is finite"
    rows = _calibration(row)
    scale = max(1e-6, float(np.abs(wanted).max()))
    try:
        segments = trace(network, tuple(f"x{index}" for index in range(row.size)), rows)
        traced = segments.scores(row[None])[0]
        if traced.shape != wanted.shape or not np.allclose(traced, wanted, rtol=1e-3, atol=1e-5 * scale):
            return "the traced network gives another output"
        return _integers_compared(segments, _where_finite(segments, rows), scale)
    except ConstantModelError:
        constant = np.allclose(network.reference_scores(rows), wanted, rtol=1e-3, atol=1e-5 * scale)
        return "" if constant else "taken for a constant, which it is not"


def _calibration(row: Array) -> Array:
    """The test's row, and others whose numbers are the test's in other orders, or smaller where all are the same."""
    rng = np.random.default_rng(0)
    count = _CALIBRATION_ROWS if row.size <= _MANY else 2
    if not np.ptp(row):
        smaller: Array = row * np.linspace(1.0, 0.5, count)[:, None]
        return smaller
    return np.stack([row, *(rng.permutation(row) for _ in range(count - 1))])


def _where_finite(segments: SegmentedNetwork, rows: Array) -> Array:
    """Rows that a function is not defined for, as powers of negative numbers, are replaced by some near the test's."""
    bad = ~np.isfinite(segments.scores(rows)).all(axis=1)
    near = rows[0] * np.random.default_rng(1).uniform(0.8, 1.0, rows.shape)
    return np.where(bad[:, None], near, rows)


def _integers_compared(segments: SegmentedNetwork, rows: Array, scale: float) -> str:
    planned = plan_segments(segments, rows, Precision(bits=BITS, output_bits=OUTPUT_BITS, input_bits=INPUT_BITS))
    values = interpret(planned.circuit, encode_rows(planned.features, rows))
    found = np.asarray(planned.decoder.decision_function(values)).reshape(len(rows), -1)
    off = np.abs(found - segments.scores(rows)) - allowed(segments, rows, planned.decoder.step)
    return "" if (off <= 1e-6 * scale).all() else f"off by {off.max():.3g} more than rounding explains"


def report(results: list[Result] | None = None) -> str:
    """Markdown: how many passed, by kind, and why the others did not. Prints the numbers."""
    results = run_all() if results is None else results
    passed = sum(not each.why for each in results)
    lines = [
        f"Of the tests in `onnx.backend.test.case.node` of onnx {onnx.__version__} on the operators above that compute",
        f"with floats, {passed} of {len(results)} pass: the traced network gives ONNX' own output, and the integers do",
        f"within what rounding to {BITS} bits explains (`python tools/onnx_nodes.py`). Where an operator takes several",
        "tensors, the test is run with one of them encrypted, and with all. Numbers that are not finite, which no",
        "encoder takes, are constants there, and results that are not finite are left out.",
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
