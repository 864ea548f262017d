"""Brevitas networks of digits beside Brevitas and ONNX Runtime, on every row: 3, 4 and 5 bits, ten seeds each.

python tools/bench/brevitas_digits.py [--seeds 10] [--bits 3 4 5] [--hidden 32] [--steps 60] [--standardized]

Networks are QuantIdentity, QuantLinear, relu, QuantIdentity, QuantLinear. They are trained on pixels k/16, or on
standardized ones, exported by `export_onnx_qcdq` and planned with nothing approximated; the circuit's interpretation
is compared on all 1797 images. Rows with a sum that Brevitas rounds otherwise in another row, of the same integers, are
counted apart: no circuit of integers equals it on both.
Exit status 1 where a network does not compile, or another row differs from either library.
"""

from __future__ import annotations

import argparse
import io
import time
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime  # type: ignore[import-untyped]
import torch
from cryptable.compiling.plan import plan
from cryptable.compiling.settings import CompileSettings
from cryptable.neural.quantizers import qnn
from cryptable_engine import interpret
from cryptable_protocol import CryptableError, encode_rows
from sklearn.datasets import load_digits
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of docstrings, when Python first compiles them
    from brevitas.export import export_onnx_qcdq

Scores = npt.NDArray[np.float64]
CLOSE = 1e-5
"""Of the largest score: what single precision may be off by."""


class Perceptron(nn.Module):
    """64-hidden-10, of as many bits everywhere."""

    def __init__(self, bits: int, hidden: int) -> None:
        super().__init__()
        self.rows = qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)
        self.one = qnn.QuantLinear(64, hidden, bias=True, weight_bit_width=bits)
        self.values = qnn.QuantIdentity(bit_width=bits, return_quant_tensor=True)
        self.two = qnn.QuantLinear(hidden, 10, bias=True, weight_bit_width=bits)

    def forward(self, rows: Any) -> Any:  # noqa: ANN401
        """Scores of ten classes."""
        return self.two(self.values(torch.relu(self.one(self.rows(rows)))))


def trained(bits: int, hidden: int, steps: int, seed: int, rows: Any, labels: Any) -> nn.Module:  # noqa: ANN401
    """By Adam, on the first 900 images."""
    torch.manual_seed(seed)
    module = Perceptron(bits, hidden)
    optimizer = torch.optim.Adam(module.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(rows[:900]), labels[:900]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return module.eval()


def exported(module: nn.Module, row: Any) -> onnx.ModelProto:  # noqa: ANN401
    """As Brevitas' users write it."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        options = {"opset_version": 17, "dynamo": False, "input_names": ["x"], "dynamic_axes": {"x": {0: "rows"}}}
        export_onnx_qcdq(module, args=row, export_path=buffer, **options)
    return onnx.load_from_string(buffer.getvalue())


def of_onnxruntime(model: onnx.ModelProto, rows: npt.NDArray[np.float32]) -> Scores:
    """Its scores, node by node as they stand."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.asarray(session.run(None, {"x": rows})[0], np.float64)


def rows_off(one: Scores, other: Scores) -> npt.NDArray[np.bool_]:
    """Rows with a score that differs by more than single precision explains."""
    found: npt.NDArray[np.bool_] = np.abs(one - other).max(axis=1) > CLOSE * np.abs(other).max()
    return found


def undecided(module: Any, rows: Any) -> npt.NDArray[np.bool_]:  # noqa: ANN401
    """Rows with a hidden sum that Brevitas rounds to one level here and to another in a row of the same integers."""
    with torch.no_grad():
        features, weights = module.rows(rows), module.one.quant_weight()
        integers = (features.value / features.scale).round() @ (weights.value / weights.scale).round().T
        hidden = module.values(torch.relu(module.one(features)))
        levels = (hidden.value / hidden.scale).round()
    found = np.zeros(len(rows), np.bool_)
    for sums, taken in zip(integers.numpy().T, levels.numpy().T, strict=True):
        pairs = np.unique(np.stack([sums, taken]), axis=1)
        several, counts = np.unique(pairs[0], return_counts=True)
        found |= np.isin(sums, several[counts > 1])
    return found


def main() -> int:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="networks of each number of bits (default: %(default)s)")
    parser.add_argument("--bits", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--hidden", type=int, default=32)
    parser.add_argument("--steps", type=int, default=60, help="of training (default: %(default)s)")
    parser.add_argument("--standardized", action="store_true", help="pixels of mean 0 and deviation 1, not k/16")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X = ((X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 0.1) if arguments.standardized else X / 16).astype(np.float32)
    rows, labels = torch.tensor(X), torch.tensor(y)
    print("| bits | seed | unlike Brevitas | ONNX Runtime | these apart | undecided | accuracy | planned in |")
    print("|---|---|---|---|---|---|---|---|")
    fine = True
    for bits in arguments.bits:
        for seed in range(arguments.seeds):
            module = trained(bits, arguments.hidden, arguments.steps, seed, rows, labels)
            model = exported(module, rows[:1])
            own = module(rows).detach().numpy().astype(np.float64)
            runtime = of_onnxruntime(model, X)
            began = time.perf_counter()
            try:
                planned = plan(model, X[:900], CompileSettings(labels=list(range(10))))
            except CryptableError as error:
                print(f"| {bits} | {seed} | {type(error).__name__}: {error} | | | | | |", flush=True)
                fine = False
                continue
            seconds = time.perf_counter() - began
            found = planned.decoder.decision_function(interpret(planned.circuit, encode_rows(planned.features, X)))
            off, off_runtime, apart = rows_off(found, own), rows_off(found, runtime), rows_off(own, runtime)
            either = undecided(module, rows)
            fine &= not ((off | off_runtime) & ~either).any()
            counts = " | ".join(str(int(each.sum())) for each in (off, off_runtime, apart, either))
            right = (found.argmax(axis=1) == y)[900:].mean()
            print(f"| {bits} | {seed} | {counts} | {right:.3f} | {seconds:.1f} s |", flush=True)
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
