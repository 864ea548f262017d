"""The demo, told in four steps: train and compile, serve, encrypt and evaluate, compare."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiling.compile import compile as compile_model
from cryptable.console.terminal import rule, show
from cryptable.demo.parties import running_client, running_server
from cryptable.errors import DemoError

MODEL_NAME = "tumour"


@dataclass(frozen=True)
class Study:
    """A trained model and the patients that it has not seen."""

    classifier: Any
    training_rows: npt.NDArray[np.float64]
    test_rows: npt.NDArray[np.float64]
    test_labels: npt.NDArray[np.int64]
    label_names: tuple[str, ...]


def train() -> Study:
    """Train XGBoost (100 trees of depth 3) on scikit-learn's breast cancer data: 30 measurements of 569 tumours.

    Raises:
        DemoError: XGBoost is not installed.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    try:
        from xgboost import XGBClassifier
    except ImportError as error:
        raise DemoError("the demo trains an XGBoost model: pip install 'cryptable[demo]'") from error
    data = load_breast_cancer()
    split = train_test_split(data.data, data.target, test_size=0.2, random_state=0)
    training_rows, test_rows, training_labels, test_labels = split
    classifier = XGBClassifier(n_estimators=100, max_depth=3).fit(training_rows, training_labels)
    return Study(classifier, training_rows, test_rows, test_labels, tuple(map(str, data.target_names)))


def run_demo(console: Console, *, rows: int) -> bool:
    """Run the main job on this machine, with the real server and the real client as processes.

    Args:
        console: where to tell the story.
        rows: test rows to predict under encryption.

    Returns:
        Whether every decrypted score equals the Circuit's score in the clear.

    Raises:
        DemoError: a party failed; the message says which and why.
    """
    with _interrupted_by_signals(), tempfile.TemporaryDirectory(prefix="cryptable-demo-") as name:
        folder = Path(name)
        rule(console, "1. The developer trains a model and compiles it")
        study = train()
        accuracy = study.classifier.score(study.test_rows, study.test_labels)
        console.print(f"XGBoost, 100 trees of depth 3, on breast cancer data: test accuracy {accuracy:.1%}")
        model = compile_model(study.classifier, study.training_rows, name=MODEL_NAME)
        explanation = model.explain()
        show(console, explanation)
        console.print(
            "Why nothing is bootstrapped: the device answers every comparison itself and encrypts the answers, one bit "
            f"each; the server multiplies these bits along the trees, {model.circuit.products} products for all 100. "
            f"One set of keys, {explanation.bytes.evaluation_keys / 1e6:.1f} MB, serves every model of trees."
        )
        models = folder / "models"
        models.mkdir()
        artifact = models / f"{MODEL_NAME}.cryptable"
        model.save(artifact)
        console.print(f"artifact: {artifact.stat().st_size:,} bytes")

        rule(console, "2. The operator serves it")
        with running_server(models, folder) as (address, certificate):
            console.print(f"cryptable-server on {address}, TLS, evaluating in worker processes")
            return _predict_and_compare(console, model, study, folder, address, certificate, rows)


def _predict_and_compare(
    console: Console, model: CompiledModel, study: Study, folder: Path, address: str, certificate: Path, rows: int
) -> bool:
    tested = study.test_rows[:rows]
    request = {
        "address": address,
        "root_certificates": str(certificate),
        "model": MODEL_NAME,
        "rows": tested.tolist(),
    }
    rule(console, "3. A patient's device encrypts; the server computes; the device decrypts")
    margins = study.classifier.predict(tested, output_margin=True)
    clear = model.decision_function(tested, mode="clear")
    answers: list[dict[str, Any]] = []
    facts: dict[str, dict[str, Any]] = {}
    with running_client(request, folder) as (distributions, events):
        console.print(f"client process, which can import: {', '.join(distributions)}")
        for event in events:
            kind = event.pop("event")
            if kind == "row":
                answers.append(event)
                _print_row(console, study, event, margins, clear)
            else:
                facts[kind] = event
                _print_fact(console, kind, event)
    if len(answers) != len(tested):
        raise DemoError(f"{len(answers)} of {len(tested)} rows were answered")
    equal = [answer["score"] == clear[answer["index"]] for answer in answers]

    rule(console, "4. What each party has seen")
    _print_parties(console, model, answers, facts)
    if all(equal):
        console.print(f"All {len(equal)} decrypted scores equal the Circuit's scores in the clear, bit for bit.")
    else:
        console.print(f"[bold red]{equal.count(False)} of {len(equal)} decrypted scores differ.[/]")
    return all(equal)


def _print_fact(console: Console, kind: str, event: dict[str, Any]) -> None:
    match kind:
        case "started":
            console.print("concrete, torch, sklearn, onnx, xgboost there: none; importing them is impossible")
        case "imported":
            console.print(f"import cryptable_client: {event['seconds']:.2f} s")
        case "ready":
            seconds = ", ".join(f"{name} {value:.2f} s" for name, value in event["timings"].items())
            traffic = ", ".join(f"{name} {count:,} bytes" for name, count in event["traffic"].items())
            console.print(f"connected, parameters checked, keys made and uploaded: {seconds}")
            console.print(f"on the wire so far: {traffic}")


def _print_row(
    console: Console,
    study: Study,
    answer: dict[str, Any],
    margins: npt.NDArray[np.float64],
    clear: npt.NDArray[np.float64],
) -> None:
    index = answer["index"]
    predicted = study.label_names[int(answer["score"] > 0)]
    same = "equal" if answer["score"] == clear[index] else "[bold red]DIFFERENT[/]"
    console.print(
        f"patient {index}: XGBoost {margins[index]:+.4f}  circuit {clear[index]:+.4f}  "
        f"decrypted {answer['score']:+.4f} ({same})  → {predicted} "
        f"(truth: {study.label_names[study.test_labels[index]]})  {answer['seconds']:.2f} s"
    )


def _print_parties(
    console: Console, model: CompiledModel, answers: list[dict[str, Any]], facts: dict[str, dict[str, Any]]
) -> None:
    explanation = model.explain().to_dict()
    row = answers[0]["traffic"]
    table = Table(show_header=True, header_style="bold")
    for heading in ("party", "has seen", "has not seen"):
        table.add_column(heading)
    table.add_row("developer", "the training data and the model", "any patient's data, key or result")
    up, down = row.get("rows_sent", 0), row.get("rows_received", 0)
    table.add_row(
        "server",
        f"Ciphertexts: {up:,} bytes a row up, {down:,} bytes down. {explanation['server_learns']}",
        "a measurement, a score, a secret key",
    )
    peak = facts["done"].get("peak_memory_bytes")
    memory = "" if peak is None else f" Peak memory of the process: {peak / 1e6:.0f} MB."
    table.add_row("client", f"Its own data. {explanation['client_learns']}{memory}", "the trees and their values")
    show(console, table)


@contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    # A terminated demo unwinds like an interrupted one, so that its processes and files go with it.
    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    previous = {name: signal.signal(getattr(signal, name), interrupt) for name in names}
    try:
        yield
    finally:
        for name, handler in previous.items():
            signal.signal(getattr(signal, name), handler)
